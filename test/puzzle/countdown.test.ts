import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/lib/errors.ts";
import { Rng } from "../../src/lib/rng.ts";
import {
  type CountdownAction,
  type CountdownProblem,
  type CountdownState,
  countdown,
  countdownOptions,
} from "../../src/puzzle/countdown.ts";
import { canReach, canReachWithSome, reachableValues } from "../../src/puzzle/countdownReach.ts";
import { findPuzzle, readProblem } from "../../src/puzzle/registry.ts";
import { countSolutions } from "./countdownBruteForce.ts";

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
      fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 5, maxLength: 5 }),
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 6, maxLength: 6 }),
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

/** Whether a way down the puzzle's own actions uses all numbers and ends in the target. */
function solvedByDescent(problem: CountdownProblem): boolean {
  let pool = countdown.root(problem);
  while (pool.length > 1) {
    const next = countdown
      .actions(problem, pool)
      .map((step) => countdown.apply(problem, pool, step))
      .find((applied) => applied.ok && canReach(applied.state, problem.target));
    if (!next?.ok) return false;
    pool = next.state;
  }
  return pool[0] === problem.target;
}

/** Whether some state at or below holds the target, by walking them all. */
function goalBelow(problem: CountdownProblem, pool: CountdownState): boolean {
  if (countdown.isGoal(problem, pool)) return true;
  return countdown.actions(problem, pool).some((step) => {
    const next = countdown.apply(problem, pool, step);
    return next.ok && goalBelow(problem, next.state);
  });
}

describe("canSolve", () => {
  it("is true exactly where a goal lies at or below, for every pool of three numbers up to 5", () => {
    for (let a = 0; a <= 5; a++) {
      for (let b = 0; b <= a; b++) {
        for (let c = 0; c <= b; c++) {
          for (let target = 0; target <= 30; target++) {
            const problem = problemOf([a, b, c], target);
            expect(countdown.canSolve(problem, [a, b, c])).toBe(goalBelow(problem, [a, b, c]));
          }
        }
      }
    }
  });

  it("is never false for pools that are too large or hold a negative number", () => {
    expect(countdown.canSolve(problemOf([1, 1], 999_983), [1, 1, 1, 1, 1, 1, 1, 1])).toBeUndefined();
    expect(countdown.canSolve(problemOf([1, 1], 9), [9, 8, 7, 6, 5, 4, 3, 2])).toBe(true);
    expect(countdown.canSolve(problemOf([1, 1], 40), [5, 4, -3])).toBeUndefined();
    expect(countdown.canSolve(problemOf([1, 1], 4), [5, 4, -3])).toBe(true);
    expect(countdown.canSolve(problemOf([1, 1], 999_983), [1, 1, 1, 1, 1, 1, 1])).toBe(false);
  });
});

describe("statistics", () => {
  it("count solutions by hand and as brute force does", () => {
    // 3+1=4 and no other operator.
    expect(countdown.statistics(problemOf([1, 3], 4))).toEqual({ numberOfSolutions: 1 });
    // 2+2 and 2*2 make 4 with 0 by +, - (4-0); 2-2=0 and 2/2=1 do not; 2+0, 2-0 (2*0, 0/2 = 0) make 2, then 2+2 and 2*2.
    expect(countdown.statistics(problemOf([2, 0, 2], 4))).toEqual({ numberOfSolutions: 2 * 2 + 2 * 2 });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 2, maxLength: 4 }), fc.nat(30), (numbers, target) => {
        const { numberOfSolutions } = countdown.statistics(problemOf(numbers, target));
        expect(numberOfSolutions).toBe(countSolutions(numbers, target));
      }),
      { numRuns: 60 },
    );
  });

  it("leave the count out where it would take long", () => {
    expect(countdown.statistics(problemOf([1, 2, 3, 4, 5, 6], 21))).toEqual({});
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

  it("draws problems of seven and eight numbers in no time, each with a solution that leads there", () => {
    for (const numbers of [7, 8]) {
      for (let seed = 0; seed < 20; seed++) {
        const problem = countdown.generate(Rng.for(seed), countdownOptions.parse({ kind: "countdown", numbers }));
        expect(problem.numbers).toHaveLength(numbers);
        expect(solvedByDescent(problem)).toBe(true);
      }
    }
  });

  it("draws deep problems: the first four make a number that makes the target with the others", () => {
    for (const numbers of [5, 7, 8]) {
      const options = countdownOptions.parse({ kind: "countdown", numbers, deep: true, operands: [1, 30] });
      const problem = countdown.generate(Rng.for(7, numbers), options);
      expect(problem).toEqual(countdown.generate(Rng.for(7, numbers), options));
      const hidden = [...valuesBySplitting(problem.numbers.slice(0, 4))].filter((value) => value >= 1 && value <= 30);
      const last = problem.numbers.slice(4);
      expect(last).toHaveLength(numbers - 4);
      expect(hidden.some((value) => canReach([value, ...last], problem.target))).toBe(true);
    }
    const impossible = countdownOptions.parse({
      kind: "countdown",
      numbers: 5,
      deep: true,
      operands: [1, 2],
      targets: [50, 60],
    });
    expect(() => countdown.generate(Rng.for(1), impossible)).toThrowError(/puzzle\.deep true, puzzle\.numbers 5/);
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
    expect(countdownOptions.safeParse({ kind: "countdown", numbers: 9 }).success).toBe(false);
    expect(countdownOptions.safeParse({ kind: "countdown", deep: true }).error?.issues[0]).toMatchObject({
      path: ["deep"],
      message: "deep problems have 5 to 8 numbers; set puzzle.numbers",
    });
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
    expect(countdown.heuristics.sum?.estimate(problem, [45, 39, 10, 2])).toBe(38);
    expect(countdown.heuristics.mult?.estimate(problem, [45, 39, 10, 2])).toBe(14 + 8 + 8 + 0);
    expect(countdown.heuristics.sum?.estimate(problem, [62])).toBe(0);
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

describe("achieves", () => {
  const problem = problemOf([62, 6, 5], 62);
  it.each([
    ["the root, with the target among the numbers", [62, 6, 5], undefined, false],
    ["another result beside the target", [62, 11], { left: 6, op: "+", right: 5, result: 11 }, false],
    ["the target made", [62, 6], { left: 62, op: "*", right: 1, result: 62 }, true],
    ["a last number whose step nobody knows", [62], undefined, true],
  ] as const)("%s", (_name, pool, last, expected) => {
    expect(countdown.isGoal(problem, pool)).toBe(true);
    expect(countdown.achieves(problem, pool, last)).toBe(expected);
  });
});
