// Countdown answers as rows of equations, one a line: the prompt, the line and the path that they tell. Shared by the
// formats self-backtracking and revision, which differ in their marks.
import { quote } from "../../lib/text.ts";
import { type CountdownAction, type CountdownProblem, countdown, type Operator } from "../../puzzle/countdown.ts";
import type { Span } from "../format.ts";

/** No leading zeros and no -0, so that every number has one spelling and rendering restores the text. */
const numberPattern = "(?:0|-?[1-9][0-9]*)";
const linePattern = new RegExp(`(${numberPattern})([-+*/])(${numberPattern})=(${numberPattern})\n`, "y");
const promptPattern =
  /^###Question: numbers \[((?:0|[1-9][0-9]*)(?:, (?:0|[1-9][0-9]*))*)\]->target (0|[1-9][0-9]*)\n###Response:\n/;

/** The prompt of Self-Backtracking (src/train.py of its repository). */
export function equationPrompt(problem: CountdownProblem): string {
  return `###Question: numbers [${problem.numbers.join(", ")}]->target ${problem.target}\n###Response:\n`;
}

/** The problem of a text that begins with the prompt; undefined where it does not. */
export function readEquationPrompt(text: string): { problem: CountdownProblem; length: number } | undefined {
  const match = promptPattern.exec(text);
  if (!match) return undefined;
  const numbers = (match[1] as string).split(", ").map(Number);
  try {
    return {
      problem: countdown.readProblem({ puzzle: "countdown", numbers, target: Number(match[2]) }),
      length: match[0].length,
    };
  } catch {
    return undefined;
  }
}

/** The equation on the line that begins at `at`, and where the next line begins; undefined where there is none. */
export function readEquationLine(text: string, at: number): { action: CountdownAction; end: number } | undefined {
  linePattern.lastIndex = at;
  const match = linePattern.exec(text);
  if (!match) return undefined;
  const [left, right, result] = [Number(match[1]), Number(match[3]), Number(match[4])];
  // Beyond 2^53 - 1 a text could not be restored.
  if (![left, right, result].every(Number.isSafeInteger)) return undefined;
  return { action: { left, op: match[2] as Operator, right, result }, end: linePattern.lastIndex };
}

/** Where and why the text at `from` is neither an equation line nor one of the marks. */
export function equationLineError(text: string, from: number, marks: readonly string[]): { span: Span; message: string } {
  const newline = text.indexOf("\n", from);
  const to = newline < 0 ? text.length : newline;
  const line = text.slice(from, to);
  const ends = marks.length === 0 ? "" : `, ${marks.map((mark) => quote(mark)).join(" or ")}`;
  const expected = `expected an equation such as 3+4=7 and a newline${ends}`;
  if (newline < 0 && isCutOff(line, marks)) {
    return { span: [from, to], message: `the text is cut off in ${quote(line)}: ${expected}` };
  }
  const big = /[0-9]{16,}/.test(line) ? " (integers are read up to 2^53 - 1)" : "";
  const zero = /(?<![0-9])0[0-9]|-0(?![0-9])/.test(line) ? " (numbers have no leading zeros)" : "";
  return { span: [from, newline < 0 ? to : to + 1], message: `${expected}, found ${quote(line)}${big}${zero}` };
}

/** Whether more text could make the line valid. */
function isCutOff(line: string, marks: readonly string[]): boolean {
  if (marks.some((mark) => mark.startsWith(line))) return true;
  return new RegExp(`^(?:-|${numberPattern}(?:[-+*/](?:-|${numberPattern}(?:=(?:-|${numberPattern})?)?)?)?)$`).test(line);
}

/** The vocabulary of prompt and lines with a format's own marks in its place. */
export function equationPieces(marks: readonly string[]): readonly string[] {
  return [
    "###Question: numbers [",
    "]->target ",
    "\n###Response:\n",
    ...marks,
    ", ",
    ..."0123456789",
    "+",
    "-",
    "*",
    "/",
    "=",
    "\n",
  ];
}
