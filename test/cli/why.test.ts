// backtrail why: one stage's story, named in every way that a person may.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadSweep } from "../../src/cli/sweep.ts";
import { whyCommand } from "../../src/cli/why.ts";
import { UserError } from "../../src/lib/errors.ts";
import { makeFolder, writeAtomic } from "../../src/store/files.ts";
import { waitForLock } from "../../src/store/lock.ts";
import type { RunState } from "../../src/store/runState.ts";
import { Store } from "../../src/store/store.ts";
import { flagsOf, type Place, place, publishAll } from "./planSweeps.ts";

async function why(at: Place, stage: string, ...set: string[]): Promise<string> {
  expect(await whyCommand(at.io, "tiny.yaml", stage, flagsOf(...set))).toBe(0);
  return at.told();
}

async function keyOf(at: Place, id: string, ...set: string[]): Promise<string> {
  const { plan } = await loadSweep(at.io, "tiny.yaml", flagsOf(...set));
  const found = plan.stages.find((stage) => stage.id === id);
  if (found === undefined) throw new Error(`no stage ${id}`);
  return found.key;
}

/** The texts of one label. */
function rows(story: string, label: string): string[] {
  const lines = story.split("\n");
  const first = lines.findIndex((line) => line.startsWith(`  ${label} `));
  if (first < 0) return [];
  const column = (lines[first] ?? "").search(/(?<=^ {2}\S.*) {2,}\S/);
  const indent = (lines[first] ?? "").slice(column).search(/\S/) + column;
  const after = lines.slice(first + 1).findIndex((line) => line.slice(0, indent).trim() !== "" || line === "");
  const end = after < 0 ? lines.length : first + 1 + after;
  return lines.slice(first, end).map((line) => line.slice(indent));
}

it("tells of a cached stage when, where and by which code it was made, and who shares it", async () => {
  const at = place();
  await publishAll(at);
  const before = readdirSync(at.folder, { recursive: true });
  const story = await why(at, "problems base");
  expect(story).toMatch(/^problems base: cached\n/);
  expect(rows(story, "key")).toEqual([await keyOf(at, "problems base")]);
  expect(rows(story, "made")[0]).toMatch(/^20\S+Z on tester, in 10 s, by the code of commit abc123$/);
  expect(rows(story, "made")[1]).toMatch(/^1 file, 64 B, contents [0-9a-f]{12}$/);
  expect(rows(story, "used by")).toEqual(["2 arms: base, direct"]);
  expect(rows(story, "settings")).toContain("data.test.seen: 6");
  expect(rows(story, "because")).toEqual([]);
  expect(readdirSync(at.folder, { recursive: true })).toEqual(before);
});

it("tells of a stage to do all that differs from the nearest one, down to the root, and what it will take", async () => {
  const at = place();
  await publishAll(at);
  const story = await why(at, "grade base/b1", "data.train.size=200", "decode.b1.samples=6");
  expect(story).toMatch(/^grade base\/b1: to do\n/);
  expect(rows(story, "because")).toEqual(["its decode differs: decode.b1.samples 4 -> 6"]);
  expect(rows(story, "compared").slice(1)).toEqual([
    "  its decode differs: decode.b1.samples 4 -> 6",
    "  its dataset differs: data.train.size 100 -> 200 (decode > train > dataset)",
  ]);
  expect(rows(story, "inputs")).toEqual([
    expect.stringMatching(/^decode: decode base\/b1, [0-9a-f]{12}, to do$/),
    expect.stringMatching(/^problems: problems base, [0-9a-f]{12}, cached$/),
  ]);
  expect(rows(await why(at, "train base", "data.train.size=200"), "expected")[0]).toMatch(
    /^about 10 s \(as stages like it took\)/,
  );
});

it("finds a stage by its policy, by the beginning of its key, and by any arm that shares it", async () => {
  const at = place();
  const key = await keyOf(at, "train direct");
  expect(await why(at, key.slice(0, 8))).toMatch(/^train direct: to do\n/);
  expect(await why(at, key)).toMatch(/^train direct: to do\n/);
  expect(await why(at, "problems direct")).toMatch(/^problems base: to do\n/);
  const both = await why(at, "direct/b1");
  expect(both.match(/^\S.*: to do$/gm)).toEqual(["decode direct/b1: to do", "grade direct/b1: to do"]);
});

it("names the nearest where there is no such stage, and the choices where there are several", async () => {
  const at = place();
  const refusal = async (stage: string) => {
    const error: unknown = await why(at, stage).catch((reason: unknown) => reason);
    if (!(error instanceof UserError)) throw error;
    return `${error.code}: ${error.message}`;
  };
  expect(await refusal("train dirct")).toMatch(/^no-such-stage: .*"train dirct".*"train direct"/);
  expect(await refusal("direct")).toMatch(
    /^ambiguous-stage: stage "direct" means 7 stages: "problems base" .*"train direct" \([0-9a-f]{12}\)/,
  );
  expect(await refusal("abcdef0")).toMatch(/^no-such-stage/);
});

it("says who works on a stage, and how it failed the last time", async () => {
  const at = place();
  const key = await keyOf(at, "train direct");
  const { storeRoot, folder } = await loadSweep(at.io, "tiny.yaml", flagsOf());
  const store = await Store.open(storeRoot);
  await store.workDirectory("train", key);
  const results = join(at.folder, "results", folder);
  await makeFolder(results);
  await writeAtomic(join(results, "progress.json"), JSON.stringify(failedRun(key)));
  const story = await why(at, "train direct");
  expect(story).toMatch(/^train direct: begun\n/);
  expect(rows(story, "failed last")).toEqual([
    "the worker was lost (in 2 runs in a row)",
    "log: results/x.log",
    "retry: backtrail retry tiny.yaml --failed",
  ]);
  const lock = await waitForLock(join(storeRoot, "locks", `train-${key}`), { signal: at.io.signal, onWait: () => undefined });
  expect(rows(await why(at, "train direct"), "in progress")[0]).toContain(`by process ${process.pid} on `);
  await lock.release();
});

it("tells the same to programs", async () => {
  const at = place();
  await publishAll(at);
  await whyCommand(at.io, "tiny.yaml", "train base", { ...flagsOf("data.train.size=200"), json: true });
  const { stages } = JSON.parse(at.told()) as { stages: Record<string, unknown>[] };
  expect(stages).toHaveLength(1);
  expect(stages[0]).toMatchObject({
    id: "train base",
    state: "to do",
    why: "its dataset differs: data.train.size 100 -> 200",
    differences: [{ through: ["dataset"], what: "setting", setting: "data.train.size", from: 100, to: 200 }],
    inputs: [{ role: "dataset", id: "data base", state: "to do" }],
    expected: { basis: "earlier stages" },
    nearest: { host: "tester", commit: "abc123" },
  });
});

/** What a run in which that stage failed leaves. */
function failedRun(key: string): RunState {
  const failure = { stage: "train direct", key, cause: "the worker was lost", code: "training-lost", times: 2 };
  const totals = { stages: 1, cached: 0, done: 0, running: 0, failed: 1, skipped: 0, waiting: 0, arms: 1, armsDone: 0 };
  const now = new Date().toISOString();
  return {
    version: 1,
    name: "tiny",
    configDigest: "",
    command: "",
    pid: 1,
    host: "h",
    startedAt: now,
    updatedAt: now,
    totals,
    kinds: {},
    workersLost: 0,
    callsRetried: 0,
    running: [],
    failures: [{ ...failure, log: "results/x.log", retry: "backtrail retry tiny.yaml --failed" }],
    workers: [],
    stages: [],
  };
}
