// The published checker of Self-Backtracking (src/eval_search.py of its repository; experiments.md 1.7), restated with its
// faults. It is not what this project counts by: that is trace/grader.ts.
import type { CountdownProblem, Operator } from "../../puzzle/countdown.ts";
import { accepted, type CompatScorer, type CompatVerdict, refused } from "./scorer.ts";

const responseMark = "###Response:\n";
const endMark = /<backtrack>|Goal Reached!/;
/** Only the beginning of a line counts: whatever stands behind the result is ignored. There are no negative numbers. */
const stepPattern = /^([0-9]+)\s*([+\-*/])\s*([0-9]+)\s*=\s*([0-9]+)/;

/**
 * Faults kept: division is floor division (7/2=3 passes); one copy of a number serves for both operands (4+4 with one 4), and
 * using a number takes away all its copies; a text that ends in `<backtrack>` counts like one that declares success, if its
 * last equation gives the target; numbers may be left over; a negative result is a format error, an answer without any
 * equation too; text behind an equation or the mark is not looked at. Other than the original: integers beyond 2^53 - 1 are
 * refused, and only ASCII digits are read.
 */
export const sb: CompatScorer = {
  puzzle: "countdown",
  score(problem, text) {
    const begin = text.indexOf(responseMark);
    const response = begin < 0 ? text : text.slice(begin + responseMark.length);
    const end = response.search(endMark);
    return end < 0 ? refused("no end mark") : checkSteps(problem, response.slice(0, end).trim().split("\n"));
  },
};

function checkSteps(problem: CountdownProblem, lines: readonly string[]): CompatVerdict {
  let pool = [...problem.numbers];
  let result = 0;
  for (const line of lines) {
    const match = stepPattern.exec(line);
    if (!match) return refused("step format");
    const [left, right, stated] = [Number(match[1]), Number(match[3]), Number(match[4])];
    if (!pool.includes(left) || !pool.includes(right)) return refused("unknown number");
    if (match[2] === "/" && right === 0) return refused("division by zero");
    result = floorEvaluate(left, match[2] as Operator, right);
    if (result !== stated || !Number.isSafeInteger(result)) return refused("wrong result");
    pool = pool.filter((value) => value !== left && value !== right);
    pool.push(result);
  }
  return result === problem.target ? accepted : refused("target not reached");
}

function floorEvaluate(left: number, op: Operator, right: number): number {
  if (op === "+") return left + right;
  if (op === "-") return left - right;
  return op === "*" ? left * right : Math.floor(left / right);
}
