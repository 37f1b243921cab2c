// What may start, and in which order. Plans are written by hand: a stage is its kind, its name and what it needs.
import { describe, expect, it } from "vitest";
import type { Stage, StageKind } from "../../src/plan/plan.ts";
import { Schedule } from "../../src/run/schedule.ts";

const kinds: readonly StageKind[] = ["problems", "dataset", "train", "decode", "grade"];

function stage(kind: StageKind, name: string, inputs: Record<string, string> = {}, settings = {}): Stage {
  return { id: `${kind} ${name}`, kind, key: `${kind}-${name}`, settings, inputs, arms: [name] };
}

/** Data, training, decoding by two policies and grading of an arm; problems are shared. */
function arm(name: string): Stage[] {
  const train = { train: `train-${name}`, problems: "problems-all" };
  return [
    stage("dataset", name),
    stage("train", name, { dataset: `dataset-${name}` }),
    stage("decode", `${name}/a`, train),
    stage("grade", `${name}/a`, { decode: `decode-${name}/a`, problems: "problems-all" }),
    stage("decode", `${name}/b`, train),
    stage("grade", `${name}/b`, { decode: `decode-${name}/b`, problems: "problems-all" }),
  ];
}

const options = (seconds: Record<string, number> = {}, warmModels = 1) => ({
  seconds: ({ key }: Stage) => seconds[key],
  warmModels,
});

/** The order in which one worker works through a plan. */
function alone(schedule: Schedule): string[] {
  const order: string[] = [];
  for (let next = schedule.take(kinds); next !== undefined; next = schedule.take(kinds)) {
    order.push(next.key);
    schedule.done(next.key);
  }
  return order;
}

describe("the order of a run", () => {
  it("goes deep, arm by arm: a trained model is decoded and graded before the next is trained", () => {
    const plan = [stage("problems", "all"), ...arm("x"), ...arm("y")];
    const order = alone(new Schedule(plan, options())).filter((key) => !/problems|dataset/.test(key));
    expect(order).toEqual([
      ...["train-x", "decode-x/a", "grade-x/a", "decode-x/b", "grade-x/b"],
      ...["train-y", "decode-y/a", "grade-y/a", "decode-y/b", "grade-y/b"],
    ]);
  });

  it("starts the longest way first among equals, and what is equal in the order of the plan", () => {
    const plan = [stage("problems", "all"), ...arm("x"), ...arm("y"), ...arm("z")];
    const schedule = new Schedule(plan, options({ "train-y": 50, "decode-z/b": 20, "train-z": 5 }));
    const order = alone(schedule).filter((key) => key.startsWith("train"));
    expect(order).toEqual(["train-y", "train-z", "train-x"]);
  });

  it("stays with a model that is loaded, even where another has the longer decoding", () => {
    const plan = [stage("problems", "all"), ...arm("x"), ...arm("y")];
    const schedule = new Schedule(plan, options({ "decode-y/a": 90, "decode-y/b": 80 }));
    for (const key of ["problems-all", "dataset-x", "dataset-y", "train-x", "train-y"]) schedule.done(key);
    // train-y ended last, so its model is the one in the worker; then its own other decoding.
    const taken = ["decode", "decode", "decode", "decode"].map(() => schedule.take(["decode"])?.key);
    expect(taken).toEqual(["decode-y/a", "decode-y/b", "decode-x/a", "decode-x/b"]);
    const reversed = new Schedule(plan, options({ "decode-y/a": 90, "decode-y/b": 80 }));
    for (const key of ["problems-all", "dataset-x", "dataset-y", "train-y", "train-x"]) reversed.done(key);
    expect(reversed.take(["decode"])?.key).toBe("decode-x/a");
    expect(reversed.take(["decode"])?.key).toBe("decode-x/b");
  });

  it("keeps the decodings of one published model together", () => {
    const model = { from: "hub/model" };
    const plan = [
      stage("problems", "all"),
      ...["p", "q", "r"].map((name, index) =>
        stage("decode", name, { problems: "problems-all" }, { model: index === 1 ? { from: "another" } : model, policy: name }),
      ),
    ];
    const schedule = new Schedule(plan, options());
    expect(alone(schedule)).toEqual(["problems-all", "decode-p", "decode-r", "decode-q"]);
  });

  it("hands out only the kinds that are asked for, each stage once", () => {
    const plan = [stage("problems", "all"), ...arm("x")];
    const schedule = new Schedule(plan, options());
    expect(schedule.take(["train", "decode", "grade"])).toBeUndefined();
    expect(schedule.take(["problems"])?.key).toBe("problems-all");
    expect(schedule.take(["problems"])).toBeUndefined();
    expect(schedule.waiting).toBe(6);
  });
});

describe("what is done and what fails", () => {
  it("counts finished stages as done in any order, and inputs that are not in the plan too", () => {
    const plan = arm("x").slice(1);
    const schedule = new Schedule(plan, options());
    schedule.done("decode-x/a");
    schedule.done("train-x");
    expect(alone(schedule)).toEqual(["grade-x/a", "decode-x/b", "grade-x/b"]);
    expect(schedule.waiting).toBe(0);
  });

  it("gives up all that needs a failed stage, once, and nothing else", () => {
    const plan = [stage("problems", "all"), ...arm("x"), ...arm("y")];
    const schedule = new Schedule(plan, options());
    schedule.done("problems-all");
    schedule.done("dataset-x");
    expect(schedule.take(["train"])?.key).toBe("train-x");
    expect(schedule.failed("train-x").map(({ key }) => key)).toEqual(["decode-x/a", "grade-x/a", "decode-x/b", "grade-x/b"]);
    expect(schedule.failed("train-x")).toEqual([]);
    expect(alone(schedule).every((key) => key.endsWith("y") || key.includes("y/"))).toBe(true);
    expect(schedule.waiting).toBe(0);
  });
});
