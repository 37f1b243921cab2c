// Which draws a training set is made from: by search, by asking a bitmap of solvable problems, or from an enumerated space in
// which no problem comes twice. Which of them is a matter of the settings alone; that a bitmap is at hand only saves time.
import type { TrainDataSettings } from "../config/dataSettings.ts";
import { type CountdownOptions, countdown } from "../puzzle/countdown.ts";
import { enumerateSolvable, exactBytes } from "../puzzle/countdownExactBitmap.ts";
import { Solvable } from "../puzzle/countdownExactIndex.ts";
import type { SharedWords } from "../store/solvableCache.ts";
import { type Draws, drawsOf } from "./draws.ts";
import { bitmapDraws, exactDraws } from "./kernel/countdownDraws.ts";
import type { TrainSet } from "./settings.ts";

/** What is worked out once and shared by all threads; all of it can be worked out anew from the settings. */
export interface Prepared {
  /** The draw that gives each question of a self-backtracking set with distinct ones. */
  readonly questions?: Float64Array | undefined;
  /** The bitmap of `exactOptions`. */
  readonly solvable?: SharedWords | undefined;
}

/** The options of the set's space where it is Countdown and small enough to be enumerated, else undefined. */
export function exactOptions(set: TrainSet): CountdownOptions | undefined {
  if (set.puzzle.kind !== countdown.name) return undefined;
  const options = countdown.readOptions(set.puzzle);
  return options.deep || exactBytes(options) === undefined ? undefined : options;
}

/** Whether the set's draws hold no problem twice by construction. */
export function isExact(set: TrainSet<TrainDataSettings>): boolean {
  return set.train.distinct && exactOptions(set) !== undefined;
}

/** Where the set's problems come from. Without the bitmap an exact set takes seconds to begin. */
export function drawsFor(set: TrainSet, { solvable }: Prepared): Draws {
  const options = exactOptions(set);
  if (options === undefined) return drawsOf(set);
  const words = solvable ?? (isExact(set) ? enumerated(options) : undefined);
  if (words === undefined) return drawsOf(set);
  const space = new Solvable(options, words);
  return isExact(set) ? exactDraws(set, space) : bitmapDraws(set, space);
}

let latest: { readonly space: string; readonly words: Uint32Array } | undefined;

function enumerated({ numbers, operands, targets }: CountdownOptions): Uint32Array {
  const space = JSON.stringify([numbers, operands, targets]);
  if (latest?.space !== space) latest = { space, words: enumerateSolvable({ numbers, operands, targets }) };
  return latest.words;
}
