// The README's reference of the config against the schema: every key is there, with its default where that is a plain value.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { configJsonSchema } from "../../src/config/jsonSchema.ts";

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly items?: Node;
  readonly additionalProperties?: Node | boolean;
  readonly default?: unknown;
}

/** Every key of the schema by its last name, with the defaults that it has in one place or another. */
function keysOf(node: Node, found = new Map<string, Set<string>>()): Map<string, Set<string>> {
  for (const [key, inner] of Object.entries(node.properties ?? {})) {
    const defaults = found.get(key) ?? new Set();
    const { default: value } = inner;
    if (typeof value === "number" || (typeof value === "string" && value !== "")) defaults.add(String(value));
    found.set(key, defaults);
    keysOf(inner, found);
  }
  const { anyOf = [], oneOf = [], items, additionalProperties } = node;
  for (const inner of [...anyOf, ...oneOf, items, additionalProperties]) if (typeof inner === "object") keysOf(inner, found);
  return found;
}

const readme = readFileSync(join(import.meta.dirname, "..", "..", "README.md"), "utf8");
const section = readme.slice(readme.indexOf("\n## The config\n"), readme.indexOf("\n## On a GPU server\n"));
const keys = keysOf(configJsonSchema() as Node);

it("every key of a config is in the README's reference", () => {
  const words = new Set([...section.matchAll(/`([^`]*)`/g)].flatMap(([, code = ""]) => code.split(/[^A-Za-z0-9]+/)));
  expect(keys.size).toBeGreaterThan(80);
  expect([...keys.keys()].filter((key) => !words.has(key))).toEqual([]);
});

it("every default that is a number or a word is there too, in the row of its key", () => {
  const rows = section.split(/\n(?=\|)|\n\n/);
  // Told in words, or the only value there is.
  const inWords = new Set(["learningRate", "epsilon", "method", "metric", "base"]);
  const missing = [...keys].flatMap(([key, defaults]) => {
    const row = rows.filter((line) => new RegExp(`\`[^\`]*\\b${key}\\b[^\`]*\``).test(line)).join("\n");
    return [...defaults].flatMap((value) => (inWords.has(key) || row.includes(value) ? [] : [`${key} ${value}`]));
  });
  expect(missing).toEqual([]);
});
