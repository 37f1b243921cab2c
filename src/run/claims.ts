// Claims over the graded arms: which pairs of arms a claim speaks of, and the verdict of each.
import type { Arm, ResolvedConfig } from "../config/resolve.ts";
import type { ClaimSettings } from "../config/schema.ts";
import { judge } from "../evaluate/claims.ts";
import { judgePooled } from "../evaluate/pooled.ts";
import { compare, type Graded } from "../evaluate/summary.ts";
import { UserError } from "../lib/errors.ts";
import { canonicalJson, type Json } from "../lib/hash.ts";
import type { Plan } from "../plan/plan.ts";
import type { ClaimResult, Comparison, PooledClaim, UnjudgedClaim } from "../report/model.ts";

/** Verdicts by reference `arm/policy`. */
export type GradedByReference = ReadonlyMap<string, readonly Graded[]>;

/** Both policies on the problems of one split. Throws when they were not given the same problems. */
export function compareOn(graded: GradedByReference, first: string, second: string, split: string): Comparison {
  const of = (reference: string) => (graded.get(reference) ?? []).filter((item) => item.split === split);
  return { first, second, split, ...compare(of(first), of(second)) };
}

/**
 * The pairs of arms that a claim speaks of: those its two references name that agree on every axis of the sweep which both
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
  const pairs = agreeing(firsts, seconds);
  if (pairs.length === 0) {
    throw new UserError(
      "config",
      `claims.${name}.compare: no arm of ${claim.compare[0]} agrees with one of ${claim.compare[1]} on all axes of the sweep that both have. Compare arms that share a point of them.`,
    );
  }
  const problems = new Map(plan.arms.map((arm) => [arm.name, arm.problems]));
  for (const [first, second] of pairs) {
    if (problems.get(first.arm.name) === problems.get(second.arm.name)) continue;
    throw new UserError(
      "config",
      `claims.${name}.compare: ${first.reference} and ${second.reference} are not tested on the same problems (their seed, puzzle or data.test differ), so they cannot be compared problem by problem. Give both arms the same.`,
    );
  }
  return pairs;
}

/** One result per pair. Pairs whose policies are not both graded are left out: `unjudgedClaims` names them. */
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
    const statement = statementOf(claim, first.reference, second.reference);
    const point = pairs.length > 1 ? ` (${first.arm.name} against ${second.arm.name})` : "";
    return [
      { name: `${name}${point}`, statement, split: claim.on, verdict, required: claim.required, explanation, comparison },
    ];
  });
}

/**
 * One result for each point of the sweep that has several seeds, over all of them. A point of which a seed is not graded has
 * none yet: the seeds that are left would be a choice.
 */
export function poolClaim(
  name: string,
  claim: ClaimSettings,
  config: ResolvedConfig,
  plan: Plan,
  graded: GradedByReference,
): PooledClaim[] {
  const results = judgeClaim(name, claim, config, plan, graded);
  const groups = new Map<string, (readonly [Named, Named])[]>();
  for (const pair of claimPairs(name, claim, config, plan)) {
    const point = canonicalJson(pair.map(withoutSeed));
    groups.set(point, [...(groups.get(point) ?? []), pair]);
  }
  const pools = [...groups.values()].filter((pairs) => pairs.length > 1);
  return pools.flatMap((pairs) => {
    const of = pairs.flatMap(([first, second]) =>
      results.filter(({ comparison }) => comparison.first === first.reference && comparison.second === second.reference),
    );
    const seeds = pairs.map(([{ arm }]) => arm.settings.seed);
    const [first = "", second = ""] = (pairs[0] ?? []).map(({ arm, reference }) =>
      reference.replace(`/seed=${arm.settings.seed}`, ""),
    );
    if (of.length < pairs.length) return [];
    const { verdict, explanation, differences, difference, interval } = judgePooled(
      claim,
      of.map(({ comparison }) => comparison),
    );
    const point = pools.length > 1 ? ` (${first} against ${second})` : "";
    const statement = statementOf(claim, first, second);
    const told = { name: `${name}, all seeds${point}`, statement, split: claim.on, verdict, required: claim.required };
    return [{ ...told, explanation, seeds, differences, difference, interval, claims: of.map((result) => result.name) }];
  });
}

function statementOf({ expect: { margin }, metric, on }: ClaimSettings, first: string, second: string): string {
  const by = margin === 0 ? "" : ` by more than ${(100 * margin).toFixed(1)} points`;
  return `${first} beats ${second}${by} in ${metric} on ${on}`;
}

function withoutSeed({ arm }: Named): Json {
  const { seed: _, ...rest } = arm.coordinates;
  return rest;
}

/** The claims of which some pair has no verdict, each with the policies it waits for. */
export function unjudgedClaims(config: ResolvedConfig, plan: Plan, graded: GradedByReference): UnjudgedClaim[] {
  return Object.entries(config.file.claims).flatMap(([name, claim]) => {
    const pairs = claimPairs(name, claim, config, plan);
    const left = pairs.filter((pair) => pair.some(({ reference }) => !graded.has(reference)));
    if (left.length === 0) return [];
    const missing = new Set(left.flat().flatMap(({ reference }) => (graded.has(reference) ? [] : [reference])));
    return [{ name, required: claim.required, pairs: pairs.length, left: left.length, missing: [...missing] }];
  });
}

interface Named {
  readonly arm: Arm;
  readonly reference: string;
}

/** The arms of a reference `arm/policy`, or `policy` of the base arm. An arm's name stands for all its points. */
function armsOf(reference: string, config: ResolvedConfig): Named[] {
  const slash = reference.lastIndexOf("/");
  const wanted = slash < 0 ? config.file.sweep.base : reference.slice(0, slash);
  const policy = reference.slice(slash + 1);
  return config.arms
    .filter((arm) => arm.name === wanted || arm.coordinates.arm === wanted)
    .filter((arm) => arm.settings.decode[policy] !== undefined)
    .map((arm) => ({ arm, reference: `${arm.name}/${policy}` }));
}

/** The arms of either side that agree on the axes which both sides have: all arms of one reference have the same axes. */
function agreeing(firsts: readonly Named[], seconds: readonly Named[]): (readonly [Named, Named])[] {
  const [first, second] = [firsts[0]?.arm.coordinates ?? {}, seconds[0]?.arm.coordinates ?? {}];
  const axes = Object.keys(first).filter((axis) => axis !== "arm" && Object.hasOwn(second, axis));
  const pointOf = ({ arm }: Named) => canonicalJson(axes.map((axis) => arm.coordinates[axis] ?? null));
  const byPoint = new Map<string, Named[]>();
  for (const named of seconds) {
    const group = byPoint.get(pointOf(named));
    if (group === undefined) byPoint.set(pointOf(named), [named]);
    else group.push(named);
  }
  return firsts.flatMap((named) => (byPoint.get(pointOf(named)) ?? []).map((other) => [named, other] as const));
}
