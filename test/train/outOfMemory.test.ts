// The loop on a real torch worker that has memory for two rows in a forward pass, packing; beside it one that has enough
// and pads. Same losses, but for rounding.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { StepRecord } from "../../src/train/journal.ts";
import { python, train, workerAfter } from "./torchTraining.ts";

/** A program that starts the worker, in which more than two sequences are more than memory holds: what then happens. */
const smallMachine = (then: string) =>
  workerAfter(`from backtrail_worker.train import batch

def small(lay_out):
    def within(sequences, pad):
        if len(sequences) > 2:
            ${then}
        return lay_out(sequences, pad)
    return within

batch.packed, batch.padded = small(batch.packed), small(batch.padded)`);

test("memory for two rows only: the step is halved until it fits and gives what a large machine gives", async () => {
  const large = await train(python, false);
  const small = await train(smallMachine('raise MemoryError("8 GiB")'), true);
  expect([...large.notices]).toEqual([undefined]);
  expect([...small.notices]).toEqual(["out of memory with 4 examples in a forward pass: now 2 at most"]);
  expect(large.records.every(({ microBatch, halvedTo, packed }) => microBatch === 8 && halvedTo === undefined && !packed)).toBe(
    true,
  );
  expect(small.records.every(({ microBatch, halvedTo, packed }) => microBatch === 2 && halvedTo === 2 && packed)).toBe(true);
  for (const [index, { loss, gradientNorm, trainedTokens }] of small.records.entries()) {
    const expected = large.records[index] as StepRecord;
    expect(loss / expected.loss).toBeCloseTo(1, 3);
    expect(gradientNorm / expected.gradientNorm).toBeCloseTo(1, 2);
    expect(trainedTokens).toBe(expected.trainedTokens);
  }
  expect(small.result.restarts).toBe(0);
  expect(existsSync(join(small.outputDirectory, "model.safetensors"))).toBe(true);
}, 180_000);

test("two ranks that run out of memory inside a common step end, and a new group gets smaller parts", async () => {
  const { result, notices, records } = await train(smallMachine("os._exit(6)"), false, 2);
  expect([...notices]).toEqual(["out of memory with 8 examples in a forward pass: now 4 at most"]);
  expect(records.map(({ step, microBatch }) => [step, microBatch])).toEqual([1, 2, 3, 4, 5, 6].map((step) => [step, 4]));
  expect(result).toMatchObject({ restarts: 0, info: { ranks: 2 } });
}, 180_000);
