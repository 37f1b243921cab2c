// The config's JSON Schema, for editors: made from the zod schema, so it cannot drift.
import { z } from "zod";
import type { Json } from "../lib/hash.ts";
import { configFile } from "./schema.ts";

type Node = z.core.JSONSchema.BaseSchema;

/** Draft 2020-12, of the file as it is written (defaults may be left out). */
export function configJsonSchema(): Json {
  const schema = z.toJSONSchema(configFile, { io: "input" });
  asWritten(schema);
  return { ...(schema as Record<string, Json>), title: "Backtrail sweep" };
}

/** Mends every node of a schema in place. */
function asWritten(value: unknown): void {
  if (Array.isArray(value)) value.forEach(asWritten);
  if (!isNode(value)) return;
  if (isNode(value.properties)) mend(value, value.properties);
  Object.values(value).forEach(asWritten);
}

/**
 * What is read before the zod schema sees it (z.preprocess), as people write it: modules by their path, the usual format left
 * out, one solver in place of a list, a solver's name in place of its settings.
 */
function mend(node: Node, properties: NonNullable<Node["properties"]>): void {
  const { required = [] } = node;
  const optional = (key: string) => {
    node.required = required.filter((name) => name !== key);
  };
  if (isNode(properties.solver)) properties.solver = oneOrMore(properties.solver);
  if (constOf(properties.kind) === "module") {
    delete properties.kind;
    optional("kind");
  }
  if (constOf(properties.format) === "self-backtracking") optional("format");
  if (constOf(properties.format) === "module") {
    const { module = {}, name = {} } = properties;
    properties.format = { type: "object", properties: { module, name }, required: ["module"], additionalProperties: false };
    delete properties.module;
    delete properties.name;
    optional("module");
  }
}

/** A list of solvers as a solver, its name, or a list of either. */
function oneOrMore(list: Node): z.core.JSONSchema.JSONSchema {
  const { type: _, items, minItems = 1, ...rest } = list;
  const solvers = isNode(items) ? (items.oneOf ?? []) : [];
  const kinds = solvers.flatMap((solver) => (isNode(solver) ? [constOf(solver.properties?.kind)] : []));
  const names = { type: "string" as const, enum: kinds.filter((kind) => typeof kind === "string") };
  const anyOf = [...solvers, names];
  return { ...rest, anyOf: [...anyOf, { type: "array", minItems, items: { anyOf } }] };
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function constOf(value: unknown): unknown {
  return isNode(value) ? value.const : undefined;
}
