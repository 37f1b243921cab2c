// Claims over the graded arms: which pairs of arms a claim speaks of, and the verdict of each.
import type { Arm, ResolvedConfig } from "../config/resolve.ts";
import type { ClaimSettings } from "../config/schema.ts";
import { judge } from "../evaluate/claims.ts";
import { compare } from "../evaluate/summary.ts";
import { UserError } from "../lib/errors.ts";
import type { Plan } from "../plan/plan.ts";
import type { ClaimResult, Comparison } from "../report/model.ts";
import type { GradedAttempt } from "./stages/decode.ts";

/** Verdicts by reference `arm/policy`. */
export type GradedByReference = ReadonlyMap<string, readonly GradedAttempt[]>;

/** Both policies on the problems of one split. Throws when they were not given the same problems. */
export function compareOn(graded: GradedByReference, first: string, second: string, split: string): Comparison {
  const of = (reference: string) => (graded.get(reference) ?? []).filter((item) => item.split === split);
  return { first, second, split, ...compare(of(first), of(second)) };
}

/**
 * The pairs of arms that a claim speaks of: those its two references name that agree on every axis of the grid which both
 * have (seed 1 is compared with seed 1). Throws UserError("config") when there is none, or when two arms of a pair are not
 * tested on the same problems, which a paired test needs.
 */
export function claimPairs(
  name: string,
  claim: ClaimSettings,
  config: ResolvedConfig,
  plan: Plan,
): (readonly [Named, Named])[] {
  const [firsts, seconds] = claim.compare.map((reference) => armsOf(reference, config)) as [Named[], Named[]];
  const pairs = firsts.flatMap((first) =>
    seconds.filter((second) => agree(first.arm, second.arm)).map((second) => [first, second] as const),
  );
  if (pairs.length === 0) {
    throw new UserError(
      "config",
      `claims.${name}.compare: no arm of ${claim.compare[0]} has the same grid point as one of ${claim.compare[1]}. Compare arms that share a grid point.`,
    );
  }
  const problemsOf = (arm: Arm) => plan.arms.find((candidate) => candidate.name === arm.name)?.problems;
  for (const [first, second] of pairs) {
    if (problemsOf(first.arm) === problemsOf(second.arm)) continue;
    throw new UserError(
      "config",
      `claims.${name}.compare: ${first.reference} and ${second.reference} are not tested on the same problems (their seed, puzzle or data.test differ), so they cannot be compared problem by problem. Give both arms the same.`,
    );
  }
  return pairs;
}

/** One result per pair. Pairs whose policies failed are left out: the failure is in the summary. */
export function judgeClaim(
  name: string,
  claim: ClaimSettings,
  config: ResolvedConfig,
  plan: Plan,
  graded: GradedByReference,
): ClaimResult[] {
  const pairs = claimPairs(name, claim, config, plan);
  return pairs.flatMap(([first, second]) => {
    if (!graded.has(first.reference) || !graded.has(second.reference)) return [];
    const comparison = compareOn(graded, first.reference, second.reference, claim.on);
    const { verdict, explanation } = judge(claim, comparison);
    const margin = claim.expect.margin === 0 ? "" : ` by more than ${(100 * claim.expect.margin).toFixed(1)} points`;
    const statement = `${first.reference} beats ${second.reference}${margin} in ${claim.metric} on ${claim.on}`;
    const point = pairs.length > 1 ? ` (${first.arm.name} against ${second.arm.name})` : "";
    return [
      { name: `${name}${point}`, statement, split: claim.on, verdict, required: claim.required, explanation, comparison },
    ];
  });
}

interface Named {
  readonly arm: Arm;
  readonly reference: string;
}

/** The arms of a reference `arm/policy`, or `policy` of the base arm. An arm's name stands for all its points of the grid. */
function armsOf(reference: string, config: ResolvedConfig): Named[] {
  const slash = reference.lastIndexOf("/");
  const wanted = slash < 0 ? config.file.sweep.base : reference.slice(0, slash);
  const policy = reference.slice(slash + 1);
  return config.arms
    .filter((arm) => arm.name === wanted || arm.coordinates.arm === wanted)
    .filter((arm) => arm.settings.decode[policy] !== undefined)
    .map((arm) => ({ arm, reference: `${arm.name}/${policy}` }));
}

function agree(a: Arm, b: Arm): boolean {
  return Object.entries(a.coordinates).every(
    ([axis, value]) => axis === "arm" || b.coordinates[axis] === undefined || b.coordinates[axis] === value,
  );
}
