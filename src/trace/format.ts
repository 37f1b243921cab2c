// The Format port: a reversible text grammar over search events. Pure; knows nothing of tokens or models.
import type { Trace } from "../solver/events.ts";

/** Half-open character range [from, to) in UTF-16 units of the text it belongs to. */
export type Span = readonly [from: number, to: number];

export interface Rendered {
  readonly text: string;
  /** Where each event stands in `text`; index = index of the event in the projected trace. */
  readonly eventSpans: readonly Span[];
}

/** A place where the text leaves the grammar. Kind is always "format" in a verdict. */
export interface SyntaxError {
  readonly span: Span;
  readonly message: string;
}

export interface Parsed<Action> {
  /** Events of the longest valid part. */
  readonly events: Trace<Action>;
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
  /** The text that declares success; a completion is a candidate when it holds it. */
  readonly goal: string;
  /** The text that asks for a step back, if the format has one. */
  readonly backtrack?: string;
  /** What ends a step. */
  readonly stepDelimiter: string;
}

/**
 * A grammar. Laws, held by test: parse(render(t)) = project(t); project is idempotent; render(parse(x)) = x for valid x.
 */
export interface Format<Problem, Action> {
  readonly name: string;
  readonly vocabulary: Vocabulary;
  readonly markers: Markers;
  prompt(problem: Problem): string;
  /** The problem from a prompt text, or undefined when the text is not a prompt of this format. */
  readPrompt(text: string): { readonly problem: Problem; readonly length: number } | undefined;
  /** What this format keeps of a trace. */
  project(trace: Trace<Action>): Trace<Action>;
  render(problem: Problem, trace: Trace<Action>): Rendered;
  /** `text` is the response without the prompt. Never throws. */
  parse(problem: Problem, text: string): Parsed<Action>;
}
