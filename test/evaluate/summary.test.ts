import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compare, type Graded, summarise } from "../../src/evaluate/summary.ts";
import { mcnemarExact, tango, wilson } from "../../src/lib/stats.ts";

const graded = (problemId: string, solved: boolean, changes: Partial<Graded> = {}): Graded => ({
  problemId,
  split: "seen",
  solved,
  reached: solved,
  allUsed: false,
  errorKinds: solved ? [] : ["goal-missed"],
  tokensGenerated: 10,
  ...changes,
});

describe("summarise", () => {
  test("by hand", () => {
    const summary = summarise([
      graded("a", true, { allUsed: true, tokensGenerated: 8 }),
      graded("b", true, { tokensGenerated: 10 }),
      graded("c", false, { errorKinds: ["arithmetic", "arithmetic", "false-goal"], tokensGenerated: 30 }),
      graded("d", false, { errorKinds: ["false-goal"], allUsed: true, tokensGenerated: 12 }),
    ]);
    expect(summary).toEqual({
      n: 4,
      solved: 2,
      accuracy: 0.5,
      interval: wilson(2, 4),
      tokensGenerated: { mean: 15, median: 11, total: 60 },
      errors: { arithmetic: 1, "false-goal": 2 },
      firstErrors: { arithmetic: 1, "false-goal": 1 },
      solvedUsingAll: 1,
    });
  });

  test("of nothing: no claim to accuracy", () => {
    expect(summarise([])).toMatchObject({ n: 0, solved: 0, accuracy: 0, interval: [0, 1], errors: {} });
  });
});

describe("compare", () => {
  test("by hand, whatever the order", () => {
    const first = [graded("a", true), graded("b", true), graded("c", true), graded("d", false), graded("e", false)];
    const second = [graded("e", false), graded("d", true), graded("c", false), graded("b", false), graded("a", true)];
    expect(compare(first, second)).toEqual({
      n: 5,
      both: 1,
      onlyFirst: 2,
      onlySecond: 1,
      neither: 1,
      difference: 0.2,
      interval: tango(2, 1, 5),
      pValue: mcnemarExact(2, 1),
    });
  });

  test("other problems, or one twice, are refused by name", () => {
    expect(() => compare([graded("a", true)], [graded("b", true)])).toThrow(/sets differ.*\ba\b/);
    expect(() => compare([graded("a", true)], [graded("a", true), graded("b", true)])).toThrow(/\bb\b/);
    expect(() => compare([graded("a", true), graded("a", false)], [graded("a", true)])).toThrow("twice in the first set");
  });

  test("the counts add up, and the difference is that of the accuracies", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 1 }), (pairs) => {
        const first = pairs.map(([solved], index) => graded(`${index}`, solved));
        const second = pairs.map(([, solved], index) => graded(`${index}`, solved));
        const result = compare(first, second);
        expect(result.both + result.onlyFirst + result.onlySecond + result.neither).toBe(result.n);
        expect(result.difference).toBeCloseTo(summarise(first).accuracy - summarise(second).accuracy, 12);
      }),
    );
  });
});
