// What all threads of a training set share, made before they start. The one part of making examples that touches a disk: a
// cache.

import { solvableWords } from "../store/solvableCache.ts";
import { questionDraws } from "./examples.ts";
import type { TrainSet } from "./settings.ts";
import { exactOptions, isExact, type Prepared } from "./sources.ts";

// The bitmap takes seconds to make and saves microseconds an example.
const worthBitmap = 400_000;

/**
 * `cache` is a folder where bitmaps of solvable problems are kept between runs. Throws UserError: "data-exhausted" when there
 * are fewer distinct questions than asked for, "store" when the cache cannot be written.
 */
export async function prepare(set: TrainSet, cache: string): Promise<Prepared> {
  const { train, ...rest } = set;
  const options = exactOptions(set);
  const isWorthIt = isExact(set) || (train.format !== "self-backtracking" && train.size >= worthBitmap);
  const solvable = options && isWorthIt ? await solvableWords(cache, options) : undefined;
  const questions = train.format === "self-backtracking" ? questionDraws({ ...rest, train }, { solvable }) : undefined;
  return { solvable, questions };
}
