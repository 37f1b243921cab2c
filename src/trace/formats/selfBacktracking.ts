// The text of Self-Backtracking (arXiv 2502.04404; src/train.py of its repository): a prompt, one equation a line, then
// "Goal Reached!" or "<backtrack>". Knows the grammar and no rule of the puzzle: whether an equation is right is the grader's.
import { quote } from "../../lib/text.ts";
import { type CountdownAction, type CountdownProblem, countdown, equation, type Operator } from "../../puzzle/countdown.ts";
import type { SearchEvent, Trace } from "../../solver/events.ts";
import type { Format, Parsed, Rendered, Span } from "../format.ts";

const goalMark = "Goal Reached!";
const backtrackMark = "<backtrack>";

/** No leading zeros and no -0, so that every number has one spelling and rendering restores the text. */
const numberPattern = "(?:0|-?[1-9][0-9]*)";
const linePattern = new RegExp(`(${numberPattern})([-+*/])(${numberPattern})=(${numberPattern})\n`, "y");
const promptPattern =
  /^###Question: numbers \[((?:0|[1-9][0-9]*)(?:, (?:0|[1-9][0-9]*))*)\]->target (0|[1-9][0-9]*)\n###Response:\n/;

type Event = SearchEvent<CountdownAction>;

function prompt(problem: CountdownProblem): string {
  return `###Question: numbers [${problem.numbers.join(", ")}]->target ${problem.target}\n###Response:\n`;
}

function readPrompt(text: string): { problem: CountdownProblem; length: number } | undefined {
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

/** Actions from the root to a node. */
function pathTo(trace: Trace<CountdownAction>, node: number): CountdownAction[] {
  const origins = new Map<number, { parent: number; action: CountdownAction }>();
  for (const event of trace) if (event.kind === "generate") origins.set(event.node, event);
  const path: CountdownAction[] = [];
  let current = node;
  while (current !== 0) {
    const origin = origins.get(current);
    // An id that is used up on the way cannot be met twice, so a damaged trace cannot loop.
    if (!origin || !origins.delete(current)) throw new Error(`trace: node ${current} was never generated from the root`);
    path.push(origin.action);
    current = origin.parent;
  }
  return path.reverse();
}

/**
 * One path and its end: the path to the first goal; without a goal, the path to the node of the first backtrack, and
 * the backtrack (always to the parent); without either, the path to the node visited last. Nodes are numbered anew from 1.
 * Expansions, dead ends and the other branches are not kept.
 */
function project(trace: Trace<CountdownAction>): Event[] {
  const goal = trace.find((event) => event.kind === "goal");
  const back = trace.find((event) => event.kind === "backtrack");
  const visit = trace.findLast((event) => event.kind === "visit");
  const last = goal?.node ?? back?.from ?? visit?.node ?? 0;
  const path = pathTo(trace, last);
  const events: Event[] = path.flatMap((action, index): Event[] => [
    { kind: "generate", node: index + 1, parent: index, action },
    { kind: "visit", node: index + 1 },
  ]);
  if (goal) events.push({ kind: "goal", node: path.length });
  // The root has no parent: a backtrack there stays where it is.
  else if (back) events.push({ kind: "backtrack", from: path.length, to: Math.max(0, path.length - 1) });
  return events;
}

/** The span of a `generate` is its equation, that of the `visit` after it is the line's newline: spans tile the text. */
function render(_problem: CountdownProblem, trace: Trace<CountdownAction>): Rendered {
  let text = "";
  const eventSpans: Span[] = [];
  for (const event of project(trace)) {
    const from = text.length;
    if (event.kind === "generate") text += equation(event.action);
    else if (event.kind === "visit") text += "\n";
    else text += event.kind === "goal" ? goalMark : backtrackMark;
    eventSpans.push([from, text.length]);
  }
  return { text, eventSpans };
}

/** Where and why the text at `from` is neither an equation line nor an end mark. */
function lineError(text: string, from: number): { span: Span; message: string } {
  const newline = text.indexOf("\n", from);
  const to = newline < 0 ? text.length : newline;
  const line = text.slice(from, to);
  const expected = `expected an equation such as 3+4=7 and a newline, ${quote(goalMark)} or ${quote(backtrackMark)}`;
  if (newline < 0 && isCutOff(line)) return { span: [from, to], message: `the text is cut off in ${quote(line)}: ${expected}` };
  const big = /[0-9]{16,}/.test(line) ? " (integers are read up to 2^53 - 1)" : "";
  const zero = /(?<![0-9])0[0-9]|-0(?![0-9])/.test(line) ? " (numbers have no leading zeros)" : "";
  return { span: [from, newline < 0 ? to : to + 1], message: `${expected}, found ${quote(line)}${big}${zero}` };
}

/** Whether more text could make the line valid. */
function isCutOff(line: string): boolean {
  if (goalMark.startsWith(line) || backtrackMark.startsWith(line)) return true;
  return new RegExp(`^(?:-|${numberPattern}(?:[-+*/](?:-|${numberPattern}(?:=(?:-|${numberPattern})?)?)?)?)$`).test(line);
}

/**
 * Lines up to the end mark. Nothing may follow the end mark, a newline neither: generation stops there. Integers are
 * read up to 2^53 - 1, beyond which a text could not be restored. Never throws.
 */
function parse(_problem: CountdownProblem, text: string): Parsed<CountdownAction> {
  const events: Event[] = [];
  const eventSpans: Span[] = [];
  let at = 0;
  let node = 0;
  const ended = (from: number): Parsed<CountdownAction> => {
    if (from === text.length) return { events, eventSpans, errors: [] };
    const rest = text.slice(from);
    return {
      events,
      eventSpans,
      errors: [
        { span: [from, text.length], message: `nothing may follow the end mark, not even a newline; found ${quote(rest)}` },
      ],
    };
  };
  while (at < text.length) {
    if (text.startsWith(goalMark, at)) {
      events.push({ kind: "goal", node });
      eventSpans.push([at, at + goalMark.length]);
      return ended(at + goalMark.length);
    }
    if (text.startsWith(backtrackMark, at)) {
      events.push({ kind: "backtrack", from: node, to: Math.max(0, node - 1) });
      eventSpans.push([at, at + backtrackMark.length]);
      return ended(at + backtrackMark.length);
    }
    const action = readLine(text, at);
    if (!action) return { events, eventSpans, errors: [lineError(text, at)] };
    const end = linePattern.lastIndex;
    events.push({ kind: "generate", node: node + 1, parent: node, action }, { kind: "visit", node: node + 1 });
    eventSpans.push([at, end - 1], [end - 1, end]);
    node++;
    at = end;
  }
  return { events, eventSpans, errors: [] };
}

function readLine(text: string, at: number): CountdownAction | undefined {
  linePattern.lastIndex = at;
  const match = linePattern.exec(text);
  if (!match) return undefined;
  const [left, right, result] = [Number(match[1]), Number(match[3]), Number(match[4])];
  if (![left, right, result].every(Number.isSafeInteger)) return undefined;
  return { left, op: match[2] as Operator, right, result };
}

/** Format `self-backtracking` of Countdown. A response holds at most one `<backtrack>`, at its end; rollback is the decoder's. */
export const selfBacktracking: Format<CountdownProblem, CountdownAction> = {
  name: "self-backtracking",
  vocabulary: {
    pieces: [
      "###Question: numbers [",
      "]->target ",
      "\n###Response:\n",
      goalMark,
      ", ",
      ..."0123456789",
      "+",
      "-",
      "*",
      "/",
      "=",
      "\n",
    ],
    special: [backtrackMark],
  },
  markers: { goal: goalMark, backtrack: backtrackMark, stepDelimiter: "\n" },
  prompt,
  readPrompt,
  project,
  render,
  parse,
};
