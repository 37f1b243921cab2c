// A claim over several seeds -> one verdict that counts what differs between them: training, problems and samples. Pure.
import type { ClaimSettings } from "../config/schema.ts";
import { mean, z95 } from "../lib/stats.ts";
import { studentQuantile } from "../lib/studentT.ts";
import { type ClaimVerdict, points } from "./claims.ts";
import type { PairedTest } from "./summary.ts";

export interface PooledJudgement {
  readonly verdict: ClaimVerdict;
  /** Of each seed, the first minus the second. */
  readonly differences: readonly number[];
  /** Their mean: every seed counts the same. */
  readonly difference: number;
  /** Student's t over the seeds, 95%; not narrower than the problems alone allow. */
  readonly interval: readonly [low: number, high: number];
  /** Seeds that find an excess of `effect` over the margin with 80% power, if they differ as these did; at most 1,000. */
  readonly needed: number;
  readonly explanation: string;
}

/** Seeds up to which the number needed is looked for. */
const mostSeeds = 1000;

/**
 * The claim over trainings, not over one trained model. The seeds' differences are independent draws, each with the variance
 * of its training and of its problems in it, so a t interval over them holds both. Two or three may agree by chance: it is
 * never narrower than one that counts the problems alone. Throws RangeError for fewer than two tests.
 */
export function judgePooled(claim: ClaimSettings, tests: readonly PairedTest[]): PooledJudgement {
  const seeds = tests.length;
  if (seeds < 2) throw new RangeError(`judgePooled: ${seeds} seeds have no spread`);
  const { margin, effect } = claim.expect;
  const differences = tests.map((test) => test.difference);
  const difference = mean(differences);
  const spread = differences.reduce((sum, value) => sum + (value - difference) ** 2, 0) / (seeds - 1);
  const ofProblems = mean(tests.map(({ interval: [low, high] }) => ((high - low) / (2 * z95)) ** 2));
  const halves = [studentQuantile(0.975, seeds - 1) * Math.sqrt(spread), z95 * Math.sqrt(ofProblems)];
  const half = Math.max(...halves) / Math.sqrt(seeds);
  const interval = [Math.max(-1, difference - half), Math.min(1, difference + half)] as const;
  const needed = seedsNeeded(effect, Math.sqrt(Math.max(spread, ofProblems)));
  const found =
    `mean difference ${points(difference)} over ${seeds} seeds (${differences.map(points).join(", ")}), ` +
    `95% interval ${points(interval[0])} to ${points(interval[1])} with the variance between trainings`;
  const say = (verdict: ClaimVerdict, reason: string): PooledJudgement => {
    return { verdict, differences, difference, interval, needed, explanation: `${found}: ${reason}` };
  };
  if (interval[1] <= margin) return say("refuted", `the whole interval lies at or below the margin of ${points(margin)}`);
  if (interval[0] > margin) return say("supported", `the whole interval lies above the margin of ${points(margin)}`);
  const excess = `an excess of ${points(effect)} over the margin of ${points(margin)}`;
  const most = needed === mostSeeds ? `${mostSeeds} seeds or more` : `about ${needed} seeds`;
  if (seeds < needed)
    return say("underpowered", `undecided, and finding ${excess} with 80% power takes ${most} that differ as these do`);
  return say("inconclusive", `undecided, though ${seeds} seeds were enough to find ${excess} with 80% power`);
}

/** The usual sample size of a t test, two-sided 5% with 80% power, by trying. */
function seedsNeeded(effect: number, deviation: number): number {
  for (let seeds = 2; seeds < mostSeeds; seeds++) {
    const reach = studentQuantile(0.975, seeds - 1) + studentQuantile(0.8, seeds - 1);
    if ((reach * deviation) / Math.sqrt(seeds) <= effect) return seeds;
  }
  return mostSeeds;
}
