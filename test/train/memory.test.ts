// Memory that runs out, and how a step is dealt into forward passes by the loop.
import { describe, expect, test } from "vitest";
import { trainSettings } from "../../src/config/schema.ts";
import { type SftInputs, type SftProgress, trainSft } from "../../src/train/sft.ts";
import { FakeJournal, FakePool, lengthOf, model, type Trouble } from "./fakeTrainer.ts";

const examples = 20;

function setUp(batch: object, trouble: Trouble = {}, changes: object = {}, more: Partial<SftInputs> = {}) {
  const pool = new FakePool(examples, trouble);
  const journal = new FakeJournal(pool);
  const progress: SftProgress[] = [];
  const settings = trainSettings.parse({
    steps: 12,
    batch: { examples: 8, ...batch },
    checkpointEvery: 4,
    learningRate: 1e-3,
    ...changes,
  });
  const notices: string[] = [];
  const run = () =>
    trainSft({
      workers: pool,
      model,
      settings,
      seed: 5,
      shards: [{ path: "s.jsonl", sha256: "0" }],
      examples,
      workDirectory: "/job",
      journal,
      outputDirectory: "/out",
      onProgress: (one) => progress.push(one),
      onNotice: (text) => notices.push(text),
      ...more,
    });
  return { pool, journal, progress, notices, run };
}

describe("out of memory", () => {
  test("the micro-batch is halved until it fits, the global batch stays, and both are said", async () => {
    const expected = setUp({ microBatch: 2 });
    await expected.run();
    const { pool, journal, progress, run } = setUp({}, { tooMuch: (rows) => rows.length > 3 });
    const result = await run();
    expect(result).toMatchObject({ steps: 12, examplesSeen: 96, restarts: 0 });
    expect(pool.disk.get("/out")).toEqual(expected.pool.disk.get("/out"));
    expect(expected.journal.records.every((record) => !("halvedTo" in record))).toBe(true);
    expect(journal.comparable).toEqual(
      expected.journal.records.map(({ tokensPerSecond: _, ...rest }) => ({ ...rest, halvedTo: 2 })),
    );
    expect(journal.records.every(({ microBatch }) => microBatch === 2)).toBe(true);
    expect(progress.every(({ notice }) => notice === "out of memory with 4 examples in a forward pass: now 2 at most")).toBe(
      true,
    );
    expect([pool.sessions, pool.closed]).toEqual([3, 3]);
  });

  test("late in the run: from the last checkpoint on, with metrics cut back to it", async () => {
    const { pool, journal, progress, run } = setUp({}, { tooMuch: (rows, step) => step === 7 && rows.length > 4 });
    await run();
    expect(journal.records.map(({ step, microBatch, halvedTo }) => [step, microBatch, halvedTo])).toEqual(
      Array.from({ length: 12 }, (_, index) => (index < 4 ? [index + 1, 8, undefined] : [index + 1, 4, 4])),
    );
    expect(pool.rowsPerCall).toEqual([...Array(6).fill(8), ...Array(16).fill(4)]);
    expect(progress.filter(({ notice }) => notice === undefined).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(pool.sessions).toBe(2);
  });

  test("a bound on tokens is halved with it", async () => {
    const fits = (rows: readonly number[]) => Math.max(...rows.map(lengthOf)) * rows.length <= 24;
    const { journal, run } = setUp({ microTokens: 64 }, { tooMuch: (rows) => !fits(rows) });
    await run();
    expect(journal.records.every(({ microBatch }) => microBatch >= 2 && microBatch <= 4)).toBe(true);
  });

  test.each([
    ["from the checkpoint before memory ran out", 8, 4],
    ["from a checkpoint after it", 10, 8],
  ])("a run that goes on %s begins with what fits", async (_, ends, from) => {
    let diverges = true;
    const tooMuch = (rows: readonly number[], step: number) => step >= 7 && rows.length > 4;
    const lossOfStep = (step: number) => (diverges && step === ends ? Number.NaN : 1);
    const { pool, journal, progress, run } = setUp({}, { tooMuch, lossOfStep });
    await expect(run()).rejects.toMatchObject({ code: "diverged" });
    expect(journal.point).toMatchObject({ step: from, halved: { rows: 4, tokens: undefined } });
    expect(pool.sessions).toBe(2);

    diverges = false;
    progress.length = 0;
    await run();
    expect(pool.sessions).toBe(3);
    expect(progress.map(({ step }) => step)).toEqual(Array.from({ length: 12 - from }, (_, index) => from + 1 + index));
    expect(progress.every(({ notice }) => notice === "memory ran out before: 4 examples in a forward pass at most")).toBe(true);
    expect(journal.records.slice(from).every(({ microBatch, halvedTo }) => microBatch === 4 && halvedTo === 4)).toBe(true);
  });

  test("one example that is too much ends the run, with what to do", async () => {
    const { pool, journal, run } = setUp({}, { tooMuch: (rows) => rows.includes(3) });
    const error = await run().catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "out-of-memory",
      message: expect.stringMatching(/single example .* Lower train\.maxTokens, set train\.gradientCheckpointing: true/),
    });
    expect([pool.sessions, pool.closed]).toEqual([4, 4]);
    expect(journal.point?.step ?? 0).toBe(0);
  });
});

describe("micro-batches of a step", () => {
  test("by tokens: every pass within the bound, every row of the step in one of them, one weight for all", async () => {
    const { pool, run } = setUp({ microTokens: 20 }, { tooMuch: (rows) => Math.max(...rows.map(lengthOf)) * rows.length > 20 });
    await run();
    expect(pool.sessions).toBe(1);
    expect(pool.rowsPerCall.reduce((sum, rows) => sum + rows, 0)).toBe(96);
  });

  test.each([
    ["auto", { device: "cuda:0", modelType: "llama" }, true],
    ["auto", { device: "cuda:0", modelType: "opt" }, false],
    ["auto", {}, false],
    [true, {}, true],
    [false, { device: "cuda:0", modelType: "llama" }, false],
  ])("packing %s on %o", async (packing, info, packed) => {
    const { pool, journal, run } = setUp({ packing });
    pool.info = info;
    await run();
    expect([...pool.packedCalls]).toEqual([packed]);
    expect(journal.records.every((record) => record.packed === packed)).toBe(true);
  });

  test("that a model is not packed on a GPU is told once, however many sessions there are", async () => {
    const { pool, notices, run } = setUp({ packing: "auto" }, { losses: [9, 30] });
    pool.info = { device: "cuda:0", modelType: "opt" };
    await run();
    expect(pool.sessions).toBe(3);
    expect(notices).toEqual([expect.stringMatching(/^rows are padded, not packed: .* in llama, .*, not in opt$/)]);
    const calm = setUp({ packing: "auto" });
    calm.pool.info = { device: "cuda:0", modelType: "llama" };
    await calm.run();
    expect(calm.notices).toEqual([]);
  });

  test("that ranks do not share out the training state is told where they were to", async () => {
    const { notices, pool, run } = setUp({}, {}, {}, { sharded: true });
    pool.info = { ranks: 2, sharding: "none" };
    await run();
    expect(notices).toEqual([expect.stringMatching(/^DeepSpeed is not installed or does not import .* each of 2 ranks keeps/)]);
    const shared = setUp({}, {}, {}, { sharded: true });
    shared.pool.info = { ranks: 2, sharding: "zero-2" };
    await shared.run();
    const plain = setUp({});
    plain.pool.info = { ranks: 2, sharding: "none" };
    await plain.run();
    expect([...shared.notices, ...plain.notices]).toEqual([]);
  });

  test.each([true, false])("checkpointing and compilation reach the worker: %s", async (gradientCheckpointing) => {
    const compile = !gradientCheckpointing;
    const { pool, run } = setUp({}, {}, { gradientCheckpointing, compile });
    await run();
    expect(pool.loads).toMatchObject([{ gradientCheckpointing, compile }]);
  });

  test("adapters reach the worker, drawn from the run's seed", async () => {
    const { pool, run } = setUp({}, {}, { lora: { rank: 4 } });
    await run();
    expect(pool.loads).toMatchObject([{ lora: { rank: 4, seed: 5 } }]);
  });
});
