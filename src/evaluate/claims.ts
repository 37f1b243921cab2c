// A claim over two policies -> a verdict that says what the data allow, and what they would have needed. Pure.
import type { ClaimSettings } from "../config/schema.ts";
import { pairedPower, pairsNeeded } from "../lib/stats.ts";
import type { PairedTest } from "./summary.ts";

export type ClaimVerdict = "supported" | "refuted" | "inconclusive" | "underpowered";

export interface Judgement {
  readonly verdict: ClaimVerdict;
  /** Problems needed for 80% power at an excess of `effect` over the margin, given the discordance observed. */
  readonly needed: number;
  /** Power that this number of problems had for it. */
  readonly power: number;
  /** Share of problems that one of the two alone solved. */
  readonly discordance: number;
  readonly explanation: string;
}

/**
 * The claim says: accuracy of the first > accuracy of the second + margin.
 * - supported: the 95% interval of the difference lies above the margin (at margin 0 the exact test must agree: p < 0.05);
 * - refuted: the interval lies at or below the margin;
 * - otherwise underpowered when the problems were too few to find an excess of `effect` with 80% power, else inconclusive.
 */
export function judge(claim: ClaimSettings, test: PairedTest): Judgement {
  const { margin, effect } = claim.expect;
  const [low, high] = test.interval;
  const discordance = test.n === 0 ? 0 : (test.onlyFirst + test.onlySecond) / test.n;
  const needed = pairsNeeded(margin + effect, margin, discordance);
  const power = pairedPower(margin + effect, margin, discordance, test.n);
  const found = `difference ${points(test.difference)}, 95% interval ${points(low)} to ${points(high)}, exact p = ${pText(test.pValue)}, n = ${test.n}`;
  const say = (verdict: ClaimVerdict, reason: string): Judgement => {
    return { verdict, needed, power, discordance, explanation: `${found}: ${reason}` };
  };
  if (test.n > 0 && high <= margin)
    return say("refuted", `the whole interval lies at or below the margin of ${points(margin)}`);
  if (test.n > 0 && low > margin && (margin !== 0 || test.pValue < 0.05)) {
    return say("supported", `the whole interval lies above the margin of ${points(margin)}`);
  }
  const excess = `an excess of ${points(effect)} over the margin of ${points(margin)}`;
  if (test.n < needed) {
    const chance = `${Math.round(100 * power)}%`;
    return say(
      "underpowered",
      `undecided, and ${excess} would have been found with a chance of ${chance} only; 80% takes ${needed} problems`,
    );
  }
  const bound = high < margin + effect ? `; ${excess} is ruled out, a smaller one is not` : "";
  return say("inconclusive", `undecided, though ${needed} problems were enough to find ${excess} with 80% power${bound}`);
}

export interface PowerEstimate {
  readonly n: number;
  readonly assumedDiscordance: number;
  /** Chance to find an excess of `effect` over the margin with n problems. */
  readonly power: number;
  /** Problems for a chance of 80%. */
  readonly needed: number;
  /** Smallest excess over the margin that n problems find with 80% power (to 0.001; at most 1 - margin). */
  readonly detectable: number;
  readonly underpowered: boolean;
  readonly sentence: string;
}

/** A cautious middle: independent policies of 50% accuracy show 0.5, policies that share their samples often less than 0.1. */
const usualDiscordance = 0.3;

/** Known before the run: can `n` problems decide the claim? The discordance has to be assumed. */
export function powerBefore(claim: ClaimSettings, n: number, assumedDiscordance: number = usualDiscordance): PowerEstimate {
  const { margin, effect } = claim.expect;
  const power = pairedPower(margin + effect, margin, assumedDiscordance, n);
  const needed = pairsNeeded(margin + effect, margin, assumedDiscordance);
  const most = Math.max(0.001, 1 - margin);
  let detectable = 0.001;
  while (detectable < most && pairsNeeded(margin + detectable, margin, assumedDiscordance) > n) detectable += 0.001;
  detectable = Math.min(most, Number(detectable.toFixed(3)));
  const underpowered = n < needed;
  const sentence =
    `${n} problems on ${claim.on} find an excess of ${points(effect)} over the margin of ${points(margin)} with a chance of ` +
    `${Math.round(100 * power)}% (if ${Math.round(100 * Math.max(assumedDiscordance, margin + effect))}% of problems are solved by one policy alone)` +
    (underpowered ? `: underpowered, 80% takes ${needed} problems` : `; 80% takes ${needed}`);
  return { n, assumedDiscordance, power, needed, detectable, underpowered, sentence };
}

/** A difference of shares in percentage points. */
export function points(share: number): string {
  const rounded = (100 * share).toFixed(1);
  return `${rounded === "-0.0" ? "0.0" : rounded} points`;
}

function pText(p: number): string {
  return p < 0.0001 ? p.toExponential(1) : p.toFixed(4);
}
