import { describe, expect, test } from "vitest";
import { type TrainSettings, trainSettings } from "../../src/config/schema.ts";
import type { MaskLint } from "../../src/protocol/primitives.ts";
import { learningRate, rowsOfStep } from "../../src/train/schedule.ts";
import { type SftInputs, trainSft } from "../../src/train/sft.ts";
import { WorkerError } from "../../src/worker/port.ts";
import { FakeJournal, FakePool, goodLint, lengthOf, model, type Trouble, trainedOf } from "./fakeTrainer.ts";

const examples = 20;
const settings = (changes: object = {}): TrainSettings =>
  trainSettings.parse({ steps: 12, batch: { examples: 6, microBatch: 4 }, checkpointEvery: 4, learningRate: 1e-3, ...changes });

function setUp(trouble: Trouble = {}, changes: Partial<SftInputs> = {}) {
  const pool = new FakePool(examples, trouble);
  const journal = new FakeJournal(pool);
  const inputs: SftInputs = {
    workers: pool,
    model,
    settings: settings(),
    seed: 5,
    shards: [{ path: "s.jsonl", sha256: "0" }],
    examples,
    workDirectory: "/job",
    journal,
    outputDirectory: "/out",
    ...changes,
  };
  return { pool, journal, inputs };
}

async function undisturbed() {
  const { pool, journal, inputs } = setUp();
  const result = await trainSft(inputs);
  return { pool, journal, result, learned: pool.disk.get("/out") };
}

describe("an undisturbed run", () => {
  test("steps, metrics and the final checkpoint", async () => {
    const { pool, journal, result, learned } = await undisturbed();
    const rows = Array.from({ length: 12 }, (_, index) => [...rowsOfStep(5, index + 1, 6, examples)]).flat();
    expect(result).toMatchObject({
      steps: 12,
      examplesSeen: 72,
      tokens: rows.reduce((sum, row) => sum + lengthOf(row), 0),
      trainedTokens: rows.reduce((sum, row) => sum + trainedOf(row), 0),
      finalLoss: journal.records.at(-1)?.loss,
      restarts: 0,
      lint: goodLint,
      info: { modelType: "fake" },
    });
    expect(journal.records.map(({ step }) => step)).toEqual(rows.slice(0, 12).map((_, index) => index + 1));
    expect(journal.records[4]).toMatchObject({ epoch: 1.5, learningRate: learningRate(settings(), 5, 12), gradientNorm: 0.5 });
    expect(learned).toMatchObject({ step: 12, resume: false });
    expect([pool.sessions, pool.closed]).toEqual([1, 1]);
  });

  test("micro-batches: weights are of the whole step, so the loss is the mean over its trained tokens", async () => {
    const { pool, journal } = await undisturbed();
    expect(pool.rowsPerCall.slice(0, 4)).toEqual([4, 2, 4, 2]);
    const one = setUp({ lossOfStep: () => 1 });
    await trainSft(one.inputs);
    for (const { loss } of one.journal.records) expect(loss).toBeCloseTo(1, 6);
    expect(journal.records.every(({ loss }) => loss >= 1)).toBe(true);
  });

  test("checkpoints come at their steps, and the latest two stay", async () => {
    const { pool, journal } = await undisturbed();
    expect(journal.points).toEqual([4, 8]);
    expect([...pool.disk.keys()].sort()).toEqual(["/job/checkpoint-4", "/job/checkpoint-8", "/out"]);
  });

  test("steps are pipelined, four at most", async () => {
    expect((await undisturbed()).pool.mostInFlight).toBe(4);
  });

  test("progress tells every step", async () => {
    const seen: number[] = [];
    const { inputs } = setUp({}, { onProgress: ({ step, steps }) => seen.push(step / steps) });
    await trainSft(inputs);
    expect(seen).toEqual(Array.from({ length: 12 }, (_, index) => (index + 1) / 12));
  });
});

describe("a lost session", () => {
  test.each([true, false])(
    "at every possible call (carried out: %s): the same metrics and the same model",
    async (carriedOut) => {
      const expected = await undisturbed();
      for (let call = 1; call <= expected.pool.calls; call++) {
        const { pool, journal, inputs } = setUp({ losses: [call], carriedOut });
        const result = await trainSft(inputs);
        expect(pool.disk.get("/out"), `lost at call ${call}`).toEqual(expected.learned);
        expect(journal.comparable).toEqual(expected.journal.comparable);
        expect(result).toEqual({ ...expected.result, restarts: 1 });
        expect([pool.sessions, pool.closed]).toEqual([2, 2]);
      }
    },
  );

  test("again and again, more often in all than is borne at one place, with checkpoints in between", async () => {
    const steps = { settings: settings({ steps: 80 }) };
    const expected = setUp({}, steps);
    await trainSft(expected.inputs);
    const { pool, journal, inputs } = setUp({ losses: [3, 43, 83, 123, 163, 203, 243] }, steps);
    expect((await trainSft(inputs)).restarts).toBeGreaterThan(5);
    expect(pool.disk.get("/out")).toEqual(expected.pool.disk.get("/out"));
    expect(journal.comparable).toEqual(expected.journal.comparable);
  });

  test("five times without a new checkpoint are borne, the sixth is the end, with the reason", async () => {
    const five = setUp({ losses: [1, 2, 3, 4, 5] });
    expect((await trainSft(five.inputs)).restarts).toBe(5);
    const six = setUp({ losses: [1, 2, 3, 4, 5, 6] });
    await expect(trainSft(six.inputs)).rejects.toMatchObject({
      code: "training-lost",
      message: expect.stringContaining("worker w0 was lost: killed"),
    });
    expect(six.pool.closed).toBe(6);
  });
});

describe("another process goes on", () => {
  test("after a kill at any call: from the latest checkpoint, with metrics cut back to it", async () => {
    const expected = await undisturbed();
    for (let call = 1; call <= expected.pool.calls; call += 3) {
      const { pool, journal, inputs } = setUp({
        onCall: (_, number) => {
          if (number !== call) return;
          pool.epoch++;
          throw new Error("the coordinator is killed here");
        },
      });
      await expect(trainSft(inputs)).rejects.toThrow("killed here");
      const result = await trainSft(inputs);
      expect(pool.disk.get("/out"), `killed at call ${call}`).toEqual(expected.learned);
      expect(journal.comparable).toEqual(expected.journal.comparable);
      expect(result).toEqual(expected.result);
    }
  });

  test("a finished run is not trained again from the start", async () => {
    const { pool, inputs } = setUp();
    await trainSft(inputs);
    const before = pool.rowsPerCall.length;
    await trainSft(inputs);
    expect(pool.rowsPerCall.length - before).toBe(2 * 4);
  });
});

describe("interrupt", () => {
  test("at any step: a resume checkpoint, AbortError, and the rest gives the undisturbed result", async () => {
    const expected = await undisturbed();
    for (let step = 1; step <= 12; step++) {
      const controller = new AbortController();
      const { pool, journal, inputs } = setUp({}, { onProgress: (progress) => progress.step === step && controller.abort() });
      await expect(trainSft({ ...inputs, signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
      expect(journal.point?.step).toBe(journal.records.length);
      expect(journal.records.length).toBeGreaterThanOrEqual(step);
      expect(pool.disk.has("/out")).toBe(false);
      expect(await trainSft(inputs)).toEqual(expected.result);
      expect(pool.disk.get("/out")).toEqual(expected.learned);
      expect(journal.comparable).toEqual(expected.journal.comparable);
    }
  });

  test("before anything has begun: no session is asked for", async () => {
    const { pool, inputs } = setUp({}, { signal: AbortSignal.abort() });
    await expect(trainSft(inputs)).rejects.toMatchObject({ name: "AbortError" });
    expect(pool.sessions).toBe(0);
  });
});

describe("refused", () => {
  const refusal = (lint: Partial<MaskLint>) => trainSft(setUp({ lint: { ...goodLint, ...lint } }).inputs);

  test("a mask that trains no backtrack token or no end token, with counts", async () => {
    await expect(refusal({ rowsTrainingAddedToken: 0 })).rejects.toMatchObject({
      code: "mask-lint",
      message: expect.stringMatching(/10 of 20 examples hold `<backtrack>`/),
    });
    await expect(refusal({ rowsTrainingEnd: 0 })).rejects.toMatchObject({
      code: "mask-lint",
      message: expect.stringContaining("none of 20 examples"),
    });
    await expect(refusal({ rowsWithoutTrainedToken: 20 })).rejects.toMatchObject({ code: "mask-lint" });
    await refusal({ rowsWithAddedToken: 0, rowsTrainingAddedToken: 0 });
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])(
    "a loss of %s stops with the step's number, before a checkpoint keeps it",
    async (loss) => {
      const { journal, inputs } = setUp({ lossOfStep: (step) => (step === 8 ? loss : 1) });
      await expect(trainSft(inputs)).rejects.toMatchObject({ code: "diverged", message: expect.stringContaining("step 8") });
      expect(journal.points).toEqual([4]);
      expect(journal.records).toHaveLength(7);
    },
  );

  test("a worker that trains other tokens than the dataset counts", async () => {
    await expect(trainSft(setUp({ miscounts: 1 }).inputs)).rejects.toThrow(
      /^step 1: the worker trained \d+ tokens, the dataset counts \d+$/,
    );
  });

  test("a dataset of another size than the config's", async () => {
    const { inputs } = setUp({}, { examples: 21 });
    await expect(trainSft(inputs)).rejects.toThrow("20 rows, but the dataset has 21 examples");
  });

  test("errors of the worker that the config can mend are said in its words", async () => {
    const failing = (code: string, message: string) => {
      const { inputs } = setUp({
        onCall: (name) => {
          if (name === "load_dataset") throw new WorkerError(code, message);
        },
      });
      return trainSft(inputs);
    };
    await expect(failing("too-long", "row 7 has 150 tokens")).rejects.toMatchObject({
      name: "UserError",
      message: "train.maxTokens is 128: row 7 has 150 tokens. Raise it, or make shorter examples.",
    });
    await expect(failing("out-of-memory", "CUDA")).rejects.toMatchObject({
      code: "out-of-memory",
      message: expect.stringMatching(/before the first forward pass: CUDA\. Take a smaller model/),
    });
    await expect(failing("non-finite", "the loss of step 3 is nan")).rejects.toMatchObject({
      code: "diverged",
      message: expect.stringContaining("step 3"),
    });
    await expect(failing("digest", "s.jsonl was changed")).rejects.toMatchObject({ name: "WorkerError", code: "digest" });
  });
});
