// Looking into settings as manifests and plans hold them: JSON whose shape depends on the stage. Pure.
import type { Json } from "../lib/hash.ts";

export function isObject(value: Json | undefined): value is { readonly [key: string]: Json | undefined } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at a path of member names; undefined where there is none. */
export function valueAt(value: Json | undefined, ...path: string[]): Json | undefined {
  return path.reduce<Json | undefined>((found, name) => (isObject(found) ? found[name] : undefined), value);
}

/** The number at a path; undefined where there is none or something else. */
export function numberAt(value: Json | undefined, ...path: string[]): number | undefined {
  const found = valueAt(value, ...path);
  return typeof found === "number" ? found : undefined;
}

/** What is no object, with the path to it; what is undefined is left out. */
export function leavesOf(value: Json, path: readonly string[] = []): (readonly [readonly string[], Json])[] {
  if (!isObject(value)) return [[path, value]];
  return Object.entries(value).flatMap(([name, item]) => (item === undefined ? [] : leavesOf(item, [...path, name])));
}
