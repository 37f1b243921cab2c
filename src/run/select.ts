// Which stages of a plan somebody means: by the name of an arm, of an arm's policy or of a stage; and what belongs to them. Pure.
import { UserError } from "../lib/errors.ts";
import { editDistance, escapeRegex } from "../lib/text.ts";
import type { Plan } from "../plan/plan.ts";

/** What a run is held to: keys of the stages that may start, and how many at most. */
export interface RunScope {
  readonly only?: ReadonlySet<string>;
  readonly limit?: number;
}

/**
 * Keys of the stages that patterns name (`*` stands for any text): an arm means all its stages, `arm/policy` the decoding and
 * grading of that policy. Throws UserError("no-such-stage") for a pattern that nothing matches, with the nearest names;
 * `option` is how the user gave it.
 */
export function namedStages(plan: Plan, patterns: readonly string[], option: string): Set<string> {
  const names = stagesByName(plan);
  const found = new Set<string>();
  for (const pattern of patterns) {
    const expression = new RegExp(`^${pattern.split("*").map(escapeRegex).join(".*")}$`);
    const matching = [...names].filter(([name]) => expression.test(name));
    if (matching.length === 0) throw noSuchStage(pattern, [...names.keys()], option);
    for (const [, keys] of matching) for (const key of keys) found.add(key);
  }
  return found;
}

/** With everything that these stages need, directly or not. */
export function withInputs(plan: Plan, keys: ReadonlySet<string>): Set<string> {
  const found = new Set(keys);
  // Inputs stand before what needs them.
  for (const { key, inputs } of plan.stages.toReversed()) {
    if (found.has(key)) for (const input of Object.values(inputs)) found.add(input);
  }
  return found;
}

/**
 * Keys of the stages that a run may start: those that are missing, are among `only`, and can be reached with so many starts. In
 * which order they start is the schedule's to say, so with a limit these may be more than will start.
 */
export function mayStart(plan: Plan, missing: ReadonlySet<string>, scope: RunScope): Set<string> {
  const { only, limit = Number.POSITIVE_INFINITY } = scope;
  const found = new Set<string>();
  // For each stage what is missing of it and of all that it needs.
  const starts = new Map<string, ReadonlySet<string>>();
  for (const { key, inputs } of plan.stages) {
    const before = Object.values(inputs).flatMap((input) => [...(starts.get(input) ?? [])]);
    const all = new Set(missing.has(key) ? [...before, key] : before);
    starts.set(key, all);
    if (missing.has(key) && (only?.has(key) ?? true) && all.size <= limit) found.add(key);
  }
  return found;
}

/** With everything that needs these stages, directly or not. */
export function withDependents(plan: Plan, keys: ReadonlySet<string>): Set<string> {
  const found = new Set(keys);
  for (const { key, inputs } of plan.stages) if (Object.values(inputs).some((input) => found.has(input))) found.add(key);
  return found;
}

function stagesByName(plan: Plan): Map<string, ReadonlySet<string>> {
  const names = new Map<string, Set<string>>();
  const add = (name: string, ...keys: readonly (string | undefined)[]) => {
    const known = names.get(name) ?? new Set();
    for (const key of keys) if (key !== undefined) known.add(key);
    if (known.size > 0) names.set(name, known);
  };
  for (const { id, key } of plan.stages) add(id, key);
  for (const { name: full, problems, dataset, train, decode, grade } of plan.arms) {
    // As in claims, an arm's name without the values of the axes stands for all of its points. A shared stage is called by the
    // first arm's name; it answers to those of the others too.
    for (const name of new Set([full, full.split("/")[0] as string])) {
      add(name, problems, dataset, train, ...Object.values(decode), ...Object.values(grade));
      add(`problems ${name}`, problems);
      add(`data ${name}`, dataset);
      add(`train ${name}`, train);
      for (const policy of Object.keys(decode)) {
        add(`${name}/${policy}`, decode[policy], grade[policy]);
        add(`decode ${name}/${policy}`, decode[policy]);
        add(`grade ${name}/${policy}`, grade[policy]);
      }
    }
  }
  return names;
}

const namesShown = 3;

function noSuchStage(pattern: string, names: readonly string[], option: string): UserError {
  const plain = pattern.replaceAll("*", "");
  const distances = names.map((name) => [editDistance(plain.toLowerCase(), name.toLowerCase()), name] as const);
  const near = distances.sort(([a], [b]) => a - b).slice(0, namesShown);
  return new UserError(
    "no-such-stage",
    `${option} ${JSON.stringify(pattern)}: no arm, arm/policy or stage of this sweep has that name. The nearest: ${near.map(([, name]) => JSON.stringify(name)).join(", ")}. ` +
      "`backtrail plan` lists them; * stands for any text.",
  );
}
