// Countdown answers one after another, each given up but the last (variable-length revision; "Towards System 2 Reasoning in
// LLMs", arXiv 2501.04682). The text is ours: the prompt and lines of self-backtracking, and a mark behind each answer.
import { type CountdownAction, type CountdownProblem, type CountdownState, equation } from "../../puzzle/countdown.ts";
import type { NodeId, SearchEvent, Trace } from "../../solver/events.ts";
import type { Format, Parsed, Rendered, Span } from "../format.ts";
import { pathTo } from "../path.ts";
import { equationLineError, equationPieces, equationPrompt, readEquationLine, readEquationPrompt } from "./equationLines.ts";

const goalMark = "Goal Reached!";
const wrongMark = "Wrong.";
const wrongLine = `${wrongMark}\n`;

type Event = SearchEvent<CountdownAction, CountdownState>;

/** Nodes at which an answer of the trace ends: those left by a backtrack without having had children, and the last place. */
function answersOf(trace: Trace<CountdownAction, CountdownState>): { wrong: NodeId[]; last: NodeId; goal: boolean } {
  const parents = new Set<NodeId>([0]);
  const wrong = new Set<NodeId>();
  let last = 0;
  for (const event of trace) {
    if (event.kind === "goal") return { wrong: [...wrong], last: event.node, goal: true };
    if (event.kind === "generate") parents.add(event.parent);
    else if (event.kind === "visit") last = event.node;
    else if (event.kind === "backtrack") {
      if (!parents.has(event.from)) wrong.add(event.from);
      last = 0;
    }
  }
  return { wrong: [...wrong], last, goal: false };
}

/**
 * Every answer that the trace gives up, and the one at its end: the path to the goal, or to the node visited after the
 * last backtrack. An answer given up is a node that a backtrack leaves and that had no children by then; it begins at the root
 * again, with nodes of its own. What follows the first goal, and goals of the root, are not kept.
 */
function project(_problem: CountdownProblem, trace: Trace<CountdownAction, CountdownState>): Event[] {
  const { wrong, last, goal } = answersOf(trace);
  const events: Event[] = [];
  let node = 0;
  const tell = (end: NodeId): void => {
    for (const [index, action] of pathTo(trace, end).entries()) {
      node++;
      events.push({ kind: "generate", node, parent: index === 0 ? 0 : node - 1, action }, { kind: "visit", node });
    }
  };
  for (const end of wrong) {
    tell(end);
    events.push({ kind: "deadEnd", node }, { kind: "backtrack", from: node, to: 0 });
  }
  tell(last);
  if (goal && last !== 0) events.push({ kind: "goal", node });
  return events;
}

/** Spans: an equation, its newline, a mark, the newline behind "Wrong." (the backtrack). They tile the text. */
function render(problem: CountdownProblem, trace: Trace<CountdownAction, CountdownState>): Rendered {
  let text = "";
  const eventSpans: Span[] = [];
  for (const event of project(problem, trace)) {
    const from = text.length;
    if (event.kind === "generate") text += equation(event.action);
    else if (event.kind === "deadEnd") text += wrongMark;
    else text += event.kind === "goal" ? goalMark : "\n";
    eventSpans.push([from, text.length]);
  }
  return { text, eventSpans };
}

/** Answers up to the goal mark, behind which nothing may stand. Every answer has at least one equation. Never throws. */
function parse(_problem: CountdownProblem, text: string): Parsed<CountdownAction, CountdownState> {
  const events: Event[] = [];
  const eventSpans: Span[] = [];
  let at = 0;
  let node = 0;
  /** Node at which the present answer stands; 0 before its first equation. */
  let stands = 0;
  const push = (event: Event, length: number): void => {
    events.push(event);
    eventSpans.push([at, at + length]);
    at += length;
  };
  while (at < text.length) {
    if (stands !== 0 && text.startsWith(goalMark, at)) {
      push({ kind: "goal", node }, goalMark.length);
      break;
    }
    if (stands !== 0 && text.startsWith(wrongLine, at)) {
      push({ kind: "deadEnd", node }, wrongMark.length);
      push({ kind: "backtrack", from: node, to: 0 }, 1);
      stands = 0;
      continue;
    }
    const line = readEquationLine(text, at);
    if (!line) {
      return { events, eventSpans, errors: [equationLineError(text, at, stands === 0 ? [] : [goalMark, wrongMark])] };
    }
    push({ kind: "generate", node: node + 1, parent: stands, action: line.action }, line.end - 1 - at);
    push({ kind: "visit", node: node + 1 }, 1);
    stands = ++node;
  }
  const rest: Span = [at, text.length];
  const errors = at < text.length ? [{ span: rest, message: "nothing may follow the goal mark, not even a newline" }] : [];
  return { events, eventSpans, errors };
}

/**
 * Format `revision` of Countdown: rows of equations that end in "Wrong." and a newline, then the row that ends in "Goal
 * Reached!". "Wrong." is the deadEnd of the answer's last node and a backtrack to the root: it says that the answer is
 * wrong, not that its numbers are hopeless, so it is not held against what could still be reached. There is no backtrack marker for
 * decoders, because the text goes on by itself. End of text is trained only behind the goal mark, so a model learns to
 * go on until it is right.
 */
export const revision: Format<CountdownProblem, CountdownAction, CountdownState> = {
  name: "revision",
  puzzle: "countdown",
  vocabulary: { pieces: equationPieces([goalMark, wrongMark]), special: [] },
  markers: { goal: goalMark, stepDelimiter: "\n" },
  prompt: equationPrompt,
  readPrompt: readEquationPrompt,
  project,
  render,
  parse,
};
