// backtrail data make | verify | inspect as a person runs them.
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dataInspectCommand, dataMakeCommand, dataVerifyCommand } from "../../src/cli/data.ts";
import { dataExportCommand } from "../../src/cli/dataExport.ts";
import { dataImportCommand } from "../../src/cli/dataImport.ts";
import type { Io } from "../../src/cli/io.ts";
import { parseDataConfig } from "../../src/config/load.ts";
import { loadModulesOf } from "../../src/config/moduleLoader.ts";
import { testProblems } from "../../src/data/make.ts";
import { recipeFor } from "../../src/data/recipe.ts";
import { exampleError } from "../../src/data/verifyExample.ts";
import { readProblem } from "../../src/puzzle/registry.ts";
import { findFormat } from "../../src/trace/registry.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const presets = join(root, "configs", "data");
const make = { set: [], json: false };

let folder: string;
let out: string;
let err: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backtrail-data-"));
  out = "";
  err = "";
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function io(colour = false): Io {
  return {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    stdin: Readable.from([]),
    env: {},
    cwd: folder,
    root,
    version: "0.0.0-test",
    outIsTerminal: false,
    errIsTerminal: false,
    drained: () => Promise.resolve(),
    width: 100,
    colour,
    signal: new AbortController().signal,
  };
}

const smallTests = ["data.test.seen=20", "data.test.unseen=10"];

describe("data make", () => {
  it("takes a preset by name, with size, seed and overrides; data to stdout, words to stderr", async () => {
    const flags = {
      ...make,
      out: "set",
      size: "30",
      seed: "5",
      set: smallTests,
      shardSize: "20",
      compress: "gzip",
      json: true,
    };
    expect(await dataMakeCommand(io(), "self-backtracking-500k", flags)).toBe(0);
    const manifest = JSON.parse(out) as { seed: number; shards: { name: string; rows: number }[] };
    expect(manifest.seed).toBe(5);
    expect(manifest.shards.map(({ name, rows }) => [name, rows])).toEqual([
      ["train-00000.jsonl.gz", 20],
      ["train-00001.jsonl.gz", 10],
    ]);
    expect(JSON.parse(readFileSync(join(folder, "set", "manifest.json"), "utf8"))).toEqual(manifest);
    expect(err).toMatch(/^30 examples in 2 shards, 30 test problems in 2 sets, \d+ s\n$/);
  });

  it("takes a config by its path, from where the user stands, and says where the data is", async () => {
    writeFileSync(
      join(folder, "mine.yaml"),
      "name: mine\npuzzle: {kind: countdown, numbers: 3}\ndata: {test: {seen: 5, unseen: 5}}\n",
    );
    expect(await dataMakeCommand(io(), "mine.yaml", { ...make, out: "here", size: "4" })).toBe(0);
    expect(out).toBe("here\n");
    expect(readdirSync(join(folder, "here")).sort()).toEqual([
      "manifest.json",
      "test-seen.jsonl",
      "test-unseen.jsonl",
      "train-00000.jsonl",
    ]);
  });

  it.each([
    ["self-backtraking-500k", {}, /no preset of that name\. Did you mean "self-backtracking-500k"\?/],
    ["self-backtracking-500k", { threads: "0" }, /--threads: expected a whole number from 1, found "0"/],
    ["self-backtracking-500k", { shardSize: "many" }, /--shard-size: expected a whole number from 1, found "many"/],
    ["self-backtracking-500k", { compress: "zip" }, /--compress: expected gzip, found "zip"/],
    ["self-backtracking-500k", { size: "-3" }, /--set data\.train\.size/],
  ])("%s with %j is refused", async (preset, flags, message) => {
    await expect(dataMakeCommand(io(), preset, { ...make, out: "set", ...flags })).rejects.toThrow(message);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("data verify", () => {
  it("answers 0 for a right dataset and 2, with places, for a broken one", async () => {
    await dataMakeCommand(io(), "self-backtracking-500k", { ...make, out: "set", size: "40", set: smallTests });
    err = "";
    expect(await dataVerifyCommand(io(), "set", { json: false })).toBe(0);
    expect(err).toBe("set: 40 examples and 30 test problems checked: all of them right, no problem shared\n");
    const file = join(folder, "set", "train-00000.jsonl");
    writeFileSync(file, readFileSync(file, "utf8").replace('"origin":"optimal"', '"origin":"rule"'));
    err = "";
    expect(await dataVerifyCommand(io(), "set", { json: false })).toBe(2);
    expect(err).toContain("set: 40 examples and 30 test problems checked: 2 faults, 0 examples on test problems\n");
    expect(err).toContain("train-00000.jsonl:1: origin rule: 0 backtrack marks, expected 1\n");
    out = "";
    expect(await dataVerifyCommand(io(), "set", { json: true })).toBe(2);
    expect(JSON.parse(out)).toMatchObject({ examples: 40, wrong: 2, findings: [{ file: "train-00000.jsonl", line: 1 }, {}] });
  });
});

it("a dataset of the user's own puzzle is made, verified and inspected with its module", async () => {
  await dataMakeCommand(io(), "pancakes", { ...make, out: "set", size: "20", set: ["data.test.seen=5"] });
  const module = [join(root, "configs", "modules", "pancakes.ts")];
  expect(await dataVerifyCommand(io(), "set", { json: false, module })).toBe(0);
  expect(await dataInspectCommand(io(), "set", { examples: "1", json: false, module })).toBe(0);
  expect(out).toMatch(/\n20 examples\nby origin: trace 20\nby solver: bfs 20\nsearches that reach a goal: 20 of 20\n/);
});

describe("data inspect", () => {
  it("shows examples with their masks, counts and histograms", async () => {
    await dataMakeCommand(io(), "self-backtracking-500k", { ...make, out: "set", size: "4", set: smallTests });
    out = "";
    expect(await dataInspectCommand(io(), "set", { examples: "3", json: false })).toBe(0);
    const shown = out.split("\n\n");
    expect(shown[0]).toMatch(
      /^train-0000000 \(optimal, exhaustive\)\n###Question: .*\n###Response:\n\[(.*\n)+Goal Reached!\]\[<end>\]$/,
    );
    // The wrong line stands outside the brackets.
    expect(shown[2]).toMatch(
      /^train-0000002 \((exploration|arithmetic|rule), exhaustive\)\n(.*\n)+.*=\d+\n\[<backtrack>\]\[<end>\]$/,
    );
    expect(out).toMatch(/\n4 examples\nby origin: optimal 2, /);
    expect(out).toMatch(/\ncharacters of a response: from \d+ to \d+, median/);
    expect(out).toMatch(/\nnumberOfSolutions \(of the first 2 problems\): /);
    out = "";
    await dataInspectCommand(io(true), join("set", "train-00000.jsonl"), { examples: "3", json: false });
    expect(out).toContain("\x1b[33m<backtrack>\x1b[0m");
    const red = out.split("\x1b[31m").map((part) => part.split("\x1b[0m")[0]);
    expect(red).toContainEqual(expect.stringMatching(/^\d+[-+*/]\d+=\d+\n$/));
    out = "";
    await dataInspectCommand(io(), "set", { examples: "1", json: true });
    expect(JSON.parse(out)).toMatchObject({ examples: 4, searches: 0, shown: [{ id: "train-0000000" }] });
  });

  it("refuses a number of examples that is none", async () => {
    await expect(dataInspectCommand(io(), ".", { examples: "x", json: false })).rejects.toThrow(
      /--examples: expected a whole number from 0/,
    );
  });
});

describe("every preset", () => {
  const names = readdirSync(presets).map((file) => file.slice(0, -".yaml".length));

  it.each(names)("%s is named as its file and makes examples that keep their promise", async (name) => {
    const path = join(presets, `${name}.yaml`);
    const text = readFileSync(path, "utf8");
    await loadModulesOf(text, path);
    const config = parseDataConfig(text, path);
    expect(config.name).toBe(name);
    const { puzzle, seed, data } = config;
    const recipe = recipeFor({ puzzle, train: data.train, seed });
    const made = Array.from({ length: 30 }, (_, index) => recipe.make(index)).filter((example) => example !== undefined);
    expect(made.length).toBeGreaterThan(20);
    for (const example of made) {
      const { puzzle: family, problem } = readProblem(example.problem);
      expect(exampleError(family, findFormat(family.name, example.format), problem, example)).toBeUndefined();
    }
    const sets = Object.fromEntries(Object.entries(data.test.sets).map(([set, settings]) => [set, { ...settings, size: 2 }]));
    const test = { ...data.test, seen: 2, unseen: Math.min(2, data.test.unseen), sets };
    const problems = testProblems({ puzzle, test, format: data.train.format }, seed);
    expect(new Set(problems.map(({ split }) => split))).toEqual(
      new Set(["seen", ...(puzzle.kind === "countdown" ? ["unseen"] : []), ...Object.keys(sets)]),
    );
  });
});

describe("a published data set", () => {
  const published = join(root, "test", "data", "fixtures", "sos-3-numbers.json");

  it("is imported, verified and exported again; nothing that was read is lost", async () => {
    const flags = { from: "sos", out: "in", file: [], allow: [], solve: false, json: false };
    expect(await dataImportCommand(io(), published, flags)).toBe(0);
    expect(await dataVerifyCommand(io(), "in", { json: false })).toBe(0);
    expect(err).toMatch(/all of them right, no problem shared/);
    expect(await dataInspectCommand(io(), "in", { examples: "1", json: true })).toBe(0);
    expect(await dataExportCommand(io(), "in", { to: "sos", out: "back", json: false })).toBe(0);
    const back = JSON.parse(readFileSync(join(folder, "back", "train.json"), "utf8")) as {
      nums: number[];
      search_path: string;
    }[];
    const before = JSON.parse(readFileSync(published, "utf8")) as typeof back;
    expect(back.map(({ nums, search_path }) => [nums, search_path.trim()])).toEqual(
      before.map(({ nums, search_path }) => [nums, search_path.trim()]),
    );
  });
});

describe("two makers of one folder", () => {
  it("the second is told who is at it; the first's dataset is whole", async () => {
    const maker = (name: string) => dataMakeCommand(io(), "sudoku", { ...make, size: "400", out: name, threads: "1" });
    const [first, second] = await Promise.allSettled([maker("one"), maker("one")]);
    const failed = [first, second].filter((result) => result.status === "rejected");
    for (const { reason } of failed) expect(String(reason)).toMatch(/this dataset is being made by process \d+/);
    expect(await dataVerifyCommand(io(), "one", { json: false })).toBe(0);
  });

  it("a lock that another one is just writing is not something the folder holds", async () => {
    mkdirSync(join(folder, "asked"));
    writeFileSync(join(folder, "asked", `running-1-${randomUUID()}.lock.${randomUUID()}.tmp`), "{");
    expect(await dataMakeCommand(io(), "sudoku", { ...make, size: "20", out: "asked", threads: "1" })).toBe(0);
  });

  it("a finished dataset with a file gone is not given out as whole", async () => {
    const maker = (more: object = {}) =>
      dataMakeCommand(io(), "maze", { ...make, size: "20", out: "two", threads: "1", ...more });
    await maker();
    await expect(maker({ compress: "gzip" })).rejects.toThrowError(/holds this dataset without compression/);
    rmSync(join(folder, "two", "train-00000.jsonl"));
    await expect(maker()).rejects.toThrowError(/train-00000\.jsonl is not there any more/);
  });
});
