// zod's findings as sentences for the user: found, expected, the nearest name. Knows no text positions.
import { z } from "zod";
import { nearest } from "../lib/text.ts";
import { type ConfigProblem, getAt, isContainer, type Path, shown } from "./values.ts";

type Issue = z.core.$ZodIssue;
type Schema = z.core.$ZodType;

interface Root {
  readonly value: unknown;
  readonly schema: Schema;
}

/** All of zod's issues as located problems. A union's issues are those of the branch that the keys present point to. */
export function asProblems(error: z.ZodError, value: unknown, schema: Schema): ConfigProblem[] {
  return error.issues.flatMap((issue) => problemsOf(issue, [], { value, schema }));
}

function problemsOf(issue: Issue, prefix: Path, root: Root): ConfigProblem[] {
  const path = [...prefix, ...issue.path.map(String)];
  const value = getAt(root.value, path);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: unknownKey(key, knownKeys(root, path)),
        atKey: true,
      }));
    case "invalid_key":
      return issue.issues.map(({ message }) => ({ path, message, atKey: true }));
    case "invalid_union":
      return unionProblems(issue, path, value, root);
    case "invalid_type":
    case "invalid_value":
    case "too_small":
    case "too_big":
      return [wrongValue(path, value, root)];
    default:
      return [
        {
          path,
          message: `${issue.message}${value === undefined || typeof value === "object" ? "" : ` (found ${shown(value)})`}`,
        },
      ];
  }
}

function wrongValue(path: Path, value: unknown, root: Root): ConfigProblem {
  const leaves = schemasAt(root, path).flatMap((item) => branches(item));
  const expected = [...new Set(leaves.map(describe))].join(" or ");
  if (value === undefined) return { path, message: `missing: expected ${expected}` };
  return { path, message: `expected ${expected}, found ${shown(value)}${hint(value, leaves.flatMap(wordsOf))}` };
}

function unionProblems(
  issue: Extract<Issue, { code: "invalid_union" }>,
  path: Path,
  value: unknown,
  root: Root,
): ConfigProblem[] {
  if (issue.discriminator !== undefined) {
    // zod's path ends in the discriminator already. A branch that needs none counts as `undefined`.
    const options = ((issue as { options?: readonly unknown[] }).options ?? []).filter((option) => option !== undefined);
    const expected = options.map((option) => JSON.stringify(option)).join(" or ");
    if (value === undefined) return [{ path, message: `missing: expected ${expected}` }];
    return [{ path, message: `expected ${expected}, found ${shown(value)}${hint(value, options)}` }];
  }
  const options = [...new Set(schemasAt(root, path).flatMap(unionOptions))];
  const kind = Array.isArray(value) ? "array" : isContainer(value) ? "record" : undefined;
  const same = options.flatMap((option, index) => (option._zod.def.type === kind ? [index] : []));
  // Of a map or a list, where the options are one of each: what is wrong inside it.
  if (same.length === 1)
    return same.flatMap((index) => issue.errors[index] ?? []).flatMap((inner) => problemsOf(inner, path, root));
  const objects = options.map((option, index) => ({ option, index })).filter(({ option }) => option._zod.def.type === "object");
  if (!isContainer(value) || objects.length === 0) return [wrongValue(path, value, root)];
  const chosen = chooseBranch(objects, value);
  if (chosen === undefined) {
    const needed = objects.map(({ option }) => requiredKeys(option).join(", "));
    return [{ path, message: `expected a map with ${needed.join(", or one with ")}; found ${shown(value)}` }];
  }
  return (issue.errors[chosen] ?? []).flatMap((inner) => problemsOf(inner, path, root));
}

/** The one whose own keys (those that not every branch has) are present most. A single branch is always the one. */
function chooseBranch(objects: readonly { option: Schema; index: number }[], value: object): number | undefined {
  const shapes = objects.map(({ option }) => Object.keys(shapeOf(option)));
  const own = (shape: readonly string[]) =>
    shape.filter((key) => !shapes.every((other) => other.includes(key)) && Object.hasOwn(value, key)).length;
  const scores = shapes.map(own);
  const best = Math.max(...scores);
  return best === 0 && objects.length > 1 ? undefined : objects[scores.indexOf(best)]?.index;
}

function unknownKey(key: string, known: readonly string[]): string {
  if (known.includes(key)) return "does not go with the other keys here: it belongs to another kind. Remove one or the other";
  const close = nearest(key, known);
  if (close !== undefined) return `unknown key. Did you mean ${close}?`;
  return `unknown key.${known.length === 0 ? "" : ` There is: ${known.join(", ")}`}`;
}

/** The keys that the schema knows at a path: of every branch, where it is a union. */
function knownKeys(root: Root, path: Path): string[] {
  const objects = schemasAt(root, path)
    .flatMap((item) => branches(item))
    .filter((branch) => branch._zod.def.type === "object");
  return [...new Set(objects.flatMap((branch) => Object.keys(shapeOf(branch))))];
}

/** The schemas of the place at `path`; of a union with a discriminator only the branch that the value there names. */
function schemasAt({ schema, value }: Root, path: Path): Schema[] {
  let at = [schema];
  for (const [index, key] of path.entries()) {
    const here = getAt(value, path.slice(0, index));
    const fits = at
      .flatMap((item) => branches(item, here))
      .filter((branch) => here === undefined || isOfList(branch) === Array.isArray(here));
    at = fits.flatMap((branch) => child(branch, key));
  }
  return at;
}

function isOfList(schema: Schema): boolean {
  return schema._zod.def.type === "array" || schema._zod.def.type === "tuple";
}

function shapeOf(schema: Schema): Readonly<Record<string, Schema>> {
  return (schema as z.core.$ZodObject)._zod.def.shape;
}

function requiredKeys(schema: Schema): string[] {
  return Object.entries(shapeOf(schema))
    .filter(([, item]) => !z.core.safeParse(item, undefined).success)
    .map(([key]) => key);
}

/** A schema without its wrappers: default, optional, transforms. */
function unwrap(schema: Schema): Schema {
  const def = schema._zod.def as { innerType?: Schema; in?: Schema; out?: Schema };
  if (def.innerType !== undefined) return unwrap(def.innerType);
  if (def.in !== undefined && def.out !== undefined) return unwrap(def.in._zod.def.type === "transform" ? def.out : def.in);
  return schema;
}

function unionOptions(schema: Schema): readonly Schema[] {
  const { options } = unwrap(schema)._zod.def as { options?: readonly Schema[] };
  return options === undefined ? [] : options.map(unwrap);
}

/**
 * A schema without wrappers; a union as all of its options, but for one with a discriminator that `value` holds: then as the
 * option of that name.
 */
function branches(schema: Schema, value?: unknown): Schema[] {
  const options = unionOptions(schema);
  if (options.length === 0) return [unwrap(schema)];
  const key = (unwrap(schema)._zod.def as { discriminator?: string }).discriminator;
  const name = key !== undefined && isContainer(value) ? value[key] : undefined;
  const named = options.filter((option) => name !== undefined && option._zod.propValues?.[key as string]?.has(name as string));
  return (named.length > 0 ? named : options).flatMap((option) => branches(option, value));
}

function child(schema: Schema, key: string): Schema[] {
  const def = schema._zod.def as { type: string; valueType?: Schema; items?: readonly Schema[]; element?: Schema };
  const found = def.type === "object" ? shapeOf(schema)[key] : (def.valueType ?? def.items?.[Number(key)] ?? def.element);
  return found === undefined ? [] : [found];
}

interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly prefixItems?: readonly JsonSchema[];
  readonly minItems?: number;
}

function jsonSchemaOf(schema: Schema): JsonSchema {
  return z.toJSONSchema(schema, { io: "input" }) as JsonSchema;
}

/** What a value of this schema is, in words. */
function describe(schema: Schema): string {
  const json = jsonSchemaOf(schema);
  const words = wordsOfJson(json);
  if (words.length > 0) return words.map((word) => JSON.stringify(word)).join(" or ");
  switch (json.type) {
    case "integer":
      return `a whole number${bounds(json)}`;
    case "number":
      return `a number${bounds(json)}`;
    case "string":
      return "a text";
    case "boolean":
      return "true or false";
    case "array":
      return json.prefixItems === undefined
        ? `a list${json.minItems ? ` of at least ${json.minItems}` : ""}`
        : `a list of ${json.prefixItems.length}`;
    default:
      return "a map of keys";
  }
}

function bounds({ minimum, maximum, exclusiveMinimum }: JsonSchema): string {
  // zod bounds whole numbers by the exact range of a double: no news to anybody.
  const low = minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const high = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (exclusiveMinimum !== undefined) return ` above ${exclusiveMinimum}${high === undefined ? "" : `, at most ${high}`}`;
  if (low !== undefined && high !== undefined) return ` from ${low} to ${high}`;
  if (low !== undefined) return ` of at least ${low}`;
  return high === undefined ? "" : ` of at most ${high}`;
}

function wordsOf(schema: Schema): readonly unknown[] {
  return wordsOfJson(jsonSchemaOf(schema));
}

function wordsOfJson(json: JsonSchema): readonly unknown[] {
  return json.enum ?? (json.const === undefined ? [] : [json.const]);
}

/** "Did you mean ...?" for a text that is nearly one of the options. */
export function hint(value: unknown, options: readonly unknown[]): string {
  if (typeof value !== "string") return "";
  const close = nearest(
    value,
    options.filter((item) => typeof item === "string"),
  );
  return close === undefined ? "" : `. Did you mean ${close}?`;
}
