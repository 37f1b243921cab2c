import { describe, expect, test } from "vitest";
import { judge, powerBefore } from "../../src/evaluate/claims.ts";
import { pairsNeeded, tango } from "../../src/lib/stats.ts";
import { claim, paired } from "./helpers.ts";

const verdict = (onlyFirst: number, onlySecond: number, n: number, expected: object = {}) =>
  judge(claim(expected), paired(onlyFirst, onlySecond, n)).verdict;

describe("judge", () => {
  test("supported: the interval lies above the margin", () => {
    expect(verdict(100, 40, 500)).toBe("supported");
    expect(verdict(100, 40, 500, { margin: 0.05 })).toBe("supported");
    expect(verdict(100, 40, 500, { margin: 0.1 })).not.toBe("supported");
  });

  test("refuted: the interval lies at or below the margin", () => {
    expect(verdict(40, 100, 500)).toBe("refuted");
    expect(verdict(100, 40, 500, { margin: 0.4 })).toBe("refuted");
  });

  test("undecided with too few problems is underpowered, with enough inconclusive", () => {
    // Discordance 0.4, effect 0.05: 1,254 problems.
    expect(pairsNeeded(0.05, 0, 0.4)).toBe(1254);
    expect(judge(claim(), paired(103, 97, 500))).toMatchObject({ verdict: "underpowered", needed: 1254, discordance: 0.4 });
    expect(verdict(410, 390, 2000)).toBe("inconclusive");
    // Few discordant pairs decide more: 10 in 500 are enough to look for five points.
    expect(verdict(6, 4, 500)).toBe("inconclusive");
  });

  test("the effect decides what counts as too few", () => {
    expect(verdict(103, 97, 500, { effect: 0.2 })).toBe("inconclusive");
    expect(verdict(410, 390, 2000, { effect: 0.01 })).toBe("underpowered");
  });

  test("at margin 0 the interval alone does not support what the exact test leaves open", () => {
    // 7 against 1: exact p = 0.0703, though the score interval excludes 0. 6 against 0: p = 0.0313.
    expect(tango(7, 1, 21)[0]).toBeGreaterThan(0);
    expect(verdict(7, 1, 21)).toBe("underpowered");
    expect(verdict(6, 0, 21)).toBe("supported");
  });

  test("no problems decide nothing", () => {
    expect(judge(claim(), { ...paired(0, 0, 1), n: 0, both: 0, difference: 0, interval: [-1, 1] }).verdict).toBe(
      "underpowered",
    );
  });

  test("the explanation carries the figures", () => {
    const { explanation } = judge(claim(), paired(103, 97, 500));
    expect(explanation).toContain("difference 1.2 points, 95% interval -4.4 points to 6.8 points");
    expect(explanation).toContain("80% takes 1254 problems");
    expect(judge(claim({ effect: 0.06 }), paired(6, 4, 500)).explanation).toContain("is ruled out, a smaller one is not");
  });
});

describe("powerBefore", () => {
  test("500 problems at a discordance of 0.3 are too few for five points", () => {
    const before = powerBefore(claim(), 500);
    expect(before).toMatchObject({ n: 500, assumedDiscordance: 0.3, needed: 940, underpowered: true });
    expect(before.power).toBeCloseTo(0.532, 2);
    expect(before.detectable).toBeCloseTo(0.069, 3);
    expect(before.sentence).toContain("underpowered, 80% takes 940 problems");
  });

  test("5,000 are enough, and a smaller discordance needs fewer", () => {
    expect(powerBefore(claim(), 5000).underpowered).toBe(false);
    expect(powerBefore(claim(), 500, 0.1).needed).toBeLessThan(500);
  });

  test("what is called detectable needs no more problems than there are", () => {
    for (const n of [50, 500, 5000]) {
      const { detectable } = powerBefore(claim({ margin: 0.1 }), n);
      expect(pairsNeeded(0.1 + detectable, 0.1, 0.3)).toBeLessThanOrEqual(n);
      expect(pairsNeeded(0.1 + detectable - 0.001, 0.1, 0.3)).toBeGreaterThan(n);
    }
  });
});
