// The loop on the real parts: pool, processes, sockets, journal on disk; the worker is the mock and is killed in the middle.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { trainSettings } from "../../src/config/schema.ts";
import { openTrainJournal } from "../../src/store/trainJournal.ts";
import { type SftProgress, trainSft } from "../../src/train/sft.ts";
import { mockPool, temporaryDirectory, tinyModel, tokenizerDirectory, workedRows, writeShard } from "../worker/helpers.ts";

const settings = trainSettings.parse({
  steps: 30,
  batch: { examples: 4, microBatch: 3 },
  checkpointEvery: 10,
  learningRate: 1e-3,
});

async function train(onStep: (progress: SftProgress, pid: () => number) => void) {
  const { pool } = await mockPool();
  const workDirectory = temporaryDirectory();
  const outputDirectory = join(temporaryDirectory(), "checkpoint");
  const journal = await openTrainJournal(workDirectory, outputDirectory);
  const pid = () => pool.describe().workers[0]?.pid ?? 0;
  try {
    const result = await trainSft({
      workers: pool,
      model: tinyModel(tokenizerDirectory()),
      settings,
      seed: 5,
      shards: [writeShard(workedRows)],
      examples: workedRows.length,
      workDirectory,
      journal,
      outputDirectory,
      onProgress: (progress) => onStep(progress, pid),
    });
    const lines = readFileSync(join(workDirectory, "metrics.jsonl"), "utf8").trimEnd().split("\n");
    const metrics = lines.map((line) => ({ ...(JSON.parse(line) as object), tokensPerSecond: 0 }));
    return { result, metrics, weights: readFileSync(join(outputDirectory, "mock.json"), "utf8"), workDirectory };
  } finally {
    await journal.close();
  }
}

test("a worker killed with SIGKILL in mid-training: the same metrics, steps and checkpoint as undisturbed", async () => {
  const calm = await train(() => {});
  expect(calm.result.restarts).toBe(0);
  expect(calm.metrics).toHaveLength(30);
  const kills = new Set([3, 17, 26]);
  const stormy = await train(({ step }, pid) => {
    if (kills.delete(step)) process.kill(pid(), "SIGKILL");
  });
  expect(stormy.result).toEqual({
    ...calm.result,
    restarts: 3,
    info: { ...calm.result.info, memoryBytes: stormy.result.info.memoryBytes },
  });
  expect(stormy.metrics).toEqual(calm.metrics);
  expect(stormy.weights).toEqual(calm.weights);
  expect(readdirSync(stormy.workDirectory).filter((name) => name.startsWith("checkpoint-"))).toEqual([
    "checkpoint-10",
    "checkpoint-20",
  ]);
  expect(existsSync(join(stormy.workDirectory, "latest.json"))).toBe(true);
}, 60_000);
