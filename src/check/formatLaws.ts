// The laws of the Format port, checked on traces of solvers and on texts cut, spliced and scrambled from them.
import { isDeepStrictEqual } from "node:util";
import type { Rng } from "../lib/rng.ts";
import type { Trace } from "../solver/events.ts";
import type { AnyFormat, Parsed } from "../trace/format.ts";
import { type LawBook, shown } from "./law.ts";

/** Checks all laws of a format on one trace of one problem; `name` says where the trace comes from. */
export function checkFormat(
  book: LawBook,
  format: AnyFormat,
  problem: unknown,
  trace: Trace<unknown>,
  name: string,
  rng: Rng,
): void {
  const about = () => `${name}, prompt ${shown(format.prompt(problem), 120)}`;
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
  book.check("render(project(t)) = render(t)", about, () =>
    format.render(problem, projected).text === text ? undefined : `the texts differ: ${shown(text, 600)}`,
  );
  book.check("spans lie in the text and in order", about, () => {
    if (eventSpans.length !== projected.length) return `${eventSpans.length} spans for ${projected.length} events`;
    return misplaced(eventSpans, text.length);
  });
  book.check("readPrompt(prompt(p)) is p", about, () => {
    const prompt = format.prompt(problem);
    const read = format.readPrompt(prompt + text);
    if (read === undefined) return "it does not know its own prompt";
    if (read.length !== prompt.length) return `it reads ${read.length} of ${prompt.length} characters`;
    return format.prompt(read.problem) === prompt ? undefined : "it reads another problem";
  });
  book.check("the vocabulary covers prompt and response", about, () => uncovered(format, format.prompt(problem) + text));
  for (const broken of corrupted(text, rng)) checkText(book, format, problem, broken, name);
}

/** The laws for any text at all. */
function checkText(book: LawBook, format: AnyFormat, problem: unknown, text: string, name: string): void {
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
  book.check("errors and events are located inside the text", about, () => {
    if (eventSpans.length !== events.length) return `${eventSpans.length} spans for ${events.length} events`;
    const outside = errors.find(({ span: [from, to] }) => from < 0 || to < from || to > text.length);
    return outside === undefined ? misplaced(eventSpans, text.length) : `the error's span ${shown(outside.span)}`;
  });
}

function misplaced(spans: readonly (readonly [number, number])[], length: number): string | undefined {
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

/** Longest match over the vocabulary, as the derived tokenizer cuts a text. */
function uncovered(format: AnyFormat, text: string): string | undefined {
  const pieces = [...format.vocabulary.special, ...format.vocabulary.pieces].sort((a, b) => b.length - a.length);
  let at = 0;
  while (at < text.length) {
    const piece = pieces.find((candidate) => text.startsWith(candidate, at));
    if (piece === undefined) return `no piece begins at ${shown(text.slice(at, at + 20))}`;
    at += piece.length;
  }
  return undefined;
}

function firstDifference(got: readonly unknown[], wanted: readonly unknown[]): string {
  const index = wanted.findIndex((event, i) => !isDeepStrictEqual(event, got[i]));
  const at = index < 0 ? wanted.length : index;
  return `event ${at} is ${shown(got[at])}, expected ${shown(wanted[at])}`;
}
