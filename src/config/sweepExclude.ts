// What `sweep.exclude` drops: arms that agree with all keys of one of its maps. Pure.
import { canonicalJson } from "../lib/hash.ts";
import type { ReadArm } from "./armReader.ts";
import { hint } from "./messages.ts";
import { keyProblem } from "./sweepAxes.ts";
import { asJson, type ConfigProblem, getAt, type Path, shown } from "./values.ts";

/** An arm as far as an exclude asks about it. */
export interface Excludable {
  /** Its name without the axes. */
  readonly variant: string;
  readonly read: Pick<ReadArm, "raw" | "parsed">;
}

interface Condition {
  readonly key: string;
  readonly value: unknown;
  readonly path: Path;
}

type Exclude = readonly Condition[];

/**
 * The arms that no map of `exclude` drops. A map drops an arm when each of its keys has the same value there, as written or
 * with defaults filled in (null: it is absent), and `arm`, if given, is its name. Adds to `problems`: unknown keys and arms,
 * maps that drop nothing, and maps that together drop everything.
 */
export function keptArms<T extends Excludable>(
  arms: readonly T[],
  exclude: readonly Readonly<Record<string, unknown>>[],
  variants: readonly string[],
  problems: ConfigProblem[],
): readonly T[] {
  const excludes = exclude.map((map, index) =>
    Object.entries(map).map(([key, value]) => ({ key, value, path: ["sweep", "exclude", String(index), key] })),
  );
  const dropped = new Set<T>();
  for (const [index, conditions] of excludes.entries()) {
    const wrong = conditions.flatMap((condition) => conditionProblem(condition, variants) ?? []);
    problems.push(...wrong);
    if (wrong.length > 0) continue;
    const agreeing = arms.filter((arm) => conditions.every((condition) => agrees(arm, condition)));
    if (agreeing.length === 0)
      problems.push({ path: ["sweep", "exclude", String(index)], message: dropsNothing(arms, conditions) });
    for (const arm of agreeing) dropped.add(arm);
  }
  if (dropped.size === arms.length)
    problems.push({ path: ["sweep", "exclude"], message: `drops all ${arms.length} arms. Leave at least one` });
  return arms.filter((arm) => !dropped.has(arm));
}

function conditionProblem({ key, value, path }: Condition, variants: readonly string[]): ConfigProblem | undefined {
  if (key !== "arm") {
    const message = keyProblem(key);
    return message === undefined ? undefined : { path, message, atKey: true };
  }
  if (variants.some((name) => name === value)) return undefined;
  return { path, message: `unknown arm ${shown(value)}. There is: ${variants.join(", ")}${hint(value, variants)}` };
}

/** The arm's values at a key, as written and with defaults filled in: those that are there; null when the key is absent. */
function valuesOf({ variant, read: { raw, parsed } }: Excludable, key: string): readonly unknown[] {
  if (key === "arm") return [variant];
  const path = key.split(".");
  const values = [getAt(parsed, path), getAt(raw, path)].filter((value) => value !== undefined);
  const section = path.slice(0, 1);
  // Of a section that could not be read nobody knows what its defaults would have been.
  const isRead = getAt(parsed, section) !== undefined || getAt(raw, section) === undefined;
  return values.length > 0 || !isRead ? values : [null];
}

function agrees(arm: Excludable, { key, value }: Condition): boolean {
  return valuesOf(arm, key).some((found) => isEqual(found, value));
}

function isEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object") return a === b;
  return canonicalJson(asJson(a)) === canonicalJson(asJson(b));
}

/** Which key keeps a map from dropping anything, and what it could have named. */
function dropsNothing(arms: readonly Excludable[], conditions: Exclude): string {
  for (const condition of conditions) {
    if (arms.some((arm) => agrees(arm, condition))) continue;
    const { key, value } = condition;
    const there = [...new Set(arms.map((arm) => shown(valuesOf(arm, key)[0])))];
    const some = there.length > 5 ? [...there.slice(0, 5), "..."] : there;
    return `drops nothing: no arm has ${key} ${shown(value)}. There is: ${some.join(", ")}`;
  }
  return "drops nothing: no arm agrees with all of its keys together";
}
