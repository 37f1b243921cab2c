// What is told of a run as a whole: counts, time left, workers; and the record that another terminal reads.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { StageNeeds } from "../../src/plan/needs.ts";
import type { Stage } from "../../src/plan/plan.ts";
import { Eta } from "../../src/run/eta.ts";
import { RunMonitor } from "../../src/run/monitor.ts";
import { overviewLines } from "../../src/run/overview.ts";
import { Progress } from "../../src/run/progress.ts";
import { type RunState, RunStateFile, readRunState } from "../../src/store/runState.ts";
import { planOf, twoArms } from "./helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "backtrail-monitor-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plan = planOf(twoArms);
const stage = (id: string): Stage => {
  const found = plan.stages.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no stage ${id}`);
  return found;
};
const seconds = (values: Record<string, number>) =>
  new Map(
    Object.entries(values).map(([id, value]): [string, StageNeeds] => [
      stage(id).key,
      { memoryBytes: 0, diskBytes: 0, seconds: value },
    ]),
  );
const about = { command: "backtrail run x.yaml", pid: 7, host: "here", startedAt: "2026-01-01T00:00:00.000Z" };

function watched(needs = seconds({}), workers = 1) {
  const clock = { now: 0 };
  const said: string[] = [];
  const progress = new Progress({ isTerminal: false, now: () => clock.now, write: (text) => void said.push(text) });
  const monitor = new RunMonitor({ plan, progress, now: () => clock.now, needs, workers });
  return { clock, said, progress, monitor };
}

describe("the time a run still takes", () => {
  const all = ["train base", "train direct", "decode base/greedy", "decode direct/greedy"];
  const left = (eta: Eta, ids: readonly string[]) =>
    eta.remaining(ids.map((id) => ({ stage: stage(id), seconds: eta.of(stage(id)) })));
  const needs = seconds({ "train base": 100, "train direct": 100, "decode base/greedy": 20, "decode direct/greedy": 20 });

  it("is the work shared among the workers, or the longest way where that is longer", () => {
    expect(left(new Eta(needs, 1), all)).toBe(240);
    expect(left(new Eta(needs, 2), all)).toBe(120);
    expect(left(new Eta(needs, 8), all)).toBe(120);
    expect(left(new Eta(needs, 8), ["train base", "decode base/greedy", "decode direct/greedy"])).toBe(120);
  });

  it("corrects estimates by what stages of the kind took", () => {
    const eta = new Eta(needs, 1);
    eta.took(stage("train base"), 300);
    expect(eta.of(stage("train direct"))).toBe(300);
    expect(eta.of(stage("decode base/greedy"))).toBe(20);
  });

  it("without estimates takes the mean of the kind, and promises nothing before there is one", () => {
    const eta = new Eta(new Map(), 1);
    expect(left(eta, all)).toBeUndefined();
    eta.took(stage("train base"), 30);
    expect(left(eta, ["train direct"])).toBe(30);
    expect(left(eta, ["train direct", "decode base/greedy"])).toBeUndefined();
    expect(left(eta, ["grade base/greedy"])).toBe(0);
  });
});

describe("the overview of a run", () => {
  it("counts arms and stages, what is left out, the rate and the time left", () => {
    const { clock, monitor, progress } = watched(seconds({ "train direct": 60, "decode direct/greedy": 30 }));
    monitor.cached([stage("problems base"), stage("data base"), stage("data direct")]);
    monitor.started(stage("train base"));
    clock.now = 60_000;
    const failure = { stage: "train base", key: "k", cause: "c", code: "x", log: "l", retry: "r", times: 1, error: undefined };
    monitor.failed(stage("train base"), failure, [stage("decode base/greedy"), stage("grade base/greedy")]);
    monitor.started(stage("train direct"));
    progress.update("train direct", { done: 0, total: 100, unit: "steps" });
    clock.now = 70_000;
    progress.update("train direct", { done: 20, total: 100, unit: "steps" });
    const state = monitor.state(about);
    expect(state.totals).toEqual({
      ...{ stages: 9, cached: 3, done: 0, running: 1, failed: 1, skipped: 2, waiting: 2, arms: 2, armsDone: 0 },
    });
    // 80 steps at 2 a second, then the decoding as estimated.
    expect(state.etaSeconds).toBe(70);
    expect(overviewLines(state)).toEqual([
      "x: 0/2 arms, 3/9 stages (3 cached, 1 failed, 2 left out), 1 min 10 s left",
      "  problems 1/1 · dataset 2/2 · train 0/2 · decode 0/2 · grade 0/2",
    ]);
    monitor.done(stage("train direct"));
    monitor.done(stage("decode direct/greedy"));
    monitor.done(stage("grade direct/greedy"));
    expect(monitor.state(about).totals).toMatchObject({ done: 3, waiting: 0, armsDone: 1 });
    expect(monitor.state(about).etaSeconds).toBeUndefined();
    expect(monitor.left).toBe(0);
  });

  it("has a line per worker: memory of how much, and what it does", () => {
    const { monitor } = watched();
    const worker = {
      pid: 1,
      phase: "ready",
      device: "cuda",
      calls: 0,
      session: "",
      call: "",
      memoryBytes: 0,
      deviceMemoryBytes: 0,
    };
    const workers: RunState["workers"] = [
      { ...worker, name: "worker-1", memoryBytes: 3 * 2 ** 30, deviceMemoryBytes: 80 * 2 ** 30, call: "generate", calls: 3 },
      { ...worker, name: "worker-2", memoryBytes: 2 ** 30, call: "forward_backward", calls: 2, session: "s1" },
      { ...worker, name: "worker-3", phase: "starting" },
      { ...worker, name: "worker-4" },
    ];
    expect(overviewLines({ ...monitor.state(about), workers }).slice(2)).toEqual([
      "  worker-1  cuda  3.0 GiB of 80.0 GiB  generate, 2 more waiting",
      "  worker-2  cuda  1.0 GiB  forward_backward (training)",
      "  worker-3  cuda  memory ?  starting",
      "  worker-4  cuda  memory ?  idle",
    ]);
  });
});

describe("progress.json", () => {
  it("is whole at every moment, at most one write a second, and says how the run ended", async () => {
    const { monitor, clock } = watched();
    const file = new RunStateFile(folder, () => clock.now);
    let asked = 0;
    const state = () => {
      asked++;
      return monitor.state(about);
    };
    for (let now = 0; now < 950; now += 50) {
      clock.now = now;
      file.update(state);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(asked).toBe(1);
    await file.end(monitor.state(about, { at: "2026-01-01T00:01:00.000Z", how: "stopped", message: "the disk is full" }));
    const read = await readRunState(folder);
    expect(read).toEqual(JSON.parse(readFileSync(join(folder, "progress.json"), "utf8")));
    expect(read?.end).toEqual({ at: "2026-01-01T00:01:00.000Z", how: "stopped", message: "the disk is full" });
    expect(read?.stages).toHaveLength(9);
    expect(readdirSync(folder)).toEqual(["progress.json"]);
  });

  it("that cannot be written disturbs nobody", async () => {
    const { monitor } = watched();
    const file = new RunStateFile(join(folder, "not", "there"), () => 0);
    file.update(() => monitor.state(about));
    await file.end(monitor.state(about));
    expect(await readRunState(join(folder, "not", "there"))).toBeUndefined();
  });
});
