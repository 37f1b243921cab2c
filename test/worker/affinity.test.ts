// Free calls go where their model is: counted in the loads that real mock workers report. And no worker idles for it.
import { describe, expect, it } from "vitest";
import type { ModelSpec } from "../../src/protocol/primitives.ts";
import { HeldModels } from "../../src/worker/models.ts";
import { mockPool, tinyModel, tokenizerDirectory } from "./helpers.ts";

const patience = { timeout: 30_000 };
const tokens = { tokens: Int32Array.of(3), lengths: Int32Array.of(1) };
const models = (count: number): ModelSpec[] => {
  const tokenizer = tokenizerDirectory();
  return Array.from({ length: count }, (_, index) => tinyModel(tokenizer, `model-${index}`));
};

async function pooled(size: number, modelsKept: number, { slowMs = 2, credit = 4 } = {}) {
  const observed = await mockPool({ size, start: "now", mock: { modelsKept, credit, misbehave: { slowMs } } });
  for (let worker = 1; worker <= size; worker++)
    await observed.seen("worker-ready", (event) => event.worker === `worker-${worker}`);
  const loads = () => [...observed.logs().matchAll(/^loads /gm)].length;
  const score = (model: ModelSpec) => observed.pool.free("score", { model, named: [] }, tokens);
  return { ...observed, loads, score };
}

describe("calls of several models", patience, () => {
  it("in turn, on two workers: a load for each model and worker at most", async () => {
    const { pool, loads, score } = await pooled(2, 2);
    const two = models(2);
    await Promise.all(Array.from({ length: 40 }, (_, index) => score(two[index % 2] as ModelSpec)));
    expect(loads()).toBeLessThanOrEqual(4);
    const held = pool.describe().workers.map(({ models: versions }) => versions.toSorted());
    expect(held.flat().length).toBe(loads());
  });

  it("one after the other, each asked for when the last is answered: a load for each", async () => {
    const { loads, score } = await pooled(2, 1);
    const two = models(2);
    for (let index = 0; index < 20; index++) await score(two[index % 2] as ModelSpec);
    expect(loads()).toBe(2);
  });

  it.each([4, 1])("in turn, on one worker of credit %i that keeps one: neither model starves the other", async (credit) => {
    const { loads, score, events } = await pooled(1, 1, { credit });
    const two = models(2);
    const order: string[] = [];
    await Promise.all(
      Array.from({ length: 80 }, async (_, index) => {
        const model = two[index % 2] as ModelSpec;
        await score(model);
        order.push(model.version);
      }),
    );
    // 16 of one model, then the other is due: a change every 16 calls or so instead of every call.
    expect(loads()).toBeGreaterThan(2);
    expect(loads()).toBeLessThanOrEqual(8);
    expect(order.indexOf("model-1")).toBeLessThanOrEqual(20);
    expect(events.filter(({ kind }) => kind === "job-done")).toHaveLength(80);
  });

  it("of one model, many: an idle worker loads it too instead of looking on", async () => {
    const { score, events, loads } = await pooled(2, 1, { slowMs: 40 });
    const [model] = models(1) as [ModelSpec];
    await Promise.all(Array.from({ length: 4 }, () => score(model)));
    const used = events.flatMap((event) => (event.kind === "job-started" ? [event.worker] : []));
    expect(new Set(used)).toEqual(new Set(["worker-1", "worker-2"]));
    expect(used.filter((worker) => worker === "worker-1")).toHaveLength(2);
    expect(loads()).toBe(2);
  });

  it("after a session: it leaves the model of the others' calls where it is", async () => {
    const { pool, score, loads } = await pooled(2, 1);
    const [model] = models(1) as [ModelSpec];
    await score(model);
    const holder = pool.describe().workers.find(({ models: versions }) => versions.includes("model-0"))?.name;
    const session = await pool.session();
    expect(session.worker).not.toBe(holder);
    await score(model);
    expect(loads()).toBe(1);
    await session.close();
  });
});

describe("what a worker holds", () => {
  it("are the versions used last, without those that failed", () => {
    const held = new HeldModels();
    for (const version of ["a", "b", "a", "c", ""]) held.use(version, 2);
    expect(held.versions).toEqual(["a", "c"]);
    held.drop("a");
    expect(held.has("a")).toBe(false);
  });
});
