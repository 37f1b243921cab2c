// The house rules of DESIGN section 3 as tests: who may import whom, who may touch what.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const src = join(dirname(fileURLToPath(import.meta.url)), "..", "src");

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
const texts = new Map(files.map((name) => [name, readFileSync(join(src, name), "utf8")]));
const pattern = /^\s*(import|export)\s+(type\s+)?(?:[^;"']*?\s+from\s+)?["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)/gm;

const imports: Import[] = [...texts].flatMap(([name, text]) =>
  [...text.matchAll(pattern)].map((match) => {
    const target = (match[3] ?? match[4]) as string;
    const to = target.startsWith(".") ? relative(src, resolve(src, dirname(name), target)) : target;
    return { from: name, to, typeOnly: match[2] !== undefined };
  }),
);

const folder = (file: string) => (file.includes("/") ? (file.split("/")[0] as string) : file);
const stages = ["plan", "data", "worker", "train", "decode", "evaluate", "report"];
const contracts = ["config", "protocol", "store"];
// foundation, lowest first
const foundation = ["lib", "puzzle", "solver", "trace"];
const rank: Record<string, number> = {
  "main.ts": 9,
  cli: 8,
  run: 7,
  setup: 6,
  python: 6,
  check: 6,
  ...Object.fromEntries(stages.map((name) => [name, 5])),
  ...Object.fromEntries(contracts.map((name) => [name, 4])),
  ...Object.fromEntries(foundation.map((name, index) => [name, index])),
};
const inside = imports.filter(({ to }) => to.endsWith(".ts"));
const show = ({ from, to }: Import) => `${from} -> ${to}`;

describe("the import graph", () => {
  it("finds the imports it judges", () => {
    expect(inside.length).toBeGreaterThan(100);
    expect(new Set(files.map(folder))).toEqual(new Set(Object.keys(rank)));
  });

  it("never runs upwards", () => {
    expect(inside.filter(({ from, to }) => (rank[folder(to)] as number) > (rank[folder(from)] as number)).map(show)).toEqual(
      [],
    );
  });

  it("lets a stage import only the types of another stage", () => {
    const across = inside.filter(
      ({ from, to }) => stages.includes(folder(from)) && stages.includes(folder(to)) && folder(from) !== folder(to),
    );
    expect(across.filter(({ typeOnly }) => !typeOnly).map(show)).toEqual([]);
  });

  it("keeps contracts apart: config, protocol and store import nothing of each other but types", () => {
    const across = inside.filter(
      ({ from, to }) => contracts.includes(folder(from)) && contracts.includes(folder(to)) && folder(from) !== folder(to),
    );
    expect(across.filter(({ typeOnly }) => !typeOnly).map(show)).toEqual([]);
  });

  it("has no circle", () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, typeOnly } of inside) if (!typeOnly) edges.set(from, [...(edges.get(from) ?? []), to]);
    const done = new Set<string>();
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file)) throw new Error(`circle: ${[...path.slice(path.indexOf(file)), file].join(" -> ")}`);
      if (done.has(file)) return;
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
  });

  it("has no barrel file", () => {
    expect(files.filter((name) => name.endsWith("index.ts"))).toEqual([]);
    expect([...texts].filter(([, text]) => /^export \*/m.test(text)).map(([name]) => name)).toEqual([]);
  });
});

describe("what only one place may touch", () => {
  const users = (module: string) => imports.filter(({ to }) => to === module).map(({ from }) => from);
  const mentions = (word: RegExp) =>
    [...texts].filter(([, text]) => word.test(text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, ""))).map(([name]) => name);

  it("zeromq: the transport file", () => {
    expect([...new Set(users("zeromq"))]).toEqual(["worker/transport.ts"]);
  });

  it("pythonia: python/", () => {
    expect(users("pythonia").length).toBeGreaterThan(0);
    expect(users("pythonia").filter((file) => folder(file) !== "python")).toEqual([]);
  });

  it("process.exit and process.env: main, and the entry points of processes of their own", () => {
    const entries = ["main.ts", "worker/mock/main.ts", "python/child.ts"];
    expect(mentions(/process\.(exit|env)\b/).filter((file) => !entries.includes(file))).toEqual([]);
  });

  it("files, clocks, chance and processes: not in the pure folders", () => {
    const pure = ["lib", "puzzle", "solver", "trace", "plan", "evaluate"];
    const impure = imports.filter(({ from, to }) => pure.includes(folder(from)) && /^node:/.test(to) && to !== "node:crypto");
    expect(impure.map(show)).toEqual([]);
    const words = /Math\.random|Date\.now|new Date\(|performance\.|\bprocess\./;
    expect(mentions(words).filter((file) => pure.includes(folder(file)))).toEqual([]);
  });

  it("result files: written by store/ alone among the stages", () => {
    const writers = imports.filter(
      ({ from, to }) =>
        /^node:fs/.test(to) && ["plan", "data", "train", "decode", "evaluate", "report", "run"].includes(folder(from)),
    );
    const reading = ["run/runStage.ts"];
    expect(writers.filter(({ from }) => !reading.includes(from)).map(show)).toEqual([]);
  });
});

describe("sizes", () => {
  it("keeps files under 300 lines", () => {
    const long = [...texts].map(([name, text]) => [name, text.split("\n").length] as const).filter(([, lines]) => lines > 300);
    expect(long).toEqual([]);
  });
});
