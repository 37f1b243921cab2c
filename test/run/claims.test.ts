// Which arms a claim compares: those that agree on every axis of the sweep which both sides have.
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import type { Graded } from "../../src/evaluate/summary.ts";
import { buildPlan } from "../../src/plan/plan.ts";
import { claimPairs, poolClaim } from "../../src/run/claims.ts";

const head =
  "name: x\npuzzle: {kind: countdown}\nmodel: {architecture: llama, width: 64, layers: 1, heads: 4}\ntrain: {steps: 9, warmupSteps: 1}\ndecode: {greedy: {policy: greedy}, b1: {policy: self-backtrack}}\n";

/** A config with one claim `c`, and its plan. */
function sweepOf(sweep: string, compare: string) {
  const config = parseConfig(`${head}sweep: {${sweep}}\nclaims: {c: {compare: [${compare}], expect: {}}}\n`, "x.yaml");
  const claim = config.file.claims.c;
  if (claim === undefined) throw new Error("the claim is gone");
  return { config, claim, plan: buildPlan(config, { flavour: "mock", dtype: "float32" }) };
}

/** Pairs of a claim as "first < second". */
function pairsOf(sweep: string, compare: string): string[] {
  const { config, claim, plan } = sweepOf(sweep, compare);
  return claimPairs("c", claim, config, plan).map(([first, second]) => `${first.reference} < ${second.reference}`);
}

const arms = "arms: {a: {train.epochs: 1}, four: {model.heads: 2}}";

describe("pairs of a claim", () => {
  it("agree on the seed", () => {
    expect(pairsOf(`seeds: 2, ${arms}`, "b1, a/b1")).toEqual([
      "base/seed=42/b1 < a/seed=42/b1",
      "base/seed=43/b1 < a/seed=43/b1",
    ]);
    expect(pairsOf(`seeds: 2, ${arms}`, "b1, greedy")).toEqual([
      "base/seed=42/b1 < base/seed=42/greedy",
      "base/seed=43/b1 < base/seed=43/greedy",
    ]);
  });

  it("agree on all keys of a zip, or on those that the other side has", () => {
    const zip = `zip: {model.width: [64, 128], model.heads: [4, 8]}, ${arms}`;
    expect(pairsOf(zip, "b1, a/b1")).toEqual([
      "base/width=64/heads=4/b1 < a/width=64/heads=4/b1",
      "base/width=128/heads=8/b1 < a/width=128/heads=8/b1",
    ]);
    expect(pairsOf(zip, "b1, four/b1")).toEqual([
      "base/width=64/heads=4/b1 < four/width=64/b1",
      "base/width=128/heads=8/b1 < four/width=128/b1",
    ]);
  });

  it("agree on the point of a list, whichever keys it gives", () => {
    expect(pairsOf(`list: [{train.clip: 2}, {train.steps: 4}, {}], ${arms}`, "b1, a/greedy")).toEqual([
      "base/clip=2/b1 < a/clip=2/greedy",
      "base/steps=4/b1 < a/steps=4/greedy",
      "base/b1 < a/greedy",
    ]);
  });

  it("agree on values that are lists or maps", () => {
    const betas = `grid: {train.betas: [[0.9, 0.98], [0.8, 0.9]]}, ${arms}`;
    expect(pairsOf(betas, "b1, a/b1")).toEqual([
      "base/betas=[0.9,0.98]/b1 < a/betas=[0.9,0.98]/b1",
      "base/betas=[0.8,0.9]/b1 < a/betas=[0.8,0.9]/b1",
    ]);
  });

  it("do without points that were excluded on one side", () => {
    expect(pairsOf(`seeds: 2, ${arms}, exclude: [{arm: a, seed: 42}]`, "b1, a/b1")).toEqual(["base/seed=43/b1 < a/seed=43/b1"]);
    expect(() => pairsOf(`seeds: 2, ${arms}, exclude: [{arm: a, seed: 42}, {arm: base, seed: 43}]`, "b1, a/b1")).toThrow(
      /^claims\.c\.compare: no arm of b1 agrees with one of a\/b1 on all axes of the sweep that both have\./,
    );
  });

  it("are refused where the two are not tested on the same problems", () => {
    expect(() => pairsOf("seeds: 2, arms: {own: {seed: 7}}", "b1, own/b1")).toThrow(
      /base\/seed=42\/b1 and own\/b1 are not tested on the same problems/,
    );
  });
});

describe("a claim over seeds", () => {
  /** A policy that solves the first so many of 100 problems. */
  const solving = (count: number): Graded[] =>
    Array.from({ length: 100 }, (_, index) => ({
      problemId: String(index),
      split: "unseen",
      solved: index < count,
      reached: index < count,
      allUsed: true,
      errorKinds: [],
      tokensGenerated: 1,
    }));
  const poolsOf = (sweep: string, compare: string, graded: Readonly<Record<string, number>>) => {
    const { config, claim, plan } = sweepOf(sweep, compare);
    const byReference = new Map(Object.entries(graded).map(([reference, count]) => [reference, solving(count)]));
    return poolClaim("c", claim, config, plan, byReference);
  };

  it("has one verdict for all, with each seed's difference in it", () => {
    const graded = { "base/seed=1/b1": 50, "base/seed=1/greedy": 40, "base/seed=2/b1": 60, "base/seed=2/greedy": 44 };
    const [pool, ...more] = poolsOf("seeds: [1, 2]", "b1, greedy", graded);
    expect(more).toEqual([]);
    expect(pool).toMatchObject({
      name: "c, all seeds",
      statement: "base/b1 beats base/greedy in accuracy on unseen",
      seeds: [1, 2],
      differences: [0.1, 0.16],
      verdict: "underpowered",
      claims: ["c (base/seed=1 against base/seed=1)", "c (base/seed=2 against base/seed=2)"],
    });
    expect(pool?.difference).toBeCloseTo(0.13, 12);
  });

  it("is told for each point of the other axes", () => {
    const points = ["steps=3", "steps=5"].flatMap((steps) => ["seed=1", "seed=2"].map((seed) => `${steps}/${seed}`));
    const graded = Object.fromEntries(
      points.flatMap((point) => [
        [`base/${point}/b1`, 50],
        [`a/${point}/b1`, 20],
      ]),
    );
    const sweep = "grid: {train.steps: [3, 5]}, seeds: [1, 2], arms: {a: {train.clip: 2}}";
    expect(poolsOf(sweep, "b1, a/b1", graded).map(({ name, seeds }) => [name, seeds])).toEqual([
      ["c, all seeds (base/steps=3/b1 against a/steps=3/b1)", [1, 2]],
      ["c, all seeds (base/steps=5/b1 against a/steps=5/b1)", [1, 2]],
    ]);
  });

  it("waits for all seeds, and needs more than one", () => {
    expect(poolsOf("seeds: [1, 2]", "b1, greedy", { "base/seed=1/b1": 50, "base/seed=1/greedy": 40 })).toEqual([]);
    expect(poolsOf("seeds: [1]", "b1, greedy", { "base/seed=1/b1": 50, "base/seed=1/greedy": 40 })).toEqual([]);
    expect(poolsOf("base: base", "b1, greedy", { "base/b1": 50, "base/greedy": 40 })).toEqual([]);
  });
});
