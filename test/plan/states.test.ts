// What a run would do with each stage, given what the store holds.
import { describe, expect, it } from "vitest";
import { stageStates } from "../../src/plan/states.ts";
import { madeOf, planOf, stageOf } from "./plans.ts";

const nothing = { damaged: new Map<string, string>(), begun: new Set<string>() };
const plan = planOf();
const made = madeOf(plan);
const tell = (states: ReturnType<typeof stageStates>) =>
  states.map(({ stage, state, why }) => `${stage.id}: ${state} ${why}`.trim());

describe("stageStates", () => {
  it("finds nothing in an empty store", () => {
    expect(new Set(tell(stageStates(plan, { made: [], ...nothing })).map((line) => line.replace(/^.*: /, "")))).toEqual(
      new Set(["to do never made"]),
    );
  });

  it("finds all that was made, and tells no reason for it", () => {
    const states = stageStates(plan, { made, ...nothing });
    expect(states.map(({ stage }) => stage)).toEqual(plan.stages);
    expect(new Set(states.map(({ state, why }) => `${state}${why}`))).toEqual(new Set(["cached"]));
  });

  it("calls a stage stale when its input came out different since, and no stage beyond", () => {
    const train = stageOf(plan, "train base").key;
    const again = made.map((artefact) => (artefact.key === train ? { ...artefact, digest: "e".repeat(64) } : artefact));
    const stale = stageStates(plan, { made: again, ...nothing }).filter(({ state }) => state !== "cached");
    expect(stale.map(({ stage, state }) => `${stage.id}: ${state}`)).toEqual([
      "decode base/greedy: stale",
      "decode base/b1: stale",
    ]);
    expect(stale[0]?.why).toMatch(
      /^made from another train \(its contents were [0-9a-f]{12}, now they are eeeeeeeeeeee\): a run makes it anew$/,
    );
  });

  it("does not call a stage stale whose input is gone: nobody knows what it would come out as", () => {
    const withoutData = made.filter(({ kind }) => kind !== "dataset");
    const states = stageStates(plan, { made: withoutData, ...nothing });
    expect(tell(states).filter((line) => !line.endsWith(": cached"))).toEqual(["data base: to do never made"]);
  });

  it("tells what was begun and what is damaged", () => {
    const [data, train] = [stageOf(plan, "data base").key, stageOf(plan, "train base").key];
    const states = stageStates(plan, {
      made: made.filter(({ key }) => key !== train),
      damaged: new Map([[data, "x.jsonl: is gone"]]),
      begun: new Set([train]),
    });
    expect(tell(states).slice(1, 3)).toEqual(["data base: damaged x.jsonl: is gone", "train base: begun never made"]);
  });
});
