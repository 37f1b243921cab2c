// run, status and retry on one sweep whose decoding of an arm fails, in this process, with real mock workers: what is told when,
// what is on record, and that a retry makes what failed and nothing else.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Io } from "../../src/cli/io.ts";
import { retryCommand } from "../../src/cli/retry.ts";
import { runCommand } from "../../src/cli/run.ts";
import { statusCommand } from "../../src/cli/status.ts";
import { exitCode } from "../../src/lib/errors.ts";
import type { Plan } from "../../src/plan/plan.ts";
import type { Summary } from "../../src/report/model.ts";
import { type RunState, readRunState } from "../../src/store/runState.ts";
import { temporaryFolder, twoArms } from "../run/helpers.ts";

const folder = temporaryFolder("run-sweep");
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const results = join(folder, "results", "x-mock");
const readJson = <T>(name: string) => JSON.parse(readFileSync(join(results, name), "utf8")) as T;

interface Told {
  readonly io: Io;
  readonly out: string[];
  readonly err: string[];
}

function terminal(): Told {
  const out: string[] = [];
  const err: string[] = [];
  const io: Io = {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    drained: async () => undefined,
    stdin: process.stdin,
    env: process.env,
    cwd: folder,
    root: join(import.meta.dirname, "..", ".."),
    version: "test",
    outIsTerminal: false,
    errIsTerminal: false,
    width: 120,
    colour: false,
    signal: new AbortController().signal,
  };
  return { io, out, err };
}

const flags = (more: { set?: string[]; json?: boolean } = {}) => ({
  set: [],
  mock: true,
  json: false,
  results: "results",
  ...more,
});
const runFlags = (more: Parameters<typeof flags>[0] & { only?: string[]; limit?: string; failFast?: boolean } = {}) => ({
  failFast: false,
  ...flags(more),
});

async function status(more: Parameters<typeof flags>[0] = {}): Promise<string> {
  const { io, out } = terminal();
  expect(await statusCommand(io, "x.yaml", flags(more))).toBe(0);
  return out.join("");
}

/** A file where the stage's work folder would be: it fails as a disk that refuses does. */
let obstacle = "";

beforeAll(async () => {
  writeFileSync(join(folder, "x.yaml"), `${twoArms}workers: {count: 2}\n`);
  const { io, out, err } = terminal();
  // Data and plan first, so that the key of the stage that is to fail is known.
  expect(await runCommand(io, "x.yaml", runFlags({ only: ["data *"] }))).toBe(0);
  expect(err.join("")).toContain("stages: 2 ran, 0 were cached, 0 failed");
  expect(out.join("")).not.toBe("");
  const decode = readJson<Plan>("plan.json").stages.find(({ id }) => id === "decode direct/greedy");
  obstacle = join(folder, "results", ".store", "work", `decode-${decode?.key}`);
  mkdirSync(join(obstacle, ".."), { recursive: true });
  writeFileSync(obstacle, "");
});

describe("a sweep with a stage that fails", () => {
  it("goes on with the other arm, tells cause, log and command at once, and ends with 3", async () => {
    const { io, err } = terminal();
    expect(await runCommand(io, "x.yaml", runFlags())).toBe(3);
    const lines = err.join("").split("\n");
    const at = lines.findIndex((line) => line.startsWith("decode direct/greedy: FAILED: "));
    expect(lines[at]).toMatch(/work\/decode-[0-9a-f]+: a part of the path is a file, not a folder/);
    const log = lines[at + 1]?.replace("  log: ", "") ?? "";
    expect(log).toMatch(/^results\/x-mock\/logs\/.*\/failed-decode-direct-greedy-[0-9a-f]{8}\.log$/);
    expect(readFileSync(join(folder, log), "utf8")).toMatch(/caused by: Error: .* is a file\n\s+at /);
    expect(lines[at + 2]).toBe("  retry: backtrail retry x.yaml --failed --mock");
    expect(lines[at + 3]).toBe("  left out: grade direct/greedy");
    expect(lines).toContain("grade base/greedy: done in 0 s");
    const { arms, failures } = readJson<Summary>("summary.json");
    expect(arms.map(({ policies }) => Object.keys(policies))).toEqual([["greedy"], []]);
    expect(failures).toEqual([expect.objectContaining({ stage: "decode direct/greedy", log })]);
  });

  it("is on record: status shows it, with the command", async () => {
    const text = await status();
    expect(text).toContain("x: 7 of 9 stages done\n");
    expect(text).toMatch(/not running: the last run finished at /);
    expect(text).toMatch(
      /arm +problems +dataset +train +decode +grade\nbase +done +done +done +done +done\ndirect +shared +done +done +failed +left out\n/,
    );
    expect(text).toContain("  retry: backtrail retry x.yaml --failed --mock\n");
    const { running, run, stages } = JSON.parse(await status({ json: true })) as {
      running: unknown;
      run: RunState;
      stages: { id: string; state: string }[];
    };
    expect(running).toBeNull();
    expect(run.totals).toMatchObject({ stages: 9, failed: 1, skipped: 1, arms: 2, armsDone: 1 });
    expect(stages.find(({ id }) => id === "decode direct/greedy")?.state).toBe("failed");
  });

  it("fails again while its cause is there, and is told so", async () => {
    const { io, err } = terminal();
    expect(await retryCommand(io, "x.yaml", { ...flags(), stage: [], failed: true })).toBe(3);
    expect(err.join("")).toContain("decode direct/greedy: FAILED (2 runs in a row): ");
    expect((await readRunState(results))?.failures).toEqual([expect.objectContaining({ times: 2 })]);
  });

  it("is not forgotten by a run of other stages", async () => {
    const { io } = terminal();
    expect(await runCommand(io, "x.yaml", runFlags({ only: ["base"] }))).toBe(0);
    expect((await readRunState(results))?.failures).toEqual([
      expect.objectContaining({ stage: "decode direct/greedy", times: 2 }),
    ]);
    expect(readJson<Summary>("summary.json").failures).toEqual([expect.objectContaining({ stage: "decode direct/greedy" })]);
  });

  it("is made by retry when the cause is gone: what failed and what needs it, nothing else", async () => {
    rmSync(obstacle);
    const { io, err } = terminal();
    expect(await retryCommand(io, "x.yaml", { ...flags(), stage: [], failed: false })).toBe(0);
    expect(err.join("").match(/^.*: started$/gm)).toEqual(["decode direct/greedy: started", "grade direct/greedy: started"]);
    expect(err.join("")).toContain("stages: 2 ran, 7 were cached, 0 failed");
    expect(readJson<Summary>("summary.json").failures).toEqual([]);
    expect(await status()).toContain("x: 9 of 9 stages done");
  });

  it("then there is nothing to retry", async () => {
    const { io, err } = terminal();
    expect(await retryCommand(io, "x.yaml", { ...flags(), stage: [], failed: true })).toBe(0);
    expect(err.join("")).toMatch(/^Nothing failed in the last run/);
  });
});

describe("what is on record of a run", () => {
  it("that was killed: until when it was running", async () => {
    const state = readJson<RunState>("progress.json");
    const { end: _, ...killed } = state;
    writeFileSync(join(results, "progress.json"), JSON.stringify(killed));
    expect(await status()).toContain(
      `not running: process ${process.pid} on ${state.host} was running until ${state.updatedAt} and was killed. Nothing is lost`,
    );
    writeFileSync(join(results, "summary.json.of-a-killed-run.tmp"), "{");
    writeFileSync(join(results, "progress.json"), "{torn");
    expect(await status()).toContain("not running; no run on record");
  });

  it("of another configuration: it is named, and what failed there is not mixed in", async () => {
    const set = ["decode.greedy.maxNewTokens=33"];
    const { io, err } = terminal();
    expect(await runCommand(io, "x.yaml", runFlags({ set, limit: "1" }))).toBe(0);
    expect(err.join("")).toMatch(/--limit 1: stages started: 1, left: 3\. Run again to go on\./);
    expect(existsSync(join(results, "earlier"))).toBe(true);
    // What the killed run had half written is gone.
    expect(readdirSync(results).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    expect(await status()).toContain(
      "That run is of another configuration than this one: backtrail run x.yaml --mock --set decode.greedy.maxNewTokens=33",
    );
  });
});

describe("what users get wrong", () => {
  it("retry before any run, an unknown stage, a limit that is no number", async () => {
    const { io } = terminal();
    const set = ["name=never"];
    await expect(retryCommand(io, "x.yaml", { ...flags({ set }), stage: [], failed: true })).rejects.toThrow(
      /^x\.yaml: no run of this sweep is on record in results\/never-mock/,
    );
    await expect(retryCommand(io, "x.yaml", { ...flags(), stage: ["decode direct/gredy"], failed: false })).rejects.toThrow(
      /^--stage "decode direct\/gredy": .*"decode direct\/greedy"/,
    );
    await expect(runCommand(io, "x.yaml", runFlags({ limit: "many" }))).rejects.toThrow(
      '--limit: expected a whole number from 1, found "many"',
    );
    expect(existsSync(join(folder, "results", "never-mock"))).toBe(false);
  });
});

describe("a stage whose input came out different since", () => {
  const manifests = join(folder, "results", ".store", "decode");

  it("is made anew, the earlier one goes to the trash; what was made from it stands when it comes out the same", async () => {
    expect(await runCommand(terminal().io, "x.yaml", runFlags())).toBe(0);
    const key = readJson<Plan>("plan.json").stages.find(({ id }) => id === "decode base/greedy")?.key ?? "";
    const path = join(manifests, key, "manifest.json");
    const manifest = JSON.parse(readFileSync(path, "utf8")) as { inputDigests: Record<string, string> };
    manifest.inputDigests.train = "0".repeat(64);
    writeFileSync(path, JSON.stringify(manifest));
    const { io, err } = terminal();
    expect(await runCommand(io, "x.yaml", runFlags())).toBe(0);
    const said = err.join("");
    expect(said).toContain("decode base/greedy: stale, its train was made again and came out different; it is made anew\n");
    expect(said).toContain("stages: 1 ran, 8 were cached, 0 failed");
    expect(JSON.parse(readFileSync(path, "utf8"))).not.toMatchObject({ inputDigests: { train: "0".repeat(64) } });
    expect(readdirSync(join(manifests, "..", "trash"))).toHaveLength(1);
    const again = terminal();
    expect(await runCommand(again.io, "x.yaml", runFlags())).toBe(0);
    expect(again.err.join("")).toContain("stages: 0 ran, 9 were cached, 0 failed");
  });
});

describe("a claim whose arms were not all run", () => {
  // A seed of its own for each: what the store has is judged, whatever --only says.
  const claims = (required: boolean) => [
    `claims={better: {compare: [direct/greedy, greedy], expect: {}, required: ${required}}}`,
    `seed=${required ? 8 : 7}`,
  ];
  const reason = "not judged, since what it compares is not all made (not graded: direct/greedy)";

  it("is named as not judged", async () => {
    const set = claims(false);
    const { io, err, out } = terminal();
    expect(await runCommand(io, "x.yaml", runFlags({ set, only: ["base"] }))).toBe(0);
    expect(err.join("")).toContain(`claim better: ${reason}\n`);
    expect(out.join("")).toContain(`OPEN  better: ${reason}\n`);
    const whole = terminal();
    expect(await runCommand(whole.io, "x.yaml", runFlags({ set }))).toBe(0);
    expect(whole.err.join("")).not.toContain("not judged");
  });

  it("is no success when the config requires it", async () => {
    const { io, err, out } = terminal();
    const flags = runFlags({ set: claims(true), only: ["base"], json: true });
    expect(await runCommand(io, "x.yaml", flags)).toBe(exitCode.claimNotSupported);
    expect(err.join("")).toContain(`claim better (required): ${reason}\n`);
    expect(JSON.parse(out.join(""))).toMatchObject({
      claims: [],
      unjudged: [{ name: "better", required: true, pairs: 1, left: 1, missing: ["direct/greedy"] }],
    });
  });
});

describe("a sweep locked from another host", () => {
  it("is told with the file to remove if that host is gone, by status as by run", async () => {
    const path = join(results, "running-9-far.lock");
    writeFileSync(path, JSON.stringify({ pid: 9, host: "far", born: "", command: "run", since: "2026-01-01T00:00:00Z" }));
    const advice = `if that process is gone, remove ${path}`;
    expect(await status()).toMatch(/^running: process 9 on far since 2026-01-01T00:00:00Z/m);
    expect(await status()).toContain(advice);
    const { io } = terminal();
    await expect(runCommand(io, "x.yaml", runFlags())).rejects.toThrow(`If that machine is gone, remove ${path}`);
    rmSync(path);
    expect(await status()).toMatch(/^not running/m);
  });
});

describe("a required claim over seeds", () => {
  it("is decided by all seeds together, not by each alone", async () => {
    // Equal policies on 4 problems: the interval of one seed begins at -3.84 / (4 + 3.84) = -0.49, that of two at -0.35.
    const set = [
      "decode.same={policy: greedy}",
      "claims={equal: {compare: [same, greedy], on: seen, expect: {margin: -0.42}}}",
    ];
    const flags = runFlags({ set: [...set, "claims.equal.required=true", "sweep.seeds=2"], only: ["base"], json: true });
    const { io, out } = terminal();
    expect(await runCommand(io, "x.yaml", flags)).toBe(exitCode.done);
    const { claims, pooled } = JSON.parse(out.join("")) as Summary;
    expect(claims.map(({ verdict }) => verdict)).not.toContain("supported");
    expect(pooled).toMatchObject([{ name: "equal, all seeds", verdict: "supported", claims: claims.map(({ name }) => name) }]);
    const alone = terminal();
    expect(await runCommand(alone.io, "x.yaml", { ...flags, set: flags.set.slice(0, 3) })).toBe(exitCode.claimNotSupported);
  });
});
