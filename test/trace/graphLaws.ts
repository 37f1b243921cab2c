// The laws of the Format port as assertions, for the tests of graph and maze formats.
import { expect } from "vitest";
import type { Trace } from "../../src/solver/events.ts";
import type { Format } from "../../src/trace/format.ts";

/** parse(render(t)) = project(t) with the same places; project is idempotent; render does not see what project drops. */
export function expectTraceLaws<Problem, Action, State>(
  format: Format<Problem, Action, State>,
  problem: Problem,
  trace: Trace<Action, State>,
): void {
  const projected = format.project(problem, trace);
  const rendered = format.render(problem, trace);
  expect(format.parse(problem, rendered.text)).toEqual({ events: projected, eventSpans: rendered.eventSpans, errors: [] });
  expect(format.project(problem, projected)).toEqual(projected);
  expect(format.render(problem, projected)).toEqual(rendered);
  let last = 0;
  for (const [from, to] of rendered.eventSpans) {
    expect(from).toBeGreaterThanOrEqual(last);
    expect(to).toBeGreaterThanOrEqual(from);
    last = to;
  }
  expect(last).toBeLessThanOrEqual(rendered.text.length);
}

/** render(parse(x)) = x for valid x; else the valid part comes back (where nothing read is wrong) and each error has a place. */
export function expectTextLaws<Problem, Action, State>(
  format: Format<Problem, Action, State>,
  problem: Problem,
  text: string,
): void {
  const { events, eventSpans, errors } = format.parse(problem, text);
  expect(eventSpans).toHaveLength(events.length);
  const restored = format.render(problem, events).text;
  if (errors.length === 0) expect(restored).toBe(text);
  else if (errors.every(({ kind }) => kind === undefined)) expect(text.startsWith(restored)).toBe(true);
  for (const { span, message } of errors) {
    expect(0 <= span[0] && span[0] < span[1] && span[1] <= text.length).toBe(true);
    expect(message).not.toBe("");
  }
  expect(errors.filter(({ kind }) => kind === undefined).length).toBeLessThanOrEqual(1);
}

/** Every text of the format is a concatenation of its pieces. */
export function expectPieces<Problem, Action, State>(format: Format<Problem, Action, State>, text: string): void {
  const pieces = [...format.vocabulary.pieces].sort((a, b) => b.length - a.length);
  expect(new Set(pieces).size).toBe(pieces.length);
  const escaped = pieces.map((piece) => piece.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  expect(text).toMatch(new RegExp(`^(?:${escaped.join("|")})*$`));
}
