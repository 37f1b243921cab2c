// Figures of one policy on one split, and of two policies on the same problems. Pure; knows verdicts only as counts.
import { mcnemarExact, mean, median, tango, wilson } from "../lib/stats.ts";

/** One graded attempt. */
export interface Graded {
  readonly problemId: string;
  readonly split: string;
  readonly solved: boolean;
  /** The right steps reach the goal, declared or not. */
  readonly reached: boolean;
  readonly allUsed: boolean;
  /** Kinds of the errors of the chosen answer, in the order of the text. */
  readonly errorKinds: readonly string[];
  /** Discarded tokens included. */
  readonly tokensGenerated: number;
}

export interface SplitSummary {
  readonly n: number;
  readonly solved: number;
  readonly accuracy: number;
  /** Wilson, 95%. */
  readonly interval: readonly [low: number, high: number];
  readonly tokensGenerated: { readonly mean: number; readonly median: number; readonly total: number };
  /** Kind -> problems whose answer has an error of this kind; one problem may count under several. */
  readonly errors: Readonly<Record<string, number>>;
  /** Kind -> problems whose FIRST error is of this kind: shares of the failures, as the papers print them. */
  readonly firstErrors: Readonly<Record<string, number>>;
  readonly solvedUsingAll: number;
}

/** Summary of graded attempts; of none: accuracy 0 with the interval [0, 1]. */
export function summarise(graded: readonly Graded[]): SplitSummary {
  const n = graded.length;
  const solved = graded.filter((item) => item.solved).length;
  const tokens = graded.map(({ tokensGenerated }) => tokensGenerated);
  return {
    n,
    solved,
    accuracy: n === 0 ? 0 : solved / n,
    interval: wilson(solved, n),
    tokensGenerated: { mean: mean(tokens), median: median(tokens), total: tokens.reduce((sum, count) => sum + count, 0) },
    errors: tally(graded.flatMap(({ errorKinds }) => [...new Set(errorKinds)])),
    firstErrors: tally(graded.flatMap(({ errorKinds }) => errorKinds.slice(0, 1))),
    solvedUsingAll: graded.filter((item) => item.solved && item.allUsed).length,
  };
}

/** Counts by kind, kinds in alphabetical order. */
function tally(kinds: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of [...kinds].sort()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** Two policies on the same problems. */
export interface PairedTest {
  readonly n: number;
  readonly both: number;
  readonly onlyFirst: number;
  readonly onlySecond: number;
  readonly neither: number;
  /** Accuracy of the first minus accuracy of the second. */
  readonly difference: number;
  /** Tango's score interval, 95%. */
  readonly interval: readonly [low: number, high: number];
  /** McNemar's exact test, two-sided. */
  readonly pValue: number;
}

/** Pairs by problemId. Throws RangeError when the problem sets differ or an id occurs twice. */
export function compare(first: readonly Graded[], second: readonly Graded[]): PairedTest {
  const [a, b] = [byId(first, "first"), byId(second, "second")];
  const missing = [...a.keys()].find((id) => !b.has(id)) ?? [...b.keys()].find((id) => !a.has(id));
  if (missing !== undefined) {
    throw new RangeError(
      `compare: the problem sets differ (${a.size} and ${b.size} problems): ${missing} is in one of them only`,
    );
  }
  const counts = { both: 0, onlyFirst: 0, onlySecond: 0, neither: 0 };
  for (const [id, solved] of a) {
    if (solved) counts[b.get(id) ? "both" : "onlyFirst"]++;
    else counts[b.get(id) ? "onlySecond" : "neither"]++;
  }
  const n = a.size;
  return {
    n,
    ...counts,
    difference: n === 0 ? 0 : (counts.onlyFirst - counts.onlySecond) / n,
    interval: tango(counts.onlyFirst, counts.onlySecond, n),
    pValue: mcnemarExact(counts.onlyFirst, counts.onlySecond),
  };
}

function byId(graded: readonly Graded[], side: string): Map<string, boolean> {
  const solved = new Map(graded.map((item) => [item.problemId, item.solved]));
  if (solved.size !== graded.length) throw new RangeError(`compare: a problem occurs twice in the ${side} set`);
  return solved;
}
