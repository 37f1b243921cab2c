// Which policies of a sweep are tested against each other, pair by pair. Pure.
import type { Plan } from "../plan/plan.ts";
import type { Comparison } from "../report/model.ts";
import { compareOn, type GradedByReference } from "./claims.ts";

/**
 * Policies on the same problems up to which every two are compared. Of more (a sweep of hundreds of arms) the pairs would be
 * more than anybody reads: then those of one arm, and each against its namesake in the first arm.
 */
const allPairsUpTo = 24;

/** Paired tests of policies that share their problems, split by split. */
export function pairedTests(plan: Plan, graded: GradedByReference): Comparison[] {
  const groups = new Map<string, Reference[]>();
  for (const { name: arm, problems, grade } of plan.arms) {
    const group = groups.get(problems) ?? [];
    groups.set(problems, group);
    for (const policy of Object.keys(grade)) {
      const reference = `${arm}/${policy}`;
      if (graded.has(reference)) group.push({ arm, policy, reference });
    }
  }
  return [...groups.values()].flatMap((group) =>
    pairsOf(group).flatMap(([first, second]) => {
      const splits = new Set((graded.get(first.reference) ?? []).map(({ split }) => split));
      return [...splits].map((split) => compareOn(graded, first.reference, second.reference, split));
    }),
  );
}

interface Reference {
  readonly arm: string;
  readonly policy: string;
  readonly reference: string;
}

function pairsOf(group: readonly Reference[]): [Reference, Reference][] {
  if (group.length <= allPairsUpTo) return everyTwo(group);
  const arms = new Map<string, Reference[]>();
  for (const reference of group) {
    const own = arms.get(reference.arm) ?? [];
    arms.set(reference.arm, own);
    own.push(reference);
  }
  const [first = [], ...others] = arms.values();
  const namesakes = new Map(first.map((reference) => [reference.policy, reference]));
  return [first, ...others].flatMap((own) => {
    const against = own === first ? [] : own;
    return [
      ...against.flatMap((reference): [Reference, Reference][] => {
        const namesake = namesakes.get(reference.policy);
        return namesake === undefined ? [] : [[namesake, reference]];
      }),
      ...everyTwo(own),
    ];
  });
}

function everyTwo(group: readonly Reference[]): [Reference, Reference][] {
  return group.flatMap((first, index) => group.slice(index + 1).map((second): [Reference, Reference] => [first, second]));
}
