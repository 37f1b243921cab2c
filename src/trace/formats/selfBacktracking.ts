// The text of Self-Backtracking (arXiv 2502.04404; src/train.py of its repository): a prompt, one equation a line, then
// "Goal Reached!" or "<backtrack>". Knows the grammar and no rule of the puzzle: whether an equation is right is the grader's.
import { quote } from "../../lib/text.ts";
import { type CountdownAction, type CountdownProblem, equation } from "../../puzzle/countdown.ts";
import type { SearchEvent, Trace } from "../../solver/events.ts";
import type { Format, Parsed, Rendered, Span } from "../format.ts";
import { pathTo } from "../path.ts";
import { equationLineError, equationPieces, equationPrompt, readEquationLine, readEquationPrompt } from "./equationLines.ts";

const goalMark = "Goal Reached!";
const backtrackMark = "<backtrack>";

type Event = SearchEvent<CountdownAction>;

/**
 * One path and its end: the path to the first goal; without a goal, the path to the node of the first backtrack, and
 * the backtrack (always to the parent); without either, the path to the node visited last. Nodes are numbered anew from 1.
 * Expansions, dead ends and the other branches are not kept.
 */
function project(_problem: CountdownProblem, trace: Trace<CountdownAction>): Event[] {
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
function render(problem: CountdownProblem, trace: Trace<CountdownAction>): Rendered {
  let text = "";
  const eventSpans: Span[] = [];
  for (const event of project(problem, trace)) {
    const from = text.length;
    if (event.kind === "generate") text += equation(event.action);
    else if (event.kind === "visit") text += "\n";
    else text += event.kind === "goal" ? goalMark : backtrackMark;
    eventSpans.push([from, text.length]);
  }
  return { text, eventSpans };
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
    const line = readEquationLine(text, at);
    if (!line) return { events, eventSpans, errors: [equationLineError(text, at, [goalMark, backtrackMark])] };
    const { action, end } = line;
    events.push({ kind: "generate", node: node + 1, parent: node, action }, { kind: "visit", node: node + 1 });
    eventSpans.push([at, end - 1], [end - 1, end]);
    node++;
    at = end;
  }
  return { events, eventSpans, errors: [] };
}

/** Format `self-backtracking` of Countdown. A response holds at most one `<backtrack>`, at its end; rollback is the decoder's. */
export const selfBacktracking: Format<CountdownProblem, CountdownAction> = {
  name: "self-backtracking",
  puzzle: "countdown",
  vocabulary: {
    pieces: equationPieces([goalMark]),
    special: [backtrackMark],
  },
  markers: { goal: goalMark, backtrack: backtrackMark, stepDelimiter: "\n" },
  prompt: equationPrompt,
  readPrompt: readEquationPrompt,
  project,
  render,
  parse,
};
