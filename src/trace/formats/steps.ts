// A format for answers that are a row of steps: one action a line, then a mark for success. What a user's own puzzle needs
// to be trained on and graded; the puzzle says how an action is written and read.
import type { SearchEvent, Trace } from "../../solver/events.ts";
import type { Format, Parsed, Rendered, Span } from "../format.ts";
import { pathTo } from "../path.ts";

/** How a puzzle's answers are written. */
export interface StepsGrammar<Problem, Action> {
  readonly name: string;
  /** Name of the puzzle. */
  readonly puzzle: string;
  prompt(problem: Problem): string;
  readPrompt(text: string): { readonly problem: Problem; readonly length: number } | undefined;
  /** An action as one line, without a newline: one spelling for each action. */
  writeAction(action: Action): string;
  /** The action of a line, or undefined when it is none. Only the spelling of writeAction is taken. */
  readAction(line: string): Action | undefined;
  /** The line that declares success. */
  readonly goal: string;
  /** Atomic texts of prompts and actions, for tokenizers; the goal and the newline need not be listed. */
  readonly pieces: readonly string[];
}

function steps<Action>(path: readonly Action[]): SearchEvent<Action, never>[] {
  return path.flatMap((action, index) => [
    { kind: "generate", node: index + 1, parent: index, action } as const,
    { kind: "visit", node: index + 1 } as const,
  ]);
}

/**
 * The format of a grammar. Kept of a trace: the path to the first goal and the goal; without a goal the path to the node
 * visited last. A text may stop after any step; nothing may follow the goal.
 */
export function stepsFormat<Problem, Action, State>(grammar: StepsGrammar<Problem, Action>): Format<Problem, Action, State> {
  const { goal } = grammar;
  const project = (_problem: Problem, trace: Trace<Action, State>): Trace<Action, State> => {
    const reached = trace.find((event) => event.kind === "goal");
    const visited = trace.findLast((event) => event.kind === "visit");
    const path = pathTo(trace, reached?.node ?? visited?.node ?? 0);
    return reached ? [...steps(path), { kind: "goal", node: path.length }] : steps(path);
  };
  const render = (problem: Problem, trace: Trace<Action, State>): Rendered => {
    let text = "";
    const eventSpans: Span[] = [];
    for (const event of project(problem, trace)) {
      const from = text.length;
      text += event.kind === "generate" ? grammar.writeAction(event.action) : event.kind === "visit" ? "\n" : goal;
      eventSpans.push([from, text.length]);
    }
    return { text, eventSpans };
  };
  return {
    name: grammar.name,
    puzzle: grammar.puzzle,
    vocabulary: { pieces: [...new Set([...grammar.pieces, "\n", goal])], special: [] },
    markers: { goal, stepDelimiter: "\n" },
    prompt: (problem) => grammar.prompt(problem),
    readPrompt: (text) => grammar.readPrompt(text),
    project,
    render,
    parse: (_problem, text) => parseSteps(grammar, text),
  };
}

function parseSteps<Problem, Action, State>(grammar: StepsGrammar<Problem, Action>, text: string): Parsed<Action, State> {
  const path: Action[] = [];
  const eventSpans: Span[] = [];
  let at = 0;
  while (at < text.length) {
    const newline = text.indexOf("\n", at);
    const action = newline < 0 ? undefined : grammar.readAction(text.slice(at, newline));
    if (action === undefined) break;
    path.push(action);
    eventSpans.push([at, newline], [newline, newline + 1]);
    at = newline + 1;
  }
  const events: SearchEvent<Action, State>[] = steps(path);
  if (text.slice(at) === grammar.goal) {
    events.push({ kind: "goal", node: path.length });
    eventSpans.push([at, text.length]);
    at = text.length;
  }
  if (at === text.length) return { events, eventSpans, errors: [] };
  const message = `expected a step and a newline, or ${JSON.stringify(grammar.goal)} and nothing behind it`;
  return { events, eventSpans, errors: [{ span: [at, text.length], message }] };
}
