// The axes of a sweep: what its grid, zip, list and seeds stand for, how they are combined, and what their points are called. Pure.
import { canonicalJson, sha256 } from "../lib/hash.ts";
import { isJson } from "../lib/text.ts";
import { hint } from "./messages.ts";
import { armKeys, configFile } from "./schema.ts";
import type { SweepSettings } from "./sweepSettings.ts";
import { asJson, type ConfigProblem, isKeyPath, type Path } from "./values.ts";

/** A value for a setting of an arm. */
export interface Override {
  /** Dotted. */
  readonly key: string;
  /** null removes the key. */
  readonly value: unknown;
  /** Where it stands in the file. */
  readonly path: Path;
}

/** The overrides of one value of an axis, or of one value of each of several axes. */
export type Point = readonly Override[];

/** Settings that vary together. */
export interface Axis {
  /** Dotted keys and where they stand. A point of a list may leave some out; other points give them all. */
  readonly keys: readonly { readonly key: string; readonly path: Path }[];
  readonly points: readonly Point[];
}

const maxArms = 10_000;
const fileKeys = Object.keys(configFile.shape);

/** Says so when the axes make too many combinations, from their lengths alone: before anything is expanded or excluded. */
export function sizeProblem(sweep: SweepSettings): ConfigProblem | undefined {
  const factors: readonly (readonly [what: string, count: number, path: Path])[] = [
    ["arms", 1 + Object.keys(sweep.arms).length, ["sweep", "arms"]],
    ...Object.entries(sweep.grid).map(([key, values]) => [key, values.length, ["sweep", "grid", key]] as const),
    ...zipsOf(sweep).map(({ lists, path }) => [Object.keys(lists).join(" and "), lengthOf(lists), path] as const),
    ["list", Math.max(1, sweep.list.length), ["sweep", "list"]],
    ["seeds", seedCount(sweep), ["sweep", "seeds"]],
  ];
  const size = factors.reduce((product, [, count]) => product * count, 1);
  if (size <= maxArms) return undefined;
  const [, , path] = factors.reduce((most, factor) => (factor[1] > most[1] ? factor : most));
  const product = factors.flatMap(([what, count]) => (count > 1 ? [`${count} (${what})`] : [])).join(" x ");
  return { path, message: `${product} make ${size} combinations; at most ${maxArms} are allowed` };
}

/** The axes in the order in which they are combined: grid, zip, list, seeds. `seed` is the file's own, from which a count goes up. */
export function axesOf(sweep: SweepSettings, seed: number): Axis[] {
  return [...gridAxes(sweep), ...zipsOf(sweep).map(zipAxis), ...listAxes(sweep), ...seedAxes(sweep, seed)];
}

function gridAxes({ grid }: SweepSettings): Axis[] {
  return Object.entries(grid).map(([key, values]) => {
    const path = ["sweep", "grid", key];
    return { keys: [{ key, path }], points: values.map((value, index) => [{ key, value, path: [...path, String(index)] }]) };
  });
}

interface Zip {
  readonly lists: Readonly<Record<string, readonly unknown[]>>;
  readonly path: Path;
}

function zipsOf({ zip }: SweepSettings): Zip[] {
  const zips = Array.isArray(zip)
    ? zip.map((lists, index) => ({ lists, path: ["sweep", "zip", String(index)] }))
    : [{ lists: zip, path: ["sweep", "zip"] }];
  return zips.filter(({ lists }) => Object.keys(lists).length > 0);
}

function lengthOf(lists: Zip["lists"]): number {
  return Math.min(...Object.values(lists).map((values) => values.length));
}

function zipAxis({ lists, path }: Zip): Axis {
  const entries = Object.entries(lists);
  const pointAt = (index: number) =>
    entries.map(([key, values]) => ({ key, value: values[index], path: [...path, key, String(index)] }));
  return {
    keys: entries.map(([key]) => ({ key, path: [...path, key] })),
    points: Array.from({ length: lengthOf(lists) }, (_, index) => pointAt(index)),
  };
}

function listAxes({ list }: SweepSettings): Axis[] {
  if (list.length === 0) return [];
  const points = list.map((point, index) =>
    Object.entries(point).map(([key, value]) => ({ key, value, path: ["sweep", "list", String(index), key] })),
  );
  const first = new Map<string, Path>();
  for (const { key, path } of points.flat()) if (!first.has(key)) first.set(key, path);
  return [{ keys: [...first].map(([key, path]) => ({ key, path })), points }];
}

function seedCount({ seeds }: SweepSettings): number {
  return typeof seeds === "number" ? seeds : (seeds?.length ?? 1);
}

function seedAxes({ seeds }: SweepSettings, seed: number): Axis[] {
  if (seeds === undefined) return [];
  const path = ["sweep", "seeds"];
  const points =
    typeof seeds === "number"
      ? Array.from({ length: seeds }, (_, index) => [{ key: "seed", value: seed + index, path }])
      : seeds.map((value, index) => [{ key: "seed", value, path: [...path, String(index)] }]);
  return [{ keys: [{ key: "seed", path }], points }];
}

/** Keys that are no settings of an arm or stand on two axes, lists of one zip that differ in length, and points given twice. */
export function axisProblems(sweep: SweepSettings, axes: readonly Axis[]): ConfigProblem[] {
  const keys = axes.flatMap((axis) => axis.keys);
  const ofKeys = keys.flatMap(({ key, path }, index) => {
    const message = axisKeyProblem(key);
    if (message !== undefined) return [{ path, message, atKey: true }];
    const other = keys.slice(0, index).find((earlier) => isPart(earlier.key, key) || isPart(key, earlier.key));
    if (other === undefined) return [];
    const where = other.path.join(".");
    const told = other.key === key ? `${key} varies already at ${where}` : `${key} and ${other.key} (at ${where}) overlap`;
    return [{ path, message: `${told}. A setting can vary on one axis only`, atKey: true }];
  });
  return [...ofKeys, ...zipsOf(sweep).flatMap(lengthProblems), ...axes.flatMap(repeatProblems)];
}

/** A point that an axis has already would add no arm: whoever counts three seeds must not get two. */
function repeatProblems({ points }: Axis): ConfigProblem[] {
  const seen = new Set<string>();
  return points.flatMap((point, index) => {
    const address = canonicalJson(asJson(Object.fromEntries(point.map(({ key, value }) => [key, value]))));
    if (!seen.has(address)) {
      seen.add(address);
      return [];
    }
    const settings = point.map(({ key, value }) => `${key}=${valueText(value)}`).join(", ") || "{}";
    // Only a point of a list may hold no settings.
    const path = point[0]?.path ?? ["sweep", "list", String(index)];
    return [{ path, message: `${settings} stands twice on this axis. Give it once` }];
  });
}

function lengthProblems({ lists, path }: Zip): ConfigProblem[] {
  const [first, ...rest] = Object.entries(lists);
  if (first === undefined) return [];
  const [firstKey, { length }] = first;
  return rest.flatMap(([key, values]) => {
    if (values.length === length) return [];
    const message = `${key} has a list of ${values.length}, ${firstKey} one of ${length}. Keys of one zip vary together: give them equally many`;
    return [{ path: [...path, key], message, atKey: true }];
  });
}

/** Why a dotted key is no setting that a sweep may vary, or undefined. */
export function keyProblem(key: string): string | undefined {
  const path = key.split(".");
  const [first = ""] = path;
  if (!isKeyPath(path)) return `${key} is not a key: expected names with single dots between them, for example data.train.size`;
  if (armKeys.some((name) => name === first)) return undefined;
  if (fileKeys.includes(first)) return `${first} belongs to the whole file: a sweep cannot vary it`;
  return `${key} is not a setting of an arm${hint(first, armKeys)}`;
}

function axisKeyProblem(key: string): string | undefined {
  return keyProblem(key) ?? (/[=/]/.test(key) ? `${key} cannot name an axis: arms are called arm/key=value` : undefined);
}

/** Whether the setting at `key` is the one at `whole` or a part of it. */
function isPart(key: string, whole: string): boolean {
  return key === whole || key.startsWith(`${whole}.`);
}

/**
 * The axes as far as they vary an arm that sets some keys itself: its own value of a key stands in every point. Keys that
 * cannot vary (axisProblems tells of them) are left out too.
 */
export function axesFor(axes: readonly Axis[], own: Point): Axis[] {
  const varies = ({ key }: { readonly key: string }) =>
    axisKeyProblem(key) === undefined && !own.some((override) => isPart(key, override.key));
  return axes.flatMap(({ keys, points }) => {
    const left = keys.filter(varies);
    return left.length === 0 ? [] : [{ keys: left, points: points.map((point) => point.filter(varies)) }];
  });
}

/** Every combination of the axes' points, the last axis running fastest. */
export function combine(axes: readonly Axis[]): Point[] {
  return axes.reduce<Point[]>(
    (combined, { points }) => combined.flatMap((before) => points.map((point) => [...before, ...point])),
    [[]],
  );
}

/** What each axis key is called in the names of arms: its last part, or all of it where two end alike. */
export function axisNames(axes: readonly Axis[]): ReadonlyMap<string, string> {
  const keys = axes.flatMap((axis) => axis.keys.map(({ key }) => key));
  const last = (key: string) => key.slice(key.lastIndexOf(".") + 1);
  const isAlone = (key: string) => keys.filter((other) => last(other) === last(key)).length === 1;
  return new Map(keys.map((key) => [key, isAlone(key) ? last(key) : key]));
}

/** `arm/width=128/seed=1`: the keys of the point alone, so that a further value or axis point renames no other arm. */
export function armName(variant: string, point: Point, names: ReadonlyMap<string, string>): string {
  return [variant, ...point.map(({ key, value }) => `${names.get(key) ?? key}=${valueText(value)}`)].join("/");
}

/** A text bare, unless it could be taken for another value; long values cut, with a digest in place of the rest. */
function valueText(value: unknown): string {
  const json = canonicalJson(asJson(value));
  const text = typeof value === "string" && !/[=\s]/.test(value) && !isJson(value) ? value : json;
  return text.length <= 64 ? text : `${text.slice(0, 40)}~${sha256(json).slice(0, 8)}`;
}
