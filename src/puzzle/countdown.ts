// Countdown: combine numbers by + - * / to a target. The one rule book; knows nothing of text formats, models or files.
import { z } from "zod";
import { UserError } from "../lib/errors.ts";
import type { Rng } from "../lib/rng.ts";
import { numberOfSolutions } from "./countdownCount.ts";
import { factorDistance, meanDistance } from "./countdownHeuristics.ts";
import { canReach, canReachWithSome } from "./countdownReach.ts";
import type { Applied, Puzzle, Violation } from "./puzzle.ts";
import { readRecord, readWith } from "./read.ts";

const operand = z.number().int().min(1).max(1_000_000);
const range = z
  .tuple([operand, operand])
  .refine(([low, high]) => low <= high, { error: "the first number of a range must not exceed the second" });

/** How many numbers make the hidden number of a deep problem. */
const hiddenFrom = 4;

/** Options of the generator. Defaults are those of Stream of Search (operands 1-99, targets 10-100, a tenth of the targets held out). */
export const countdownOptions = z
  .strictObject({
    kind: z.literal("countdown"),
    numbers: z.number().int().min(2).max(8).default(4).describe("how many numbers a problem has"),
    operands: range.default([1, 99]).describe("range of the numbers, both ends included"),
    targets: range.default([10, 100]).describe("range of the targets, both ends included"),
    holdOutTargets: z.number().min(0).max(1).default(0.1).describe("share of the target values that never occur in training"),
    deep: z
      .boolean()
      .optional()
      .describe("the first four numbers make a hidden number, which makes the target with the others; default: false"),
  })
  .refine(({ numbers, deep }) => !deep || numbers > hiddenFrom, {
    path: ["deep"],
    error: "deep problems have 5 to 8 numbers; set puzzle.numbers",
  });
export type CountdownOptions = z.output<typeof countdownOptions>;

export interface CountdownProblem {
  readonly puzzle: "countdown";
  /** In the order in which a prompt shows them; the order has no meaning. */
  readonly numbers: readonly number[];
  readonly target: number;
}

/** The pool: a multiset, sorted descending. */
export type CountdownState = readonly number[];

export type Operator = "+" | "-" | "*" | "/";

/** The equation `left op right = result`. */
export interface CountdownAction {
  readonly left: number;
  readonly op: Operator;
  readonly right: number;
  readonly result: number;
}

/** What `left op right` truly is: an exact integer (negative ones included), or undefined (inexact, by zero, beyond 2^53 - 1). */
export function evaluate(left: number, op: Operator, right: number): number | undefined {
  if (op === "/" && right === 0) return undefined;
  const value = op === "+" ? left + right : op === "-" ? left - right : op === "*" ? left * right : left / right;
  // `+ 0` turns the -0 of 0 * -3 into 0.
  return Number.isSafeInteger(value) ? value + 0 : undefined;
}

/** `left op right=result` as text. */
export function equation(action: CountdownAction): string {
  return `${action.left}${action.op}${action.right}=${action.result}`;
}

function withoutOne(pool: readonly number[], value: number): number[] {
  const index = pool.indexOf(value);
  return index < 0 ? [...pool] : [...pool.slice(0, index), ...pool.slice(index + 1)];
}

function descending(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => b - a);
}

function withOne(pool: readonly number[], value: number): number[] {
  return descending([...pool, value]);
}

function operandViolation(pool: CountdownState, action: CountdownAction): Violation | undefined {
  const { left, right } = action;
  const have = `the pool is [${pool.join(", ")}]`;
  for (const value of [left, right]) {
    if (!pool.includes(value)) return { kind: "operand", message: `${value} is not available: ${have}` };
  }
  if (left === right && !withoutOne(pool, left).includes(right)) {
    return { kind: "operand", message: `${left} is used twice but available once: ${have}` };
  }
  return undefined;
}

function violation(pool: CountdownState, action: CountdownAction): Violation | undefined {
  const { left, op, right, result } = action;
  const missing = operandViolation(pool, action);
  if (missing) return missing;
  if (op === "/" && right === 0) return { kind: "rule", message: `${left}/0: division by zero` };
  const value = evaluate(left, op, right);
  if (value === undefined) {
    const reason =
      op === "/"
        ? `is not an integer (${left} is not divisible by ${right})`
        : "is beyond 2^53 - 1, the largest integer that is exact here";
    return { kind: "arithmetic", message: `${left}${op}${right} ${reason}, so it is not ${result}` };
  }
  if (value !== result) return { kind: "arithmetic", message: `${left}${op}${right} is ${value}, not ${result}` };
  if (value < 0) return { kind: "rule", message: `${equation(action)}: a negative intermediate result` };
  return undefined;
}

/** `left op right` as a legal action in the larger-first form, or undefined when the rules forbid it. */
function legal(left: number, op: Operator, right: number): CountdownAction | undefined {
  const result = evaluate(left, op, right);
  return result === undefined || result < 0 ? undefined : { left, op, right, result };
}

/** The canonical order of operators; facts of the recipe: a solution that does not depend on the prompt's order is learned better. */
export const operatorOrder: readonly Operator[] = ["+", "*", "-", "/"];

function actions(pool: CountdownState): CountdownAction[] {
  const found: CountdownAction[] = [];
  for (let i = 0; i < pool.length; i++) {
    if (i > 0 && pool[i] === pool[i - 1]) continue;
    for (let j = i + 1; j < pool.length; j++) {
      if (j > i + 1 && pool[j] === pool[j - 1]) continue;
      for (const op of operatorOrder) {
        const action = legal(pool[i] as number, op, pool[j] as number);
        if (action) found.push(action);
      }
    }
  }
  return found;
}

// 20 targets x 2000 draws: a range that yields one solvable draw in a thousand still succeeds with certainty for all practical purposes.
const drawsPerTarget = 2000;
const targetsTried = 20;

/**
 * A solvable problem (all numbers used): the target uniformly from `targets`, then operands uniformly until they can make
 * it, as in Stream of Search. The numbers come in random order. `accept` may refuse a solvable problem.
 * A deep problem is drawn in two parts, each as above: a hidden number and the last numbers that make the target with it, then four
 * numbers that make the hidden one and stand first. ("To Backtrack or Not to Backtrack" shows the hidden number as a fifth
 * one, which leaves it over at the end; here it is hidden indeed and every number is used, so the family's rules hold.)
 * Throws UserError("puzzle-empty") after 40,000 draws without success.
 */
export function drawCountdown(
  rng: Rng,
  options: CountdownOptions,
  targets: readonly number[],
  accept: (problem: CountdownProblem) => boolean = () => true,
): CountdownProblem {
  for (let round = 0; round < targetsTried && targets.length > 0; round++) {
    const target = rng.pick(targets);
    for (let draw = 0; draw < drawsPerTarget; draw++) {
      const numbers = drawNumbers(rng, options, target);
      if (!numbers) continue;
      const problem: CountdownProblem = { puzzle: "countdown", numbers, target };
      if (accept(problem)) return problem;
    }
  }
  throw emptyError(options, targets);
}

/** One draw of numbers, or undefined where they cannot make the target. */
function drawNumbers(
  rng: Rng,
  { numbers, operands: [low, high], deep }: CountdownOptions,
  target: number,
): number[] | undefined {
  const draw = (count: number) => Array.from({ length: count }, () => rng.between(low, high));
  if (!deep) {
    const drawn = draw(numbers);
    return canReach(drawn, target) ? drawn : undefined;
  }
  const hidden = rng.between(low, high);
  const last = draw(numbers - hiddenFrom);
  if (!canReach([hidden, ...last], target)) return undefined;
  for (let tried = 0; tried < drawsPerTarget; tried++) {
    const first = draw(hiddenFrom);
    if (canReach(first, hidden)) return [...first, ...last];
  }
  return undefined;
}

function emptyError(options: CountdownOptions, targets: readonly number[]): UserError {
  const {
    numbers,
    operands,
    targets: [low, high],
    holdOutTargets,
    deep,
  } = options;
  const asked = `${deep ? "puzzle.deep true, " : ""}puzzle.numbers ${numbers}, puzzle.operands [${operands.join(", ")}], puzzle.targets [${low}, ${high}], puzzle.holdOutTargets ${holdOutTargets}`;
  const found =
    targets.length === 0
      ? "these leave no target value"
      : `no solvable problem was found in ${targetsTried * drawsPerTarget} draws`;
  return new UserError(
    "puzzle-empty",
    `countdown: ${found}: ${asked}. Widen puzzle.operands or bring puzzle.targets within their reach.`,
  );
}

// Steps with invented operands make a claimed pool grow; a long text of them must not cost memory without bound.
const claimedPoolLimit = 16;

/** What is there is taken away; the stated result is put in, right or wrong. Beyond 16 numbers the smallest is forgotten. */
function claimedPool(pool: CountdownState, action: CountdownAction): CountdownState {
  const rest = withoutOne(withoutOne(pool, action.left), action.right);
  return withOne(rest.slice(0, claimedPoolLimit - 1), action.result);
}

// Above this size a hopeless pool takes long: only parts of up to `partsSearched` numbers are searched, and a failure says nothing.
const exactUpTo = 7;
const partsSearched = 5;

function canSolve(pool: CountdownState, target: number): boolean | undefined {
  // Only a step against the rules leaves a negative number, and the rules do not say what follows from one.
  if ((pool.at(-1) ?? 0) < 0) return pool.includes(target) || undefined;
  if (pool.length <= exactUpTo) return canReachWithSome(pool, target);
  return canReachWithSome(pool.slice(0, 8), target, partsSearched) || pool.includes(target) || undefined;
}

const wholeNumber = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const problemSchema = z.strictObject({
  puzzle: z.literal("countdown"),
  numbers: z.array(wholeNumber).min(2).max(8),
  target: wholeNumber,
});

const expectedProblem = '{"puzzle":"countdown","numbers":[2 to 8 non-negative integers],"target":a non-negative integer}';

/** "45,39,2,10 -> 62". */
function readText(text: string): CountdownProblem | undefined {
  const match = /^\s*(\d+(?:[\s,]+\d+)*)\s*->\s*(\d+)\s*$/.exec(text);
  if (match === null) return undefined;
  const numbers = (match[1] as string).split(/[\s,]+/).map(Number);
  return readRecord(problemSchema, { puzzle: "countdown", numbers, target: Number(match[2]) }, "countdown", expectedProblem);
}

// About what a hopeless pool of so many numbers costs; larger ones are searched in part.
const [millisecondsOf, millisecondsInPart] = [[0, 0, 0, 0, 0.05, 2, 10, 30], 8];

/**
 * Countdown. `isGoal` holds for every pool that contains the target, as in the television game; `achieves` asks that the last
 * step made it, as the published evaluator does (src/eval_search.py of Self-Backtracking): a target among the given numbers
 * is no answer. Solvers and the grader's setting `useAllNumbers` also ask for `allUsed`. `actions` gives each pair of values once, the larger operand first,
 * pairs in descending order, operators in the order + * - /; `apply` also takes the operands in the other order.
 */
type CountdownPuzzle = Puzzle<CountdownOptions, CountdownProblem, CountdownState, CountdownAction>;
export const countdown: CountdownPuzzle &
  Required<
    Pick<CountdownPuzzle, "achieves" | "applyAsClaimed" | "allUsed" | "readText" | "canSolve" | "canSolveCost" | "statistics">
  > = {
  name: "countdown",
  readOptions: (value) => readWith(countdownOptions, value, "config", "puzzle"),
  generate: (rng, options) => {
    const [low, high] = options.targets;
    return drawCountdown(
      rng,
      options,
      Array.from({ length: high - low + 1 }, (_, index) => low + index),
    );
  },
  canonicalKey: (problem) => `countdown:${[...problem.numbers].sort((a, b) => a - b).join(",")}:${problem.target}`,
  root: (problem) => descending(problem.numbers),
  actions: (_problem, pool) => actions(pool),
  apply: (_problem, pool, action): Applied<CountdownState> => {
    const found = violation(pool, action);
    if (found) return { ok: false, violation: found };
    return { ok: true, state: withOne(withoutOne(withoutOne(pool, action.left), action.right), action.result) };
  },
  applyAsClaimed: (_problem, pool, action) => claimedPool(pool, action),
  isGoal: (problem, pool) => pool.includes(problem.target),
  /** The last result is the target. A number that is left alone was made by the last step, also where the step is not known. */
  achieves: (problem, pool, last) => pool.length === 1 || last?.result === problem.target,
  allUsed: (_problem, pool) => pool.length === 1,
  /** By ANY of the numbers, so that a dead end is a state from which no rule of grading lets anybody win. Undefined: not found, not excluded. */
  canSolve: (problem, pool) => canSolve(pool, problem.target),
  canSolveCost: (_problem, pool) => millisecondsOf[pool.length] ?? millisecondsInPart,
  stateKey: (pool) => pool.join(","),
  /** Stream of Search: `sum` = mean distance of the pool to the target; `mult` = sum of the distances to the nearest factor of the target. */
  heuristics: {
    sum: { estimate: (problem, pool) => meanDistance(pool, problem.target) },
    mult: { estimate: (problem, pool) => factorDistance(pool, problem.target) },
  },
  readProblem: (value) => readRecord(problemSchema, value, "countdown", expectedProblem),
  readText,
  /** Beyond five numbers there are too many solutions to count for each problem. */
  statistics: ({ numbers, target }): Record<string, number> =>
    numbers.length <= 5 ? { numberOfSolutions: numberOfSolutions(descending(numbers), target) } : {},
  writeProblem: (problem) => ({ puzzle: "countdown", numbers: [...problem.numbers], target: problem.target }),
};
