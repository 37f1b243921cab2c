// The published checker of Stream of Search (src/countdown_utils.py and src/eval_neo.py of its repository; experiments.md
// 4.1), restated with its faults. It is not what this project counts by: that is trace/grader.ts.
import type { CountdownProblem } from "../../puzzle/countdown.ts";
import { evaluateExpression } from "./expression.ts";
import { accepted, type CompatScorer, refused } from "./scorer.ts";

const endOfText = "<|endoftext|>";
const stateStart = "Current State: ";
const firstStatePattern = /^Current State: ([0-9]+):\[(.*?)\]/;
const goalMark = " equal: Goal Reached";
/** The operation explored: from the opening to the end of the middle. */
const exploring = { opening: /Exploring Operation: /g, middle: /=[0-9]+(?=, Resulting Numbers: \[)/g };
/** The operations of a restated state: from the middle to the next "]". */
const restating = { opening: /Current State: [0-9]+:\[/g, middle: /\], Operations: \[/g };
const integerPattern = /^\s*[-+]?[0-9]+\s*$/;

/** Nodes of the whole tree by the count of numbers: a valid text that explores as many has a rating of 0. */
const maxNodes: Readonly<Record<number, number>> = { 2: 4, 3: 48, 4: 1152, 5: 46_080 };

/**
 * Accepted: the published rating is above 0. Faults kept: only the operations of the state restated last before the first
 * goal line, and the last one explored, are looked at; used numbers are never taken away (texts are compared with integers),
 * so any number of the problem or of an earlier result may be used again; the two numbers of the goal line are not compared;
 * target and numbers are read from the text's first line; a goal found straight from the root is refused, because the empty
 * list of operations counts as an operation; a text that explores too many nodes is refused; an operation may be a longer
 * expression. Where the original stops with an exception the reason is "exception". Other than the original: expressions are
 * those of compat/expression.ts, numbers are exact up to 2^53 - 1, and only ASCII digits are read.
 */
export const sos: CompatScorer = {
  puzzle: "countdown",
  score(problem, text) {
    const search = withFirstLine(problem, text);
    const first = firstStatePattern.exec(search.trim().split("\n", 1)[0] as string);
    if (!first) return refused("no initial state");
    const target = Number(first[1]);
    const numbers = (first[2] as string).split(", ");
    if (!numbers.every((number) => integerPattern.test(number))) return refused("exception");
    const goal = goalStart(search);
    if (goal === undefined) return refused("no goal line");
    const complaint = checkOperations(search.slice(0, goal), target, numbers.map(Number));
    if (complaint) return refused(complaint);
    const nodes = search.split("Exploring Operation").length;
    const limit = maxNodes[numbers.length];
    if (limit === undefined) return refused("exception");
    return nodes < limit ? accepted : refused("too many nodes");
  },
};

/** The text as the checker is given it: cut at an end of text, the problem's state line in front if it is not there. */
function withFirstLine(problem: CountdownProblem, text: string): string {
  const cut = text.split(endOfText).find((part) => part !== "") ?? "";
  if (cut.trimStart().startsWith(stateStart)) return cut;
  const line = `${stateStart}${problem.target}:[${problem.numbers.join(", ")}], Operations: []`;
  return `${line}${cut.startsWith("\n") ? "" : "\n"}${cut}`;
}

/** What is wrong with the operations in front of the goal line, or undefined. */
function checkOperations(search: string, target: number, numbers: readonly number[]): string | undefined {
  const final = last(search, exploring)?.toMiddle;
  if (final === undefined) return "no operation";
  const claimed = final.split("=")[1] as string;
  if (!integerPattern.test(claimed)) return "unreadable operation";
  if (Number(claimed) !== target) return "last operation misses the target";
  const before = last(search, restating)?.fromMiddle;
  if (before === undefined) return "exception";
  const available = new Set(numbers);
  for (const operation of [...before.split(", ").map((part) => part.replaceAll("'", "")), final]) {
    const sides = operation.split("=");
    if (sides.length !== 2) return "unreadable operation";
    const [left, right] = sides as [string, string];
    const value = evaluateExpression(left);
    if (value === undefined || !integerPattern.test(right)) return "unreadable operation";
    if (value !== Number(right)) return "wrong result";
    for (const used of left.match(/[0-9]+/g) ?? []) if (!available.has(Number(used))) return "unknown number";
    available.add(Number(right));
  }
  return undefined;
}

/** Where the first goal line begins: two numbers and a comma before the mark. Scans back from each mark, in linear time. */
function goalStart(text: string): number | undefined {
  const isDigit = (at: number) => text.charCodeAt(at) >= 48 && text.charCodeAt(at) <= 57;
  const backOverDigits = (from: number) => {
    let at = from;
    while (isDigit(at - 1)) at--;
    return at;
  };
  for (let mark = text.indexOf(goalMark); mark >= 0; mark = text.indexOf(goalMark, mark + 1)) {
    const second = backOverDigits(mark);
    const first = text[second - 1] === "," ? backOverDigits(second - 1) : second;
    if (second < mark && first < second - 1) return first;
  }
  return undefined;
}

interface Shape {
  readonly opening: RegExp;
  readonly middle: RegExp;
}
interface Found {
  /** From the end of the opening to the end of the middle. */
  readonly toMiddle: string;
  /** From the end of the middle to the next "]". */
  readonly fromMiddle: string;
}

/** The last place where opening, middle and "]" follow each other in one line. Lines are looked at from the last one back. */
function last(text: string, shape: Shape): Found | undefined {
  for (let end = text.length; end >= 0; ) {
    const newline = end === 0 ? -1 : text.lastIndexOf("\n", end - 1);
    const found = lastInLine(text.slice(newline + 1, end), shape);
    if (found) return found;
    end = newline;
  }
  return undefined;
}

/** Linear in the line: what one opening does not find behind it, no later one finds. */
function lastInLine(line: string, { opening, middle }: Shape): Found | undefined {
  let found: Found | undefined;
  opening.lastIndex = 0;
  while (opening.test(line)) {
    const from = opening.lastIndex;
    middle.lastIndex = from;
    const close = middle.test(line) ? line.indexOf("]", middle.lastIndex) : -1;
    if (close < 0) return found;
    found = { toMiddle: line.slice(from, middle.lastIndex), fromMiddle: line.slice(middle.lastIndex, close) };
    opening.lastIndex = close + 1;
  }
  return found;
}
