// Why a stage has to be made: the nearest earlier one, and what differs from it, down to the root.
import { describe, expect, it } from "vitest";
import { codeVersions } from "../../src/plan/codeVersions.ts";
import { differenceText, type EarlierStage, History } from "../../src/plan/difference.ts";
import type { Plan, Stage } from "../../src/plan/plan.ts";
import { madeOf, ofVersion, planOf, stageOf } from "./plans.ts";

/** All that differs between a stage and the nearest earlier one, as texts. */
function why(stage: Stage, plan: Plan, earlier: readonly EarlierStage[]): string[] {
  const history = new History(plan.stages, earlier);
  const nearest = history.nearest(stage);
  return nearest === undefined ? ["never made"] : history.differences(stage, nearest).map(differenceText);
}

describe("differences", () => {
  const before = madeOf(planOf());

  it.each([
    ["decode.b1.temperature=0.9", "decode base/b1", ["decode.b1.temperature 0.7 -> 0.9"]],
    ["decode.b1.temperature=0.9", "grade base/b1", ["its decode differs: decode.b1.temperature 0.7 -> 0.9"]],
    ["data.train.size=200", "data base", ["data.train.size 100 -> 200"]],
    ["data.train.size=200", "train base", ["its dataset differs: data.train.size 100 -> 200"]],
    ["data.train.size=200", "grade base/greedy", ["its dataset differs: data.train.size 100 -> 200"]],
    ["data.test.dev=3", "problems base", ["data.test.dev 2 -> 3"]],
    [
      "data.test.sets={constructor: {size: 3}}",
      "problems base",
      ['data.test.sets.constructor absent -> {"puzzle":{},"size":3}'],
    ],
    ["data.test.dev=3", "decode base/greedy", ["its problems differ: data.test.dev 2 -> 3"]],
    ["grade.useAllNumbers=true", "grade base/greedy", ["grade.useAllNumbers false -> true"]],
    [
      "model.dtype=bf16",
      "decode base/greedy",
      ['model.dtype "float32" -> "bfloat16"', 'its train differs: model.dtype "float32" -> "bfloat16"'],
    ],
    ["train.lora={rank: 4}", "train base", ['train.lora absent -> {"rank":4}']],
  ])("%s: %s", (set, id, expected) => {
    const plan = planOf(set);
    expect(why(stageOf(plan, id), plan, before)).toEqual(expected);
  });

  it("lists each difference once, own settings first, near inputs before far ones", () => {
    const plan = planOf("seed=7", "data.train.size=200", "decode.greedy.maxNewTokens=6");
    expect(why(stageOf(plan, "grade base/greedy"), plan, before)).toEqual([
      "its decode differs: decode.greedy.maxNewTokens 5 -> 6",
      "its decode differs: seed 42 -> 7",
      "its problems differ: seed 42 -> 7",
      "its train differs: seed 42 -> 7",
      "its dataset differs: seed 42 -> 7",
      "its dataset differs: data.train.size 100 -> 200",
    ]);
  });

  it("tells a raised code version, with both numbers, also in an input", () => {
    const old = codeVersions.train - 1;
    const plan = planOf();
    const [problems, dataset, train, ...rest] = before;
    if (problems === undefined || dataset === undefined || train === undefined) throw new Error("a plan begins with these");
    const oldTrain = ofVersion(train, old);
    const decode = rest.find(({ key }) => key === stageOf(plan, "decode base/b1").key);
    if (decode === undefined) throw new Error("no decode");
    const oldDecode = ofVersion({ ...decode, inputs: { ...decode.inputs, train: oldTrain.key } }, codeVersions.decode);
    const earlier = [problems, dataset, oldTrain, oldDecode];
    expect(why(stageOf(plan, "train base"), plan, earlier)).toEqual([`code version ${old} -> ${codeVersions.train}`]);
    expect(why(stageOf(plan, "decode base/b1"), plan, earlier)).toEqual([
      `its train differs: code version ${old} -> ${codeVersions.train}`,
    ]);
    const strange = { ...train, key: "f".repeat(64) };
    expect(why(stageOf(plan, "train base"), plan, [strange])).toEqual([
      `code version of an earlier release -> ${codeVersions.train}`,
    ]);
  });

  it("says when the earlier input is in the store no more", () => {
    const plan = planOf("data.train.size=200");
    const withoutData = before.filter(({ kind }) => kind !== "dataset");
    const gone = before.find(({ kind }) => kind === "dataset")?.key.slice(0, 12);
    expect(why(stageOf(plan, "train base"), plan, withoutData)).toEqual([
      `input dataset differs, and the earlier one (${gone}) is in the store no more`,
    ]);
  });

  it("tells an input that only one of them has", () => {
    const plan = planOf("train=null", "model={from: owner/model}");
    const texts = why(stageOf(plan, "decode base/greedy"), plan, before);
    expect(texts.filter((text) => text.startsWith("model absent -> {"))).toHaveLength(1);
    expect(texts.filter((text) => text.startsWith("input train "))).toHaveLength(1);
  });

  it("reads a grade that does not name its problems, as earlier releases left it", () => {
    const earlier = before.map((made) => {
      const { problems: _, ...inputs } = made.inputs;
      return made.kind === "grade" ? { ...made, inputs } : made;
    });
    const plan = planOf("data.test.dev=3");
    expect(why(stageOf(plan, "grade base/greedy"), plan, earlier)).toEqual(["its problems differ: data.test.dev 2 -> 3"]);
  });

  it("cuts long values, and tells those apart that are alike at both ends", () => {
    const stage = (middle: string): Stage => {
      const settings = { puzzle: { words: `${"a".repeat(60)}${middle}${"z".repeat(60)}` } };
      return { id: "p", kind: "problems", key: middle, settings, inputs: {}, arms: [] };
    };
    const earlier = { ...stage("one"), startedAt: "" };
    const [text = ""] = why(stage("two"), { ...planOf(), stages: [stage("two")] }, [earlier]);
    expect(text).toMatch(/^puzzle\.words "a+\.\.\.z+" -> "a+\.\.\.z+"$/);
    expect(text.length).toBeLessThan(160);
  });
});

describe("the nearest earlier stage", () => {
  it("shares most settings, those of its inputs counted", () => {
    // Grades of every arm have the same settings of their own: only their inputs tell them apart.
    const far = madeOf(planOf("data.train.size=300", "model.width=128"));
    const near = madeOf(planOf("data.train.size=300"));
    const plan = planOf();
    const stage = stageOf(plan, "grade base/b1");
    const expected = near.find(
      ({ kind, inputs }) => kind === "grade" && inputs.decode === stageOf(planOf("data.train.size=300"), "decode base/b1").key,
    );
    for (const earlier of [
      [...far, ...near],
      [...near, ...far],
    ])
      expect(new History(plan.stages, earlier).nearest(stage)?.key).toBe(expected?.key);
  });

  it("is the latest of several that are equally near, and never the stage itself", () => {
    const old = madeOf(planOf("seed=1"), "2026-01-01T00:00:00.000Z");
    const late = madeOf(planOf("seed=2"), "2026-02-01T00:00:00.000Z");
    const plan = planOf("seed=3");
    const stage = stageOf(plan, "data base");
    const history = new History(plan.stages, [...late, ...old, ...madeOf(plan, "2026-03-01T00:00:00.000Z")]);
    expect(history.nearest(stage)?.settings).toMatchObject({ seed: 2 });
    expect(new History(plan.stages, madeOf(plan)).nearest(stage)).toBeUndefined();
  });
});
