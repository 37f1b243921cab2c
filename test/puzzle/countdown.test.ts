import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/lib/errors.ts";
import { Rng } from "../../src/lib/rng.ts";
import { type CountdownAction, type CountdownProblem, countdown, countdownOptions } from "../../src/puzzle/countdown.ts";
import { canReach, canReachWithSome, reachableValues } from "../../src/puzzle/countdownReach.ts";
import { findPuzzle, readProblem } from "../../src/puzzle/registry.ts";

const problemOf = (numbers: number[], target: number): CountdownProblem => ({ puzzle: "countdown", numbers, target });

function action(text: string): CountdownAction {
  const match = /^(-?\d+)([-+*/])(-?\d+)=(-?\d+)$/.exec(text) as RegExpExecArray;
  return { left: Number(match[1]), op: match[2] as CountdownAction["op"], right: Number(match[3]), result: Number(match[4]) };
}

function applied(numbers: number[], text: string) {
  const problem = problemOf(numbers, 10);
  return countdown.apply(problem, countdown.root(problem), action(text));
}

/** All values that all numbers make, by an independent route: every split into two non-empty parts, joined in every way. */
function valuesBySplitting(numbers: readonly number[]): Set<number> {
  if (numbers.length === 1) return new Set(numbers);
  const values = new Set<number>();
  for (let mask = 1; mask < (1 << numbers.length) - 1; mask++) {
    const left = valuesBySplitting(numbers.filter((_, index) => (mask >> index) & 1));
    const right = valuesBySplitting(numbers.filter((_, index) => !((mask >> index) & 1)));
    for (const a of left) {
      for (const b of right) {
        values.add(a + b).add(a * b);
        if (a >= b) values.add(a - b);
        if (b !== 0 && Number.isInteger(a / b)) values.add(a / b);
      }
    }
  }
  return values;
}

describe("apply", () => {
  it.each([
    [[45, 39, 2, 10], "45-39=6", [10, 6, 2]],
    [[4, 4, 2], "4+4=8", [8, 2]],
    [[6, 3], "6/3=2", [2]],
    [[3, 6], "3+6=9", [9]],
    [[5, 5], "5-5=0", [0]],
    [[0, 5], "0/5=0", [0]],
  ])("%j by %s leads to %j", (numbers, text, pool) => {
    expect(applied(numbers, text)).toEqual({ ok: true, state: pool });
  });

  it.each([
    [[4, 9], "4*4=16", "operand", "4 is used twice but available once"],
    [[4, 2], "4+4=8", "operand", "4 is used twice but available once"],
    [[4, 2], "4+3=7", "operand", "3 is not available"],
    [[7, 2], "7/2=3", "arithmetic", "not divisible"],
    [[7, 2], "7+2=10", "arithmetic", "7+2 is 9, not 10"],
    [[3, 5], "3-5=2", "arithmetic", "3-5 is -2, not 2"],
    [[3, 5], "3-5=-2", "rule", "negative"],
    [[5, 0], "5/0=0", "rule", "division by zero"],
    [[94906267, 94906267], "94906267*94906267=9007199515875289", "arithmetic", "beyond 2^53"],
  ])("%j refuses %s as %s", (numbers, text, kind, part) => {
    const result = applied(numbers, text);
    expect(result.ok).toBe(false);
    if (result.ok) return;
    expect(result.violation.kind).toBe(kind);
    expect(result.violation.message).toContain(part);
  });

  it("accepts every listed action, and lists a representative of every accepted result", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 2, maxLength: 4 }), (numbers) => {
        const problem = problemOf(numbers, 10);
        const pool = countdown.root(problem);
        const listed = new Set<string>();
        for (const step of countdown.actions(problem, pool)) {
          const next = countdown.apply(problem, pool, step);
          expect(next.ok).toBe(true);
          if (next.ok) listed.add(countdown.stateKey(next.state));
          expect(step.left).toBeGreaterThanOrEqual(step.right);
        }
        for (const left of pool) {
          for (const right of pool) {
            for (const op of ["+", "-", "*", "/"] as const) {
              const result = op === "+" ? left + right : op === "-" ? left - right : op === "*" ? left * right : left / right;
              const next = countdown.apply(problem, pool, { left, op, right, result });
              if (next.ok) expect(listed).toContain(countdown.stateKey(next.state));
            }
          }
        }
      }),
    );
  });

  it("lists pairs descending and operators in the order + * - /", () => {
    const problem = problemOf([2, 8, 2], 10);
    const found = countdown.actions(problem, countdown.root(problem)).map((step) => `${step.left}${step.op}${step.right}`);
    expect(found).toEqual(["8+2", "8*2", "8-2", "8/2", "2+2", "2*2", "2-2", "2/2"]);
  });
});

describe("reachability", () => {
  it("agrees with an independent enumeration on every pool of three numbers up to 9", () => {
    for (let a = 0; a <= 9; a++) {
      for (let b = a; b <= 9; b++) {
        for (let c = b; c <= 9; c++) {
          const values = valuesBySplitting([a, b, c]);
          expect([...reachableValues([a, b, c])].sort((x, y) => x - y)).toEqual([...values].sort((x, y) => x - y));
          for (let target = 0; target <= 100; target++) {
            if (canReach([b, c, a], target) !== values.has(target)) expect.fail(`${a},${b},${c} to ${target}`);
          }
        }
      }
    }
  });

  it("agrees with it on random pools of two, four and five", () => {
    const pools = fc.oneof(
      fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 2, maxLength: 2 }),
      fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 4, maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 5, maxLength: 5 }),
    );
    fc.assert(
      fc.property(pools, (numbers) => {
        const values = valuesBySplitting(numbers);
        for (let target = 0; target <= 60; target++) expect(canReach(numbers, target)).toBe(values.has(target));
      }),
      { numRuns: 30 },
    );
  });

  it("reaches with some numbers what one subset reaches with all", () => {
    expect(canReachWithSome([10, 7, 3], 10)).toBe(true);
    expect(canReachWithSome([7, 3], 7)).toBe(true);
    expect(canReachWithSome([50, 7, 3], 21)).toBe(true);
    expect(canReachWithSome([50, 7, 3], 22)).toBe(false);
  });

  it("does not take a rounded product for the target", () => {
    expect(canReach([94906267, 94906267, 1], Number.MAX_SAFE_INTEGER)).toBe(false);
  });
});

describe("generate", () => {
  it("draws solvable problems within the options' ranges, the same for the same seed", () => {
    for (const numbers of [2, 3, 4, 5, 6]) {
      const options = countdownOptions.parse({ kind: "countdown", numbers, operands: [2, 30], targets: [10, 40] });
      const problem = countdown.generate(Rng.for(1, "t", numbers), options);
      expect(problem).toEqual(countdown.generate(Rng.for(1, "t", numbers), options));
      expect(problem.numbers).toHaveLength(numbers);
      expect(problem.numbers.every((value) => value >= 2 && value <= 30)).toBe(true);
      expect(problem.target).toBeGreaterThanOrEqual(10);
      expect(problem.target).toBeLessThanOrEqual(40);
      expect(valuesBySplitting(problem.numbers)).toContain(problem.target);
    }
  });

  it("names the ranges when nothing satisfies them", () => {
    const options = countdownOptions.parse({ kind: "countdown", numbers: 3, operands: [1, 2], targets: [500, 600] });
    expect(() => countdown.generate(Rng.for(1), options)).toThrowError(UserError);
    expect(() => countdown.generate(Rng.for(1), options)).toThrowError(/operands \[1, 2\], puzzle\.targets \[500, 600\]/);
  });

  it("has the defaults of Stream of Search and refuses unknown keys", () => {
    expect(countdownOptions.parse({ kind: "countdown" })).toEqual({
      kind: "countdown",
      numbers: 4,
      operands: [1, 99],
      targets: [10, 100],
      holdOutTargets: 0.1,
    });
    expect(countdownOptions.safeParse({ kind: "countdown", number: 4 }).success).toBe(false);
    expect(countdownOptions.safeParse({ kind: "countdown", operands: [9, 1] }).success).toBe(false);
    expect(countdownOptions.safeParse({ kind: "countdown", numbers: 7 }).success).toBe(false);
  });
});

describe("problems as JSON", () => {
  it("come back as they went, with one key for every order of the numbers", () => {
    const problem = problemOf([39, 45, 2, 10], 62);
    expect(countdown.readProblem(JSON.parse(JSON.stringify(countdown.writeProblem(problem))))).toEqual(problem);
    expect(countdown.canonicalKey(problem)).toBe("countdown:2,10,39,45:62");
    expect(countdown.canonicalKey(problemOf([2, 45, 10, 39], 62))).toBe(countdown.canonicalKey(problem));
  });

  it.each([
    [{ puzzle: "countdown", numbers: [1, 2.5], target: 3 }, "numbers.1"],
    [{ puzzle: "countdown", numbers: [1], target: 3 }, "numbers"],
    [{ puzzle: "countdown", numbers: [1, 2, 3, 4, 5, 6, 7, 8, 9], target: 3 }, "numbers"],
    [{ puzzle: "countdown", numbers: [1, -2], target: 3 }, "numbers.1"],
    [{ puzzle: "countdown", numbers: [1, 2], target: "3" }, "target"],
  ])("%j is refused naming %s", (value, field) => {
    expect(() => readProblem(value)).toThrowError(`"${field}"`);
  });

  it("offers the nearest puzzle for an unknown one", () => {
    expect(() => findPuzzle("coutndown")).toThrowError(/Did you mean "countdown"/);
    expect(() => findPuzzle("toString")).toThrowError(/unknown puzzle/);
    expect(() => readProblem("countdown")).toThrowError(/JSON object/);
  });
});

describe("heuristics", () => {
  it("are those of Stream of Search", () => {
    const problem = problemOf([45, 39, 2, 10], 62);
    // |45-62| + |39-62| + |10-62| + |2-62| = 152, over 4; factors of 62: 2, 31, 62.
    expect(countdown.heuristics.sum?.(problem, [45, 39, 10, 2])).toBe(38);
    expect(countdown.heuristics.mult?.(problem, [45, 39, 10, 2])).toBe(14 + 8 + 8 + 0);
    expect(countdown.heuristics.sum?.(problem, [62])).toBe(0);
  });
});

describe("the goal", () => {
  it("is any pool with the target; allUsed tells whether numbers are left", () => {
    const problem = problemOf([4, 4, 2], 8);
    expect(countdown.isGoal(problem, [8, 2])).toBe(true);
    expect(countdown.allUsed(problem, [8, 2])).toBe(false);
    expect(countdown.allUsed(problem, [8])).toBe(true);
    expect(countdown.isGoal(problem, [4, 2])).toBe(false);
  });
});
