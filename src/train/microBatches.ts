// How the rows of a step are dealt into forward passes. Pure. Weights are those of the whole step, so no division changes
// its gradients, but for rounding.

/** What one forward pass may hold. A single row is always allowed. */
export interface MicroLimit {
  readonly rows: number;
  /** Tokens with padding: rows x longest, or the sum of lengths when packed. Undefined = no bound. */
  readonly tokens: number | undefined;
}

/**
 * Model types for which the worker packs (PACKABLE in py/backtrail_worker/train/session.py, held together by
 * test/train/microBatches.test.ts); it refuses the others.
 */
export const packableModels: readonly string[] = ["llama", "qwen2", "qwen3", "mistral", "gpt_neox", "gpt2"];

/** Whether a session packs: as set, or with "auto" on every device but the CPU, where padding is cheaper. */
export function packs(packing: boolean | "auto", model: { readonly device: string; readonly modelType: string }): boolean {
  if (packing !== "auto") return packing;
  return !model.device.startsWith("cpu") && packableModels.includes(model.modelType);
}

/** Why a session whose device would have it pack does not; undefined where it packs or never would. */
export function unpackedBecause(
  packing: boolean | "auto",
  { device, modelType }: { readonly device: string; readonly modelType: string },
): string | undefined {
  if (packing !== "auto" || device.startsWith("cpu") || packableModels.includes(modelType)) return undefined;
  return `rows are padded, not packed: packed examples are known to be kept apart in ${packableModels.join(", ")}, not in ${modelType}`;
}

/**
 * Every row of a step in exactly one part. Padded under a bound on tokens: the longest rows first, so that rows of a part are
 * of like length and little is padding. Else in the order given: of mixed lengths the worker packs full rows.
 */
export function microBatches(
  rows: Int32Array,
  lengthOf: (row: number) => number,
  limit: MicroLimit,
  packed: boolean,
): Int32Array[] {
  const parts: Int32Array[] = [];
  const order = limit.tokens === undefined || packed ? rows : rows.toSorted((a, b) => lengthOf(b) - lengthOf(a));
  const bound = limit.tokens ?? Number.POSITIVE_INFINITY;
  let begin = 0;
  let [longest, sum] = [0, 0];
  for (const [at, row] of order.entries()) {
    const length = lengthOf(row);
    const count = at - begin;
    const tokens = packed ? sum + length : Math.max(longest, length) * (count + 1);
    if (count > 0 && (count === limit.rows || tokens > bound)) {
      parts.push(order.slice(begin, at));
      begin = at;
      [longest, sum] = [0, 0];
    }
    longest = Math.max(longest, length);
    sum += length;
  }
  if (begin < order.length) parts.push(order.slice(begin));
  return parts;
}

/** Half of what was too much: `largest` rows in one pass. Undefined when that was a single row. */
export function half(limit: MicroLimit, largest: number): MicroLimit | undefined {
  if (largest <= 1) return undefined;
  const tokens = limit.tokens === undefined ? undefined : Math.max(1, limit.tokens >> 1);
  return { rows: Math.max(1, Math.min(limit.rows, largest) >> 1), tokens };
}
