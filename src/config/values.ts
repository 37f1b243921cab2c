// Paths into plain values, and zod's findings as sentences for the user. Knows no text positions.
import type { z } from "zod";
import { nearest } from "../lib/text.ts";

export type Path = readonly string[];

/** Something wrong in a config, at a path of it. */
export interface ConfigProblem {
  readonly path: Path;
  readonly message: string;
  /** The problem is the key itself, not its value. */
  readonly atKey?: boolean;
}

type Container = Record<string, unknown>;

/** The value at a path, or undefined. */
export function getAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Container)[key];
  }
  return at;
}

/** Puts a value at a path, making maps on the way; null removes the key. */
export function setAt(target: Container, path: Path, value: unknown): void {
  let at = target;
  for (const key of path.slice(0, -1)) {
    const next = at[key];
    if (typeof next === "object" && next !== null && !Array.isArray(next)) at = next as Container;
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

/** All of zod's issues as located sentences. A union's issues are those of the branch that the keys present point to. */
export function asProblems(error: z.ZodError, root: unknown, schema: z.core.$ZodType): ConfigProblem[] {
  return error.issues.flatMap((issue) => problemsOf(issue as Issue, [], { value: root, schema }));
}

type Issue = z.core.$ZodIssue;
type Schema = z.core.$ZodType;

interface Root {
  readonly value: unknown;
  readonly schema: Schema;
}

function problemsOf(issue: Issue, prefix: Path, root: Root): ConfigProblem[] {
  const path = [...prefix, ...issue.path.map(String)];
  const value = getAt(root.value, path);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, knownKeys(root.schema, path)), atKey: true }));
    case "invalid_union":
      return unionProblems(issue, path, value, root);
    case "invalid_type":
      return [{ path, message: value === undefined ? `missing: expected ${typeName(issue.expected)}` : `expected ${typeName(issue.expected)}, found ${shown(value)}` }];
    case "invalid_value":
      return [{ path, message: `expected ${issue.values.map((item) => JSON.stringify(item)).join(" or ")}, found ${shown(value)}${near(value, issue.values)}` }];
    case "too_small":
      return [{ path, message: `expected ${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}, found ${shown(value)}` }];
    case "too_big":
      return [{ path, message: `expected ${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}, found ${shown(value)}` }];
    default:
      return [{ path, message: `${issue.message}${value === undefined || typeof value === "object" ? "" : ` (found ${shown(value)})`}` }];
  }
}

function unionProblems(issue: Extract<Issue, { code: "invalid_union" }>, path: Path, value: unknown, root: Root): ConfigProblem[] {
  if (issue.discriminator !== undefined) {
    // zod's path ends in the discriminator already when the map is there.
    const found = path[path.length - 1] === issue.discriminator ? value : getAt(value, [issue.discriminator]);
    const options = (issue as { options?: readonly unknown[] }).options;
    const expected = options === undefined ? "" : `: expected ${options.map((item) => JSON.stringify(item)).join(", ")}`;
    const what = found === undefined ? `${issue.discriminator} is missing` : `unknown ${issue.discriminator} ${shown(found)}`;
    return [{ path, message: `${what}${expected}${near(found, options ?? [])}` }];
  }
  // The branch that complains least is the one that was meant: its type fits and its keys are known.
  const branches = issue.errors.map((errors) => errors.flatMap((inner) => problemsOf(inner as Issue, path, root)));
  const closest = [...branches].sort((a, b) => weight(a, path) - weight(b, path))[0] ?? [];
  if (closest.every((problem) => problem.path.length === path.length)) {
    const wanted = [...new Set(branches.flat().filter((problem) => problem.path.length === path.length).map((problem) => /expected (.*?), found/.exec(problem.message)?.[1]))];
    const known = wanted.filter((item) => item !== undefined);
    if (known.length > 0) return [{ path, message: `expected ${known.join(" or ")}, found ${shown(value)}` }];
  }
  return closest;
}

/** A wrong type of the whole value weighs most, an unknown key more than a wrong value. */
function weight(problems: readonly ConfigProblem[], path: Path): number {
  return problems.reduce((sum, problem) => sum + (problem.path.length === path.length ? 100 : problem.atKey ? 10 : 9), 0);
}

function unknownKey(key: string, known: readonly string[]): string {
  if (known.includes(key)) return "does not go with the other keys here: it belongs to another kind";
  const close = nearest(key, known);
  const all = known.length === 0 ? "" : ` There is: ${known.join(", ")}.`;
  return close === undefined ? `unknown key.${all}` : `unknown key. Did you mean ${close}?`;
}

/** The keys that the schema knows at a path: of every branch, where it is a union. */
function knownKeys(schema: Schema, path: Path): string[] {
  let at: Schema[] = [schema];
  for (const key of path) at = at.flatMap(branches).flatMap((branch) => child(branch, key));
  return [...new Set(at.flatMap(branches).flatMap((branch) => (branch._zod.def.type === "object" ? Object.keys(shapeOf(branch)) : [])))];
}

function shapeOf(schema: Schema): Readonly<Record<string, Schema>> {
  return (schema as z.core.$ZodObject)._zod.def.shape as Readonly<Record<string, Schema>>;
}

/** A schema without its wrappers (default, optional, ...); a union as its options. */
function branches(schema: Schema): Schema[] {
  const def = schema._zod.def as { innerType?: Schema; options?: readonly Schema[]; in?: Schema; out?: Schema };
  if (def.innerType !== undefined) return branches(def.innerType);
  if (def.options !== undefined) return def.options.flatMap(branches);
  if (def.out !== undefined) return branches(def.out);
  return [schema];
}

function child(schema: Schema, key: string): Schema[] {
  const { def } = schema._zod;
  if (def.type === "object") return [shapeOf(schema)[key]].filter((item) => item !== undefined);
  if (def.type === "record") return [(schema as z.core.$ZodRecord)._zod.def.valueType];
  return [];
}

function near(value: unknown, options: readonly unknown[]): string {
  if (typeof value !== "string") return "";
  const close = nearest(value, options.filter((item) => typeof item === "string"));
  return close === undefined ? "" : `. Did you mean ${close}?`;
}

function typeName(expected: string): string {
  const names: Record<string, string> = {
    int: "a whole number",
    number: "a number",
    string: "a text",
    boolean: "true or false",
    object: "a map of keys",
    record: "a map of keys",
    array: "a list",
    tuple: "a list",
  };
  return names[expected] ?? expected;
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
