// A results folder that was copied to another place, and a store on another disk: everything is found, nothing runs again.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { run, temporary } from "./cli.ts";

const record = z.looseObject({ configDigest: z.string(), arms: z.array(z.unknown()).nonempty() });
const home = temporary();
const config = join(home, "mine.yaml");
const sharedMemory = "/dev/shm";
const obstacle = !existsSync(sharedMemory)
  ? "there is no /dev/shm"
  : statSync(sharedMemory).dev === statSync(tmpdir()).dev
    ? "/dev/shm is the disk of the temporary folder"
    : undefined;
const made: string[] = [home];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** What a run says of the sweep, but for when and where. */
function summaryIn(results: string): object {
  const text = readFileSync(join(results, "small-mock", "summary.json"), "utf8");
  const { createdAt: _, provenance: __, ...rest } = record.parse(JSON.parse(text));
  return rest;
}

const digests = (results: string) =>
  z
    .object({ provenance: z.object({ stages: z.array(z.object({ stage: z.string(), key: z.string(), digest: z.string() })) }) })
    .parse(JSON.parse(readFileSync(join(results, "small-mock", "summary.json"), "utf8"))).provenance.stages;

let first: object;
beforeAll(async () => {
  writeFileSync(
    config,
    `name: small
puzzle: {kind: countdown, numbers: 3, operands: [1, 20]}
data: {train: {size: 40}, test: {seen: 4, unseen: 4}}
model: {architecture: llama, width: 8, layers: 1, heads: 1}
train: {steps: 5}
decode: {greedy: {policy: greedy}}
`,
  );
  const { code, err } = await run(["run", config, "--mock"], { cwd: home });
  expect(err).toMatch(/stages: \d+ ran/);
  expect(code).toBe(0);
  first = summaryIn(join(home, "results"));
});

describe("a results folder copied elsewhere, with its store", () => {
  it("is all there under another path and name, with other times, from another folder, when the first is gone", async () => {
    const elsewhere = temporary();
    made.push(elsewhere);
    const copy = join(elsewhere, "other disk", "renamed");
    mkdirSync(join(elsewhere, "other disk"));
    cpSync(join(home, "results"), copy, { recursive: true });
    cpSync(config, join(elsewhere, "mine.yaml"));
    for (const name of readdirSync(copy, { recursive: true, encoding: "utf8" })) utimesSync(join(copy, name), 86_400, 86_400);
    const before = digests(copy);
    const stored = () => readdirSync(join(copy, ".store", "train"), { recursive: true, encoding: "utf8" }).sort();
    const trains = stored();
    rmSync(join(home, "results"), { recursive: true });
    mkdirSync(join(elsewhere, "standing here"));
    const cwd = join(elsewhere, "standing here");
    const place = ["--results", "../other disk/renamed", "--set", "store=../other disk/renamed/.store"];
    const { code, err } = await run(["run", "../mine.yaml", "--mock", ...place], { cwd });
    expect(err).toMatch(/stages: 0 ran/);
    expect(err).not.toContain("were kept in earlier/");
    expect(code).toBe(0);
    expect(summaryIn(copy)).toEqual(first);
    expect(digests(copy)).toEqual(before);
    expect(stored()).toEqual(trains);
    expect(readdirSync(cwd)).toEqual([]);
  });
});

describe.skipIf(obstacle !== undefined)(`a store on another disk${obstacle === undefined ? "" : ` (${obstacle})`}`, () => {
  it("gives the same summary, is found again, and moves to a third disk", async () => {
    const results = temporary();
    const store = mkdtempSync(join(sharedMemory, "backtrail-portable-"));
    const moved = join(results, "moved");
    made.push(results, store);
    const args = (at: string) => ["run", config, "--mock", "--results", results, "--set", `store=${at}`];
    const there = await run(args(store));
    expect(there.code).toBe(0);
    expect(summaryIn(results)).toEqual(first);
    expect((await run(args(store))).err).toMatch(/stages: 0 ran/);
    cpSync(store, moved, { recursive: true });
    rmSync(store, { recursive: true });
    expect((await run(args(moved))).err).toMatch(/stages: 0 ran/);
    expect(summaryIn(results)).toEqual(first);
  });
});
