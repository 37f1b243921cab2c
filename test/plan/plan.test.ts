// Keys: the same settings give the same key, any setting that changes bytes gives another, and nothing else does.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import type { ResolvedConfig } from "../../src/config/resolve.ts";
import type { Json } from "../../src/lib/hash.ts";
import { buildPlan, type Plan, type PlanEnvironment } from "../../src/plan/plan.ts";

const cpu: PlanEnvironment = { flavour: "torch", dtype: "float32" };
const text = `name: x
puzzle: {kind: countdown}
data: {train: {size: 100}, test: {seen: 5, unseen: 5, dev: 2}}
model: {architecture: llama, width: 64, layers: 1, heads: 4, keyValueHeads: 2, mlp: 8}
train: {steps: 10, batch: {examples: 4, microBatch: 2}}
decode:
  greedy: {policy: greedy, maxNewTokens: 5}
  best: {policy: best-of-n, samples: 4}
  b1: {policy: self-backtrack, samples: 16}
`;
const config = (...sets: string[]) => parseConfig(text, "x.yaml", sets);
const planOf = (...sets: string[]) => buildPlan(config(...sets), cpu);
const keysOf = (plan: Plan) => plan.stages.map((stage) => stage.key);
/** Ids of the stages of `b` that `a` has not. */
const news = (a: Plan, b: Plan) => b.stages.filter((stage) => !keysOf(a).includes(stage.key)).map((stage) => stage.id);

describe("the graph", () => {
  const sweep = planOf("sweep={arms: {direct: {data.train.backtrackShare: 0}, more: {decode.b1.samples: 32}}}");

  it("lists every stage once, inputs before what needs them", () => {
    expect(new Set(keysOf(sweep)).size).toBe(sweep.stages.length);
    expect(new Set(sweep.stages.map((stage) => stage.id)).size).toBe(sweep.stages.length);
    const done = new Set<string>();
    for (const stage of sweep.stages) {
      for (const input of Object.values(stage.inputs)) expect(done).toContain(input);
      done.add(stage.key);
    }
  });

  it("arms share what they have in common", () => {
    expect(sweep.stages.filter((stage) => stage.kind === "problems").map((stage) => stage.arms)).toEqual([
      ["base", "direct", "more"],
    ]);
    expect(sweep.stages.filter((stage) => stage.kind === "train").map((stage) => stage.arms)).toEqual([
      ["base", "more"],
      ["direct"],
    ]);
    const [base, direct, more] = sweep.arms;
    expect(more?.train).toBe(base?.train);
    expect(more?.decode.greedy).toBe(base?.decode.greedy);
    expect(more?.decode.b1).not.toBe(base?.decode.b1);
    expect(direct?.problems).toBe(base?.problems);
    expect(direct?.decode.greedy).not.toBe(base?.decode.greedy);
  });

  it("every stage that an arm names is there, and runs under a policy of the first arm that uses it", () => {
    const shared = planOf("sweep={arms: {renamed: {decode.b1: null, decode.other: {policy: self-backtrack, samples: 16}}}}");
    expect(shared.arms[1]?.decode.other).toBe(shared.arms[0]?.decode.b1);
    for (const arm of shared.arms) {
      for (const key of [arm.problems, arm.dataset, arm.train, ...Object.values(arm.decode), ...Object.values(arm.grade)])
        expect(keysOf(shared)).toContain(key);
    }
    for (const stage of shared.stages) {
      const first = shared.arms.find((arm) => stage.arms.includes(arm.name));
      if (stage.kind === "decode") expect(first?.decode[stage.policy as string]).toBe(stage.key);
      if (stage.kind === "grade") expect(first?.grade[stage.policy as string]).toBe(stage.key);
    }
  });

  it("without training there is neither dataset nor train stage", () => {
    const plan = planOf("train=null", "model={from: owner/model}");
    expect(new Set(plan.stages.map((stage) => stage.kind))).toEqual(new Set(["problems", "decode", "grade"]));
    expect(plan.arms[0]).not.toHaveProperty("train");
  });
});

describe("keys", () => {
  it("of strict decoding hold the threads of a worker, others do not", () => {
    const strict = planOf("decode.b1.strict=true");
    const more = planOf("decode.b1.strict=true", "workers.threads=2");
    expect(news(strict, more)).toEqual(["decode base/b1", "grade base/b1"]);
  });

  it.each([
    ["workers.count=3"],
    ["workers.threads=2"],
    ["store=elsewhere"],
    ["name=other"],
    ["description=words"],
    ["claims={a: {compare: [b1, greedy], expect: {}}}"],
    ["train.checkpointEvery=7"],
    ["train.epochs=9"],
    ["model.dtype=fp32"],
    ["seed=42"],
    ["decode.b1.engine=auto"],
    ["decode.b1.strict=false"],
  ])("%s changes none", (set) => {
    expect(keysOf(planOf(set))).toEqual(keysOf(planOf()));
  });

  it.each([
    ["decode.b1.temperature=0.9", ["decode base/b1", "grade base/b1"]],
    ["decode.greedy.engine=continuous", ["decode base/greedy", "grade base/greedy"]],
    ["decode.b1.strict=true", ["decode base/b1", "grade base/b1"]],
    ["grade.useAllNumbers=true", ["grade base/greedy", "grade base/best", "grade base/b1"]],
    [
      "data.train.size=101",
      [
        "data base",
        "train base",
        "decode base/greedy",
        "grade base/greedy",
        "decode base/best",
        "grade base/best",
        "decode base/b1",
        "grade base/b1",
      ],
    ],
    [
      "data.test.dev=3",
      [
        "problems base",
        "decode base/greedy",
        "grade base/greedy",
        "decode base/best",
        "grade base/best",
        "decode base/b1",
        "grade base/b1",
      ],
    ],
    [
      "train.learningRate=0.5",
      [
        "train base",
        "decode base/greedy",
        "grade base/greedy",
        "decode base/best",
        "grade base/best",
        "decode base/b1",
        "grade base/b1",
      ],
    ],
  ])("%s changes its stage and what follows from it, and nothing else", (set, expected) => {
    expect(news(planOf(), planOf(set))).toEqual(expected);
  });

  it("each setting of an arm is in some key, but for those that change no bytes", () => {
    const base = config();
    const before = new Set(keysOf(buildPlan(base, cpu)));
    const silent = leavesOf(base.arms[0]?.settings as Json).filter((path) =>
      keysOf(buildPlan(changed(base, path), cpu)).every((key) => before.has(key)),
    );
    expect(silent.map((path) => path.join("."))).toEqual(["train.epochs", "train.checkpointEvery"]);
  });

  it("do not depend on the order of keys", () => {
    const settings = config().arms[0]?.settings as Json;
    const keys = keysOf(planOf());
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (order) => {
        const base = config();
        const shuffled = {
          ...base,
          arms: [{ ...base.arms[0], settings: reordered(settings, order) }],
        } as unknown as ResolvedConfig;
        // Policies come in the order of the file; only the set of keys is promised.
        expect(new Set(keysOf(buildPlan(shuffled, cpu)))).toEqual(new Set(keys));
      }),
      { numRuns: 50 },
    );
  });

  it("follow flavour, dtype and the mock's settings in train and decode alone", () => {
    const kinds = (environment: PlanEnvironment) => {
      const other = buildPlan(config(), environment);
      return new Set(other.stages.filter((stage) => !keysOf(planOf()).includes(stage.key)).map((stage) => stage.kind));
    };
    const tensors = new Set(["train", "decode", "grade"]);
    expect(kinds({ flavour: "mock", dtype: "float32" })).toEqual(tensors);
    expect(kinds({ flavour: "torch", dtype: "bfloat16" })).toEqual(tensors);
    const mock = (noise: number) => keysOf(buildPlan(config(), { flavour: "mock", dtype: "float32", mock: { noise } }));
    expect(mock(1)).not.toEqual(mock(2));
  });

  it("know a published model by its content, not by its path", () => {
    const at = (path: string, content: string) =>
      keysOf(buildPlan(config("train=null", `model={from: ${path}}`), { ...cpu, external: { [path]: content } }));
    expect(at("./here", "abc")).toEqual(at("./there", "abc"));
    expect(at("./here", "abc")).not.toEqual(at("./here", "abd"));
  });

  it("take the grader's setting into the decoding that asks it", () => {
    const set = "decode.best.select=oracle";
    expect(news(planOf(set), planOf(set, "grade.useAllNumbers=true"))).toContain("decode base/best");
  });
});

it("plans the full example of the design: 12 arms, one model per share and seed", () => {
  const design = readFileSync(new URL("../config/design.yaml", import.meta.url), "utf8");
  const plan = buildPlan(parseConfig(design, "design.yaml"), { flavour: "torch", dtype: "bfloat16" });
  const count = (kind: string) => plan.stages.filter((stage) => stage.kind === kind).length;
  expect({
    problems: count("problems"),
    dataset: count("dataset"),
    train: count("train"),
    decode: count("decode"),
    grade: count("grade"),
  }).toEqual({
    problems: 3,
    dataset: 12,
    train: 12,
    decode: 36,
    grade: 36,
  });
});

type Path = readonly (string | number)[];

function leavesOf(value: Json, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([key, item]) => leavesOf(item as Json, [...path, key]));
}

/** The config with one leaf of its arm changed to another value of its type. */
function changed(base: ResolvedConfig, path: Path): ResolvedConfig {
  const settings = structuredClone(base.arms[0]?.settings) as unknown as Record<string, unknown>;
  const parent = path.slice(0, -1).reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, settings);
  const last = path.at(-1) as string;
  const value = parent[last];
  parent[last] = typeof value === "number" ? value + 1 : typeof value === "boolean" ? !value : `${value}x`;
  // `auto` is no longer auto: any other text stands for itself.
  return { ...base, arms: [{ name: "base", coordinates: {}, settings }] } as unknown as ResolvedConfig;
}

function reordered(value: Json, order: Iterator<number>): Json {
  if (Array.isArray(value)) return value.map((item: Json) => reordered(item, order));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(
    ([key, item]) => [order.next().value as number, key, reordered(item as Json, order)] as const,
  );
  return Object.fromEntries(entries.sort(([a], [b]) => a - b).map(([, key, item]) => [key, item]));
}
