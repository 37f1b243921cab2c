// Times of earlier stages, scaled to stages that are to come.
import { describe, expect, it } from "vitest";
import { PastTimes, type TimedStage } from "../../src/plan/pastTime.ts";
import { madeOf, ofVersion, planOf, stageOf } from "./plans.ts";

const machine = { cpu: "A", device: "cpu" };
const taking = (seconds: number, ...sets: string[]): TimedStage[] =>
  madeOf(planOf(...sets)).map((made) => ({ ...made, seconds, machine: { ...machine, host: "h" } }));
const expected = (earlier: readonly TimedStage[], id: string, ...sets: string[]) => {
  const plan = planOf(...sets);
  return new PastTimes(plan.stages, earlier, machine).seconds(stageOf(plan, id));
};

describe("PastTimes", () => {
  it.each([
    // 100 -> 300 examples, 10 -> 25 steps, 12 -> 24 problems.
    ["data base", "data.train.size=300", 30],
    ["train base", "train.steps=25", 25],
    ["problems base", "data.test.seen=17", 20],
    ["decode base/b1", "data.test.seen=17", 20],
    ["grade base/greedy", "data.test.seen=17", 20],
    // 10 steps of 4 examples against 3 epochs of 100.
    ["train base", "train={epochs: 3, batch: {examples: 4}}", 75],
  ])("%s with %s", (id, set, seconds) => {
    expect(expected(taking(10), id, set)).toBeCloseTo(seconds, 9);
  });

  it.each([["seed=5"], ["train.learningRate=0.5"], ["data.train.backtrackShare=0.1"], ["train.steps=11"]])(
    "%s leaves a decoding as it was",
    (set) => {
      expect(expected(taking(10), "decode base/b1", set)).toBe(10);
    },
  );

  it.each([
    ["train base", "model.width=128"],
    ["train base", "train.batch.examples=8"],
    ["decode base/b1", "decode.b1.samples=4"],
    ["decode base/b1", "model.layers=2"],
    ["data base", "puzzle.numbers=3"],
  ])("%s with %s: no stage like it was made", (id, set) => {
    expect(expected(taking(10), id, set)).toBeUndefined();
  });

  it("takes the median of several", () => {
    const earlier = [...taking(10, "seed=1"), ...taking(1000, "seed=2"), ...taking(12, "seed=3")];
    expect(expected(earlier, "data base", "seed=4")).toBe(12);
  });

  it("leaves out other machines, other code and times that are none", () => {
    const [first] = taking(10);
    if (first === undefined) throw new Error("no stage");
    const at = (change: Partial<TimedStage>) => expected([{ ...first, ...change }], "problems base");
    expect(at({})).toBe(10);
    expect(at({ machine: { cpu: "B", device: "cpu" } })).toBeUndefined();
    expect(at({ machine: { cpu: "A", device: "NVIDIA H200" } })).toBeUndefined();
    expect(at({ seconds: -3 })).toBeUndefined();
    expect(at({ key: ofVersion(first, 0).key })).toBeUndefined();
  });
});
