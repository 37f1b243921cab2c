// The order of a run, what failure does to it, and what a second run finds. Real store, real data stages; workers that never start.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import { buildPlan } from "../../src/plan/plan.ts";
import type { RunContext } from "../../src/run/context.ts";
import { executePlan } from "../../src/run/execute.ts";
import { Progress } from "../../src/run/progress.ts";
import { Store } from "../../src/store/store.ts";
import { WorkerError } from "../../src/worker/port.ts";

const folder = mkdtempSync(join(tmpdir(), "backtrail-execute-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const environment = { flavour: "mock", dtype: "float32", device: "cpu" } as const;
const config = parseConfig(
  `name: x
puzzle: {kind: countdown, numbers: 3, operands: [1, 20]}
data: {train: {size: 40}, test: {seen: 4, unseen: 4}}
model: {architecture: llama, width: 8, layers: 1, heads: 1}
train: {steps: 5}
decode: {greedy: {policy: greedy}}
sweep: {arms: {direct: {data.train.backtrackShare: 0}}}
`,
  "x.yaml",
);
const plan = buildPlan(config, environment);

async function contextIn(name: string, workers: RunContext["workers"], signal = new AbortController().signal) {
  const said: string[] = [];
  const progress = new Progress({ isTerminal: false, now: () => 0, write: (text) => void said.push(text.trimEnd()) });
  const store = await Store.open(join(folder, name));
  const context: RunContext = { store, environment, workers, code: {}, machine: {}, progress, signal };
  return { context, said };
}

const noWorkers = () => Promise.reject(new WorkerError("worker_lost", "the worker was killed"));

describe("a stage that fails", () => {
  it("takes down what needs it and nothing else; the next run starts from what is there", async () => {
    const { context, said } = await contextIn("fails", noWorkers);
    const first = await executePlan(context, plan, { atOnce: 1 });
    expect(first.failures.map(({ stage, cause }) => [stage, cause])).toEqual([
      ["train base", "the worker was killed (worker error worker_lost)"],
      ["train direct", "the worker was killed (worker error worker_lost)"],
    ]);
    expect([...first.skipped].sort()).toEqual([
      "decode base/greedy",
      "decode direct/greedy",
      "grade base/greedy",
      "grade direct/greedy",
    ]);
    expect(first).toMatchObject({ cached: 0, ran: 3 });
    expect([...first.artefacts.values()].map((artefact) => artefact.kind).sort()).toEqual(["dataset", "dataset", "problems"]);
    expect(said).toContain("train base: FAILED: the worker was killed (worker error worker_lost)");
    for (const artefact of first.artefacts.values()) await context.store.verify(artefact);

    const again = await contextIn("fails", noWorkers);
    expect(await executePlan(again.context, plan, { atOnce: 1 })).toMatchObject({ cached: 3, ran: 0 });
    expect(again.said[0]).toBe("3 of 9 stages are cached");
    expect(again.said).not.toContain("data base: started");
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
    const { context } = await contextIn("limit", counting);
    expect((await executePlan(context, plan, { atOnce: 1 })).failures).toHaveLength(2);
    expect(most).toBe(1);
  });
});

describe("an interrupted run", () => {
  it("starts nothing when it was interrupted before", async () => {
    const { context, said } = await contextIn("early", noWorkers, AbortSignal.abort());
    await expect(executePlan(context, plan, { atOnce: 2 })).rejects.toMatchObject({ name: "AbortError" });
    expect(said).toEqual([]);
  });

  it("lets what runs end, starts nothing more and rejects; it is no failure of a stage", async () => {
    const controller = new AbortController();
    const interrupted = () => {
      controller.abort();
      return Promise.reject(controller.signal.reason);
    };
    const { context, said } = await contextIn("late", interrupted, controller.signal);
    await expect(executePlan(context, plan, { atOnce: 1 })).rejects.toMatchObject({ name: "AbortError" });
    expect(said.filter((line) => /^train .*started$/.test(line))).toHaveLength(1);
    expect(said.join("\n")).not.toContain("FAILED");
    const problems = plan.stages.find((stage) => stage.kind === "problems");
    expect(await context.store.find("problems", problems?.key ?? "")).toBeDefined();
  });
});
