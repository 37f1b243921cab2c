// The laws of the Format port, checked on traces of solvers and on texts cut, spliced and scrambled from them.
import { isDeepStrictEqual } from "node:util";
import type { Rng } from "../lib/rng.ts";
import type { Trace } from "../solver/events.ts";
import type { AnyFormat, Parsed, Span, SyntaxError as TextError } from "../trace/format.ts";
import { uncoveredAt } from "../trace/tokenCount.ts";
import { tokenList } from "../trace/tokenizer.ts";
import { type LawBook, shown } from "./law.ts";

/** Checks all laws of a format on one trace of one problem, and on texts broken from it; `name` says where the trace comes from. */
export function checkFormat(
  book: LawBook,
  format: AnyFormat,
  problem: unknown,
  trace: Trace<unknown>,
  name: string,
  rng: Rng,
): void {
  const about = () => `${name}, prompt ${shown(format.prompt(problem), 120)}`;
  book.check("it can write every trace of a solver, and its prompt", about, () => {
    const { text } = format.render(problem, trace);
    const prompt = format.prompt(problem);
    checkProjection(book, format, problem, trace, about);
    book.check("readPrompt(prompt(p)) is p", about, () => {
      const read = format.readPrompt(prompt + text);
      if (read === undefined) return "it does not know its own prompt";
      if (read.length !== prompt.length) return `it reads ${read.length} of ${prompt.length} characters`;
      return format.prompt(read.problem) === prompt ? undefined : "it reads another problem";
    });
    book.check("a tokenizer can be derived from the vocabulary, and it covers prompt and response", about, () => {
      tokenList(format.vocabulary);
      const at = uncoveredAt(format.vocabulary, prompt + text);
      return at === undefined ? undefined : `no piece begins at ${shown((prompt + text).slice(at, at + 20))}`;
    });
    for (const broken of corrupted(text, rng)) checkText(book, format, problem, broken, name);
    return undefined;
  });
}

/** What is kept of a trace, and that its text tells it. */
function checkProjection(book: LawBook, format: AnyFormat, problem: unknown, trace: Trace<unknown>, about: () => string): void {
  const projected = format.project(problem, trace);
  const { text, eventSpans } = format.render(problem, trace);
  book.check("parse(render(t)) = project(t), without errors", about, () => {
    const parsed = format.parse(problem, text);
    if (parsed.errors.length > 0) return `${shown(parsed.errors[0])} in ${shown(text, 600)}`;
    if (!isDeepStrictEqual(parsed.events, projected)) return firstDifference(parsed.events, projected);
    return isDeepStrictEqual(parsed.eventSpans, eventSpans) ? undefined : "the spans of parse and render differ";
  });
  book.check("project is idempotent", about, () => {
    const again = format.project(problem, projected);
    return isDeepStrictEqual(again, projected) ? undefined : firstDifference(again, projected);
  });
  book.check("render(project(t)) = render(t)", about, () => {
    const again = format.render(problem, projected);
    if (again.text !== text) return `the texts differ: ${shown(text, 600)}`;
    return isDeepStrictEqual(again.eventSpans, eventSpans) ? undefined : "the spans differ";
  });
  book.check("spans lie in the text and in order", about, () => {
    if (eventSpans.length !== projected.length) return `${eventSpans.length} spans for ${projected.length} events`;
    return misplaced(eventSpans, text.length);
  });
}

/** Checks the laws that hold for any text at all; `name` says where the text comes from. */
export function checkText(book: LawBook, format: AnyFormat, problem: unknown, text: string, name: string): void {
  const about = () => `a text broken from ${name}: ${shown(text, 600)}`;
  let parsed: Parsed<unknown> | undefined;
  book.check("parse never throws", about, () => {
    parsed = format.parse(problem, text);
    return undefined;
  });
  if (parsed === undefined) return;
  const { events, eventSpans, errors } = parsed;
  book.check("a text that parses without errors is rendered back to the letter", about, () => {
    if (errors.length > 0) return undefined;
    const back = format.render(problem, events).text;
    return back === text ? undefined : `it becomes ${shown(back, 600)}`;
  });
  // Where something restated is wrong as well, render writes it right, and the texts part there.
  book.check("of a text that leaves the grammar, the part that was read is rendered back", about, () => {
    if (!errors.every(isSyntax)) return undefined;
    const back = format.render(problem, events).text;
    return text.startsWith(back) ? undefined : `it becomes ${shown(back, 600)}`;
  });
  book.check("nothing is read behind the place where a text leaves the grammar", about, () => {
    const { length } = errors.filter(isSyntax);
    return length <= 1 ? undefined : `there are ${length} errors of kind format`;
  });
  book.check("errors and events are located inside the text, and errors say what is wrong", about, () => {
    if (eventSpans.length !== events.length) return `${eventSpans.length} spans for ${events.length} events`;
    const outside = errors.find(({ span }) => !points(span, text));
    if (outside !== undefined) return `the error's span ${shown(outside.span)}`;
    if (errors.some(({ message }) => message === "")) return "an error without a message";
    return misplaced(eventSpans, text.length);
  });
}

function isSyntax({ kind = "format" }: TextError): boolean {
  return kind === "format";
}

/** Whether an error's span shows something: one character at least, where there is any. */
function points([from, to]: Span, text: string): boolean {
  return 0 <= from && to <= text.length && (from < to || (text === "" && from === to));
}

function misplaced(spans: readonly Span[], length: number): string | undefined {
  let end = 0;
  for (const [index, [from, to]] of spans.entries()) {
    if (from < end || to < from || to > length) return `event ${index} stands at ${from}-${to} after ${end} of ${length}`;
    end = to;
  }
  return undefined;
}

/** Texts like those of models that go wrong: cut off, a character lost, doubled or changed, two parts swapped, rubbish behind. */
function corrupted(text: string, rng: Rng): string[] {
  if (text === "") return ["\u0000", "x"];
  const at = () => rng.below(text.length);
  const [a, b, c] = [at(), at(), at()].sort((x, y) => x - y) as [number, number, number];
  const strange = rng.pick([" ", "\n", "0", "9", "-", ",", "\ud800", "\u0000", "é", "(", "#"]);
  return [
    text.slice(0, a),
    text.slice(0, a) + text.slice(a + 1),
    text.slice(0, a) + text[a] + text.slice(a),
    text.slice(0, b) + strange + text.slice(b + 1),
    text.slice(0, a) + text.slice(b, c) + text.slice(a, b) + text.slice(c),
    text + strange,
    text.slice(a),
  ];
}

function firstDifference(got: readonly unknown[], wanted: readonly unknown[]): string {
  const index = wanted.findIndex((event, i) => !isDeepStrictEqual(event, got[i]));
  const at = index < 0 ? wanted.length : index;
  return `event ${at} is ${shown(got[at])}, expected ${shown(wanted[at])}`;
}
