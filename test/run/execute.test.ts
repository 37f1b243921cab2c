// The order of a run, what failure does to it, what stops it, and what a second run finds. Real store, real data stages;
// workers that never start.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { StageNeeds } from "../../src/plan/needs.ts";
import type { RunContext } from "../../src/run/context.ts";
import type { DiskPort } from "../../src/run/diskRoom.ts";
import { namedStages, withDependents, withInputs } from "../../src/run/select.ts";
import { diskFloorBytes } from "../../src/store/disk.ts";
import { WorkerError } from "../../src/worker/port.ts";
import { execute, planOf, temporaryFolder, twoArms } from "./helpers.ts";

const folder = temporaryFolder("execute");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plan = planOf(twoArms);
const key = (id: string) => plan.stages.find((stage) => stage.id === id)?.key ?? "";
const noWorkers = () =>
  Promise.reject(new WorkerError("worker_lost", "the worker was killed\nby somebody", { traceback: "at 3" }));
const run = (name: string, workers: RunContext["workers"], options: Parameters<typeof execute>[3] = {}) =>
  execute(plan, join(folder, name), workers, options);
const needs = (bytes: Record<string, number>) =>
  new Map(
    Object.entries(bytes).map(([id, diskBytes]): [string, StageNeeds] => [key(id), { memoryBytes: 0, diskBytes, seconds: 1 }]),
  );

describe("a stage that fails", () => {
  it("takes down what needs it and nothing else; the next run starts from what is there", async () => {
    const { executed, context, said } = await run("fails", noWorkers);
    const first = await executed;
    // Which of the two fails first depends on the clock.
    expect(first.failures.map(({ stage, cause, code }) => [stage, cause, code]).sort()).toEqual([
      ["train base", "the worker was killed (worker error worker_lost)", "worker_lost"],
      ["train direct", "the worker was killed (worker error worker_lost)", "worker_lost"],
    ]);
    expect([...first.skipped].sort()).toEqual([
      "decode base/greedy",
      "decode direct/greedy",
      "grade base/greedy",
      "grade direct/greedy",
    ]);
    expect(first).toMatchObject({ cached: 0, ran: 3 });
    expect([...first.artefacts.values()].map((artefact) => artefact.kind).sort()).toEqual(["dataset", "dataset", "problems"]);
    for (const artefact of first.artefacts.values()) await context.store.verify(artefact);
    const at = said.indexOf("train base: FAILED: the worker was killed (worker error worker_lost)");
    expect(said.slice(at + 1, at + 4)).toEqual([
      `  log: logs/failed-train-base-${key("train base").slice(0, 8)}.log`,
      "  retry: backtrail retry x.yaml --failed",
      "  left out: decode base/greedy, grade base/greedy",
    ]);

    const again = await run("fails", noWorkers);
    expect(await again.executed).toMatchObject({ cached: 3, ran: 0 });
    expect(again.said[0]).toBe("3 of 9 stages are cached");
    expect(again.said).not.toContain("data base: started");
  });

  it("leaves all that is known of it in a file: the whole message, the worker's traceback, our own stack", async () => {
    const { executed } = await run("log", noWorkers, { only: withInputs(plan, new Set([key("train base")])) });
    await executed;
    const log = readFileSync(join(folder, "log", "logs", `failed-train-base-${key("train base").slice(0, 8)}.log`), "utf8");
    expect(log).toMatch(/^stage train base\n/);
    expect(log).toContain("the worker was killed\nby somebody");
    expect(log).toContain("at 3");
    expect(log).toMatch(/\n\s+at .*execute\.test\.ts/);
  });

  it("counts the runs in a row in which a stage failed, and says when its call kills workers each time", async () => {
    const poison = () => Promise.reject(new WorkerError("quarantined", "generate lost its worker 3 times"));
    const notes = { logs: folder, shownLogs: "logs", retry: "again", earlier: new Map([[key("train base"), 1]]) };
    const { executed, said } = await run("twice", poison, { notes });
    expect((await executed).failures.map(({ stage, times }) => [stage, times])).toEqual([
      ["train base", 2],
      ["train direct", 1],
    ]);
    expect(said.find((line) => line.startsWith("train base: FAILED"))).toBe(
      "train base: FAILED (2 runs in a row): generate lost its worker 3 times (worker error quarantined) (its call has now killed workers in 2 runs: look at the log)",
    );
  });

  it("runs no more worker stages at once than it is told", async () => {
    let asked = 0;
    let most = 0;
    const counting = async () => {
      most = Math.max(most, ++asked);
      await new Promise((resolve) => setImmediate(resolve));
      asked--;
      return noWorkers();
    };
    const { executed } = await run("limit", counting);
    expect((await executed).failures).toHaveLength(2);
    expect(most).toBe(1);
  });
});

describe("what is asked to run", () => {
  it("--only: the stages that are named and what they need, nothing else", async () => {
    const only = withInputs(plan, namedStages(plan, ["train direct"], "--only"));
    const { executed, said } = await run("only", noWorkers, { only });
    expect((await executed).failures.map(({ stage }) => stage)).toEqual(["train direct"]);
    expect(said.filter((line) => line.endsWith("started"))).toEqual(["data direct: started", "train direct: started"]);
  });

  it("--limit: so many stages are started, and the answer says what is left", async () => {
    const { executed } = await run("few", noWorkers, { limit: 2 });
    const { ran, stopped } = await executed;
    expect(ran).toBe(2);
    expect(stopped?.why).toBe("limit");
    expect(stopped?.message).toBe("--limit 2: stages started: 2, left: 7. Run again to go on.");
    const all = await run("few", noWorkers, { limit: 2, only: new Set([key("data base"), key("data direct")]) });
    expect((await all.executed).stopped).toBeUndefined();
  });

  it("--fail-fast: nothing starts after the first failure; what runs stops with its work kept and is no failure", async () => {
    let started = 0;
    const lines: { said?: string[] } = {};
    const untilStopped = async () => {
      while (!lines.said?.some((line) => line.startsWith("--fail-fast"))) await new Promise((resolve) => setImmediate(resolve));
      throw Object.assign(new Error("stopped"), { name: "AbortError" });
    };
    const workers = () => (++started === 1 ? untilStopped() : noWorkers());
    const { executed, said, monitor } = await run("fast", workers, { failFast: true, atOnce: 2 });
    lines.said = said;
    const { failures, stopped } = await executed;
    expect(failures).toHaveLength(1);
    expect(stopped?.why).toBe("failure");
    expect(said.filter((line) => line.endsWith("stopped, its work is kept"))).toHaveLength(1);
    expect(said.filter((line) => line.startsWith("decode"))).toEqual([]);
    // The training that was stopped, with its decoding and grading.
    expect(monitor.left).toBe(3);
  });
});

describe("the disk", () => {
  const disk = (free: number): DiskPort => ({ free: async () => free, watch: () => ({ stop: () => undefined }) });

  it("fails a stage that cannot fit and goes on with its neighbours", async () => {
    const wanted = needs({ "data base": 100 * 2 ** 20, "data direct": 2 ** 20 });
    const { executed } = await run("room", noWorkers, { needs: wanted, disk: disk(diskFloorBytes + 50 * 2 ** 20) });
    const { failures, ran } = await executed;
    expect(ran).toBe(2);
    expect(failures.map(({ stage, code }) => [stage, code])).toEqual([
      ["data base", "disk-room"],
      ["train direct", "worker_lost"],
    ]);
    expect(failures[0]?.cause).toMatch(/^needs about 100 MiB on the disk of .*, where 82\.0 MiB are free.*Free space.*store:/);
  });

  it("lets a stage wait that fits alone but not beside another", async () => {
    const wanted = needs({ "data base": 30 * 2 ** 20, "data direct": 30 * 2 ** 20 });
    const { executed, said } = await run("wait", noWorkers, { needs: wanted, disk: disk(diskFloorBytes + 50 * 2 ** 20) });
    expect((await executed).ran).toBe(3);
    const order = said.filter((line) => line.startsWith("data ")).map((line) => line.replace(/ in .*/, ""));
    expect(order).toEqual(["data base: started", "data base: done", "data direct: started", "data direct: done"]);
  });

  it("that runs full stops the run: nothing new starts, what runs is drained, and it says what to do", async () => {
    let low: (free: number) => void = () => undefined;
    const filling: DiskPort = {
      free: async () => 2 ** 40,
      watch: (_, onLow) => {
        low = onLow;
        return { stop: () => undefined };
      },
    };
    const workers: RunContext["workers"] = () => {
      low(5 * 2 ** 20);
      return Promise.reject(Object.assign(new Error("stopped"), { name: "AbortError" }));
    };
    const { executed, said } = await run("full", workers, { disk: filling });
    const { failures, stopped } = await executed;
    expect(failures).toEqual([]);
    expect(stopped?.why).toBe("disk");
    expect(stopped?.message).toMatch(/is full: 5\.0 MiB are free\. Nothing new is started.*store gc.*run again/);
    expect(said.filter((line) => /^train .*started$/.test(line))).toHaveLength(1);
  });

  it("that refuses a write does the same, whoever wrote: the store or a worker", async () => {
    const full = () =>
      Promise.reject(new WorkerError("error", "save failed", { traceback: "OSError: [Errno 28] No space left on device" }));
    const { executed } = await run("refused", full);
    const { failures, stopped } = await executed;
    expect(failures.map(({ stage }) => stage)).toEqual(["train base"]);
    expect(stopped?.why).toBe("disk");
  });
});

describe("an interrupted run", () => {
  it("starts nothing when it was interrupted before", async () => {
    const { executed, said } = await run("early", noWorkers, { signal: AbortSignal.abort() });
    await expect(executed).rejects.toMatchObject({ name: "AbortError" });
    expect(said).toEqual([]);
  });

  it("lets what runs end, starts nothing more and rejects; it is no failure of a stage", async () => {
    const controller = new AbortController();
    const interrupted = () => {
      controller.abort();
      return Promise.reject(controller.signal.reason);
    };
    const { executed, context, said } = await run("late", interrupted, { signal: controller.signal });
    await expect(executed).rejects.toMatchObject({ name: "AbortError" });
    expect(said.filter((line) => /^train .*started$/.test(line))).toHaveLength(1);
    expect(said.join("\n")).not.toContain("FAILED");
    expect(await context.store.find("problems", key("problems base"))).toBeDefined();
  });
});

describe("names of stages", () => {
  const ids = (keys: ReadonlySet<string>) => plan.stages.filter((stage) => keys.has(stage.key)).map(({ id }) => id);

  it("an arm is all its stages, arm/policy the decoding and grading, * any text", () => {
    expect(ids(namedStages(plan, ["direct/greedy"], "--only"))).toEqual(["decode direct/greedy", "grade direct/greedy"]);
    expect(ids(namedStages(plan, ["train *"], "--only"))).toEqual(["train base", "train direct"]);
    expect(ids(namedStages(plan, ["direct"], "--only"))).toEqual([
      "problems base",
      "data direct",
      "train direct",
      "decode direct/greedy",
      "grade direct/greedy",
    ]);
  });

  it("an arm's name without the values of its axes is all of its points, as in claims", () => {
    const axes = planOf(twoArms.replace("sweep: {", "sweep: {seeds: 2, "));
    const named = namedStages(axes, ["train direct", "base/greedy"], "--only");
    expect(axes.stages.filter((stage) => named.has(stage.key)).map(({ id }) => id)).toEqual([
      "decode base/seed=42/greedy",
      "grade base/seed=42/greedy",
      "decode base/seed=43/greedy",
      "grade base/seed=43/greedy",
      "train direct/seed=42",
      "train direct/seed=43",
    ]);
  });

  it("what they need and what needs them", () => {
    const one = new Set([key("train direct")]);
    expect(ids(withInputs(plan, one))).toEqual(["data direct", "train direct"]);
    expect(ids(withDependents(plan, one))).toEqual(["train direct", "decode direct/greedy", "grade direct/greedy"]);
  });

  it("a name that nothing has is refused with the nearest ones", () => {
    expect(() => namedStages(plan, ["trian direct"], "--only")).toThrow(
      /^--only "trian direct": no arm, arm\/policy or stage of this sweep has that name\. The nearest: "train direct"/,
    );
  });
});
