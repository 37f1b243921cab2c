// The schema that editors read: it underlines what the config's reader refuses, and nothing else.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { configJsonSchema } from "../../src/config/jsonSchema.ts";
import { schemaErrors } from "./jsonSchemaErrors.ts";

const schema = configJsonSchema();
const head = { name: "x", puzzle: { kind: "countdown" }, model: { from: "a/b" }, decode: { greedy: { policy: "greedy" } } };
const errors = (more: object) => schemaErrors(schema, { ...head, ...more });
const folder = new URL("../../configs/", import.meta.url);
const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".yaml"));

it("is draft 2020-12 with a title", () => {
  expect(schema).toMatchObject({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Backtrail sweep",
    additionalProperties: false,
  });
});

// Files that describe data alone lack the rest of a sweep, and editors are told of sweeps only.
it.each([...files, "../test/config/design.yaml"])("underlines nothing in configs/%s", (name) => {
  const config = parse(readFileSync(new URL(name, folder), "utf8"));
  expect(schemaErrors(schema, name.startsWith("data/") ? { ...head, ...config } : config)).toEqual([]);
});

describe("what is written otherwise than it is read", () => {
  it.each([
    { puzzle: { module: "./mine.ts", size: 6 } },
    { data: { train: { format: { module: "./mine.ts" }, solver: "bfs" } } },
    { data: { train: { format: { module: "./mine.ts", name: "long" }, size: 5 } } },
    { data: { train: { size: 5, backtrackShare: 0.2 } } },
    { data: { train: { format: "sos", solver: "dfs" } } },
    { data: { train: { format: "sos", solver: { kind: "beam", width: 3 } } } },
    { data: { train: { format: "sos", solver: ["dfs", { kind: "beam", width: 3 }] } } },
    { model: { from: "a/b", dtype: "bf16" } },
  ])("accepts %j", (more) => {
    expect(errors(more)).toEqual([]);
  });

  it.each([
    [{ puzzle: { size: 6 } }, /^\.puzzle/],
    [{ data: { train: { format: { name: "long" } } } }, /^\.data\.train\.format: lacks module/],
    [{ data: { train: { format: "module", module: "./mine.ts" } } }, /^\.data\.train/],
    [{ data: { train: { sise: 1 } } }, /^\.data\.train\.sise: unknown key/],
    [{ data: { train: { format: "sos", solver: "dsf" } } }, /^\.data\.train\.solver: /],
    [{ data: { train: { format: "sos", solver: [] } } }, /^\.data\.train\.solver/],
  ])("refuses %j", (more, expected) => {
    expect(errors(more)[0]).toMatch(expected);
  });
});

describe("sweeps", () => {
  it.each([
    { grid: { seed: [1, 2] } },
    { zip: { "model.width": [64, 128], "model.heads": [2, 4] } },
    { zip: [{ seed: [1, 2] }, { "train.steps": [3] }] },
    { list: [{ "train.steps": 3 }, { "train.steps": 5, "decode.b1": null }] },
    { seeds: 3 },
    { seeds: [1, 5] },
    { exclude: [{ arm: "base", seed: 3 }] },
  ])("accepts %j", (sweep) => {
    expect(errors({ sweep })).toEqual([]);
  });

  it.each([
    [{ zip: { seed: 1 } }, /^\.sweep\.zip/],
    [{ zip: [{ seed: [] }] }, /^\.sweep\.zip/],
    [{ list: { seed: 1 } }, /^\.sweep\.list: no array$/],
    [{ seeds: 0 }, /^\.sweep\.seeds: not above 0$/],
    [{ seeds: [-1] }, /^\.sweep\.seeds/],
    [{ excludes: [] }, /^\.sweep\.excludes: unknown key$/],
  ])("refuses %j", (sweep, expected) => {
    expect(errors({ sweep })[0]).toMatch(expected);
  });

  it("says of every key what it does", () => {
    const { properties } = (schema as { properties: { sweep: { properties: Record<string, { description?: string }> } } })
      .properties.sweep;
    const silent = Object.entries(properties).filter(([, { description = "" }]) => description.length < 20);
    expect(Object.keys(properties)).toEqual(["base", "arms", "grid", "zip", "list", "seeds", "exclude"]);
    expect(silent).toEqual([]);
  });
});
