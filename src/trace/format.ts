// The Format port: a reversible text grammar over search events. Pure; knows nothing of tokens or models.
import type { Trace } from "../solver/events.ts";
import type { ErrorKind } from "./verdict.ts";

/** Half-open character range [from, to) in UTF-16 units of the text it belongs to. */
export type Span = readonly [from: number, to: number];

export interface Rendered {
  readonly text: string;
  /** Where each event stands in `text`; index = index of the event in the projected trace. Ordered; empty spans are allowed. */
  readonly eventSpans: readonly Span[];
}

/**
 * A place where the text is wrong by itself. Kind `format` (the default): it leaves the grammar, and nothing after it is
 * read. Other kinds: the grammar holds, but something the text says twice does not agree (a restated pool, a node
 * number, a cost); reading goes on.
 */
export interface SyntaxError {
  readonly kind?: ErrorKind;
  /** Index of the event it belongs to, for the step number; default: the number of events read. */
  readonly event?: number;
  /** Not empty, unless the text is. */
  readonly span: Span;
  readonly message: string;
}

export interface Parsed<Action, State = unknown> {
  /** Events of the longest valid part. */
  readonly events: Trace<Action, State>;
  readonly eventSpans: readonly Span[];
  readonly errors: readonly SyntaxError[];
}

/**
 * What a tokenizer for models from scratch is derived from. `pieces` are atomic texts (matched longest first); every
 * text of the format is a concatenation of pieces. `special` pieces are control tokens such as `<backtrack>`.
 */
export interface Vocabulary {
  readonly pieces: readonly string[];
  readonly special: readonly string[];
}

/** Marks that decoding policies need to know about a format, all as literal text. */
export interface Markers {
  /** The text that declares success; a completion is a candidate when it holds it. Empty: every completion is one. */
  readonly goal: string;
  /** More text follows the goal mark (the way is told, for example): decoding does not stop at it. */
  readonly goalGoesOn?: true;
  /** The text that asks the decoder for a step back. A format whose texts go back by themselves has none. */
  readonly backtrack?: string;
  /** What ends a step. */
  readonly stepDelimiter: string;
}

/** What a format promises about the search it writes, beyond that each step is legal. The grader holds a text to it. */
export interface Discipline {
  /** Children listed after an `expand` are all legal actions, in the puzzle's order: a missing or strange one is `neighbours`. */
  readonly allChildren?: boolean;
  /**
   * Children listed after an `expand` are, in any order, exactly the legal ones whose state is unknown or comes with less depth
   * than it is known with (`frontier` must be named): others are `neighbours`. The list at the end of a text may be cut off.
   */
  readonly newChildren?: boolean;
  /** The search ends with the list that holds a goal: an `expand` after it is `queue`. */
  readonly stopsAtGoal?: boolean;
  /** The answer told after the search is the way in its tree: another one is `traceback`. */
  readonly answerFromTree?: boolean;
  /** Which open node is expanded next: the oldest (`fifo`), or one of least depth + heuristic (`astar`, named). Otherwise `queue`. */
  readonly frontier?: "fifo" | { readonly astar: string };
  /** A state that was expanded is not expanded again: `revisit`. */
  readonly noRevisit?: boolean;
  /** `deadEnd` is an assertion about the state (judged: `dead-end-invented`), not only the search's decision to leave. */
  readonly assertsDeadEnds?: boolean;
}

/**
 * A grammar. Laws, held by test on every solver's traces of its puzzle: parse(render(t)).events = project(t) without
 * errors; project is idempotent; render(project(t)) = render(t); render(parse(x).events) = x for every x that parses
 * without errors; on any other text parse gives the longest valid part and at least one located error, and never throws.
 */
export interface Format<Problem, Action, State = unknown> {
  readonly name: string;
  /** Name of the puzzle it writes. */
  readonly puzzle: string;
  readonly vocabulary: Vocabulary;
  readonly markers: Markers;
  readonly discipline?: Discipline;
  prompt(problem: Problem): string;
  /** The problem from a prompt text, or undefined when the text does not begin with a prompt of this format. */
  readPrompt(text: string): { readonly problem: Problem; readonly length: number } | undefined;
  /** What this format keeps of a trace: what `parse` gives back for its text. */
  project(problem: Problem, trace: Trace<Action, State>): Trace<Action, State>;
  render(problem: Problem, trace: Trace<Action, State>): Rendered;
  /** `text` is the response without the prompt. Never throws. */
  parse(problem: Problem, text: string): Parsed<Action, State>;
}

/** A format of an unknown puzzle, as registries and loops hold it. */
export type AnyFormat = Format<unknown, unknown, unknown>;
