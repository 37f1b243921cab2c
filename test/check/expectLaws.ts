// The laws of src/check as assertions, for traces and texts that a test makes itself.
import { expect } from "vitest";
import { checkFormat, checkText } from "../../src/check/formatLaws.ts";
import { LawBook } from "../../src/check/law.ts";
import { Rng } from "../../src/lib/rng.ts";
import type { Trace } from "../../src/solver/events.ts";
import type { Format } from "../../src/trace/format.ts";

/** All laws of a format on a trace, and on texts broken from it. */
export function expectFormatLaws<Problem, Action, State>(
  format: Format<Problem, Action, State>,
  problem: Problem,
  trace: Trace<Action, State>,
): void {
  const book = new LawBook();
  checkFormat(book, format, problem, trace, "a trace of a test", Rng.for("broken", format.render(problem, trace).text));
  expectAll(book);
}

/** The laws that hold for any text. */
export function expectTextLaws<Problem, Action, State>(
  format: Format<Problem, Action, State>,
  problem: Problem,
  text: string,
): void {
  const book = new LawBook();
  checkText(book, format, problem, text, "a test");
  expectAll(book);
}

/** No law of the port, but of the formats whose texts are nothing but their events: the spans are the whole text. */
export function expectTiles<Problem, Action, State>(
  format: Format<Problem, Action, State>,
  problem: Problem,
  trace: Trace<Action, State>,
): void {
  const { text, eventSpans } = format.render(problem, trace);
  expect(eventSpans.map(([from, to]) => text.slice(from, to)).join("")).toBe(text);
}

function expectAll(book: LawBook): void {
  expect(book.results().filter(({ broken }) => broken !== undefined)).toEqual([]);
}
