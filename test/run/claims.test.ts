// Which arms a claim compares: those that agree on every axis of the sweep which both sides have.
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import { buildPlan } from "../../src/plan/plan.ts";
import { claimPairs } from "../../src/run/claims.ts";

const head =
  "name: x\npuzzle: {kind: countdown}\nmodel: {architecture: llama, width: 64, layers: 1, heads: 4}\ntrain: {steps: 9, warmupSteps: 1}\ndecode: {greedy: {policy: greedy}, b1: {policy: self-backtrack}}\n";

/** Pairs of a claim as "first < second". */
function pairsOf(sweep: string, compare: string): string[] {
  const config = parseConfig(`${head}sweep: {${sweep}}\nclaims: {c: {compare: [${compare}], expect: {}}}\n`, "x.yaml");
  const plan = buildPlan(config, { flavour: "mock", dtype: "float32" });
  const claim = config.file.claims.c;
  if (claim === undefined) throw new Error("the claim is gone");
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
