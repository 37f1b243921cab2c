// Paths into plain values: reading, overriding, and what a value looks like in a message. Knows no schema, no text positions.
import type { Json } from "../lib/hash.ts";

export type Path = readonly string[];

/** Something wrong in a config, at a path of it. */
export interface ConfigProblem {
  readonly path: Path;
  readonly message: string;
  /** The problem is the key itself, not its value. */
  readonly atKey?: boolean;
  /** Other settings that take part in the problem: an override of one of them may be what caused it. */
  readonly causes?: readonly Path[];
}

export type Container = Record<string, unknown>;

export function isContainer(value: unknown): value is Container {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at a path, or undefined. Sees own keys only. */
export function getAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Container)[key];
  }
  return at;
}

/** Whether a path can be a key of a config: no empty part, and nothing that would reach into prototypes. */
export function isKeyPath(path: Path): boolean {
  return path.every((key) => key !== "" && key !== "__proto__");
}

/** Puts a value at a path (one for which isKeyPath holds), making maps on the way; null removes the key. */
export function setAt(target: Container, path: Path, value: unknown): void {
  let at = target;
  for (const key of path.slice(0, -1)) {
    const next = Object.hasOwn(at, key) ? at[key] : undefined;
    if (isContainer(next)) at = next;
    else if (value === null) return;
    else {
      const made: Container = {};
      at[key] = made;
      at = made;
    }
  }
  const last = path[path.length - 1] as string;
  if (value === null) delete at[last];
  else at[last] = value;
}

/** Where a list stands in the way of a path's later keys, or undefined: lists are given whole, not by key. */
export function listOnTheWay(value: unknown, path: Path): Path | undefined {
  const ends = path.findIndex((_, index) => index > 0 && Array.isArray(getAt(value, path.slice(0, index))));
  return ends < 0 ? undefined : path.slice(0, ends);
}

/** A value as JSON: what JSON lacks (NaN, Infinity) by its name, so that it can still be compared and shown. */
export function asJson(value: unknown): Json {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map(asJson);
  if (!isContainer(value)) return String(value);
  const members = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(members.map(([key, item]) => [key, asJson(item)]));
}

/** A value in a message: JSON, cut at 60 characters; numbers that JSON lacks by their names. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "nothing (null)";
  if (typeof value === "number") return String(value);
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
