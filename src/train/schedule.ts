// Data order and learning rate as functions of (seed, step) alone, so that a run restored at any step goes on exactly as
// an undisturbed one. Knows nothing of workers or files. Steps count from 1.
import type { TrainSettings } from "../config/schema.ts";
import { murmurFinalizer } from "../lib/mix.ts";
import { keyedPermutation } from "../lib/permutation.ts";
import { deriveSeed } from "../lib/rng.ts";

/** Optimizer steps of a run: `steps`, or as many as cover `epochs` passes over the examples. */
export function stepsOf(settings: TrainSettings, examples: number): number {
  return settings.steps ?? Math.max(1, Math.ceil((settings.epochs * examples) / settings.batch.examples - 1e-9));
}

/**
 * Learning rate of `step` (1..steps). Warm-up rises linearly to the peak, which step warmupSteps + 1 is the first to have;
 * no step has rate 0. The schedule then falls towards finalLearningRate x peak, which it would reach one step after the
 * last (as transformers' schedules do), so that the last step is not wasted when that is 0.
 */
export function learningRate(settings: TrainSettings, step: number, steps: number): number {
  const peak = settings.learningRate;
  const warmup = settings.warmupSteps;
  if (step <= warmup) return (peak * step) / (warmup + 1);
  if (settings.schedule === "constant") return peak;
  const progress = Math.min(1, (step - 1 - warmup) / Math.max(1, steps - warmup));
  const fall = settings.schedule === "cosine" ? 0.5 * (1 + Math.cos(Math.PI * progress)) : 1 - progress;
  return peak * (settings.finalLearningRate + (1 - settings.finalLearningRate) * fall);
}

/**
 * Dataset rows of `step`: examples (step-1)*batch to step*batch of an endless sequence in which every epoch is a keyed
 * permutation of all rows. A batch at the end of an epoch wraps into the next one, so all batches are of equal size.
 */
export function rowsOfStep(seed: number, step: number, batch: number, examples: number): Int32Array {
  if (examples < 1) throw new RangeError("rowsOfStep: there are no examples");
  const rows = new Int32Array(batch);
  let epoch = -1;
  let permute: (index: number) => number = (index) => index;
  for (let at = 0; at < batch; at++) {
    const position = (step - 1) * batch + at;
    const currentEpoch = Math.floor(position / examples);
    if (currentEpoch !== epoch) {
      epoch = currentEpoch;
      permute = epochOrder(seed, epoch, examples);
    }
    rows[at] = permute(position - epoch * examples);
  }
  return rows;
}

/**
 * The order of one epoch: any row of any step costs the same, whatever the size of the dataset. Halves of equal width, on
 * the next even number of bits.
 */
function epochOrder(seed: number, epoch: number, size: number): (index: number) => number {
  const keys = [...deriveSeed(seed, "train", "order", epoch, 0), ...deriveSeed(seed, "train", "order", epoch, 1)];
  const halfBits = Math.max(1, Math.ceil(Math.log2(Math.max(2, size)) / 2));
  const mixed = (half: number, key: number) => murmurFinalizer(half ^ key);
  return keyedPermutation(size, { lowBits: halfBits, highBits: halfBits, keys, mixed });
}
