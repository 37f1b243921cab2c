// The laws of src/check on what no solver makes: random trees of right and wrong steps, and texts spliced from them. Solvers'
// traces are the business of test/check.
import fc from "fast-check";
import { it } from "vitest";
import { type CountdownAction, type CountdownProblem, type CountdownState, countdown } from "../../src/puzzle/countdown.ts";
import type { SearchEvent } from "../../src/solver/events.ts";
import type { AnyFormat } from "../../src/trace/format.ts";
import { expectFormatLaws, expectTextLaws, expectTiles } from "../check/expectLaws.ts";

export type Event = SearchEvent<CountdownAction, CountdownState>;

/** Trees of steps that may be right or wrong, with marks anywhere. */
function treesOf({ puzzle, numbers, target }: CountdownProblem): fc.Arbitrary<Event[]> {
  const problem: CountdownProblem = { puzzle, numbers, target };
  const wrong = fc.record(
    {
      left: fc.oneof(fc.constantFrom(...numbers), fc.integer({ min: -20, max: 99 })),
      op: fc.constantFrom("+", "-", "*", "/") as fc.Arbitrary<CountdownAction["op"]>,
      right: fc.oneof(fc.constantFrom(...numbers), fc.integer({ min: -20, max: 99 })),
      result: fc.oneof(fc.constant(target), fc.integer({ min: -20, max: 9999 }), fc.maxSafeInteger()),
    },
    { noNullPrototype: true },
  );
  const mark = fc.constantFrom("visit", "expand", "deadEnd", "goal", "backtrack", "nothing");
  const step = fc.tuple(fc.nat(), fc.option(wrong, { freq: 2 }), fc.nat(), mark, fc.nat());
  return fc.array(step, { maxLength: 12 }).map((steps) => {
    const states: CountdownState[] = [countdown.root(problem)];
    return steps.flatMap(([place, mistake, choice, kind, marked], index): Event[] => {
      const node = index + 1;
      const parent = place % node;
      const state = states[parent] as CountdownState;
      const legal = countdown.actions(problem, state);
      const action = mistake ?? legal[choice % Math.max(1, legal.length)] ?? { left: 1, op: "+", right: 1, result: 3 };
      const applied = countdown.apply(problem, state, action);
      states.push(applied.ok ? applied.state : countdown.applyAsClaimed(problem, state, action));
      const events: Event[] = [{ kind: "generate", node, parent, action }];
      const at = marked % 3 === 0 ? marked % (node + 1) : node;
      if (kind === "backtrack") events.push({ kind, from: at, to: 0 });
      else if (kind !== "nothing") events.push({ kind: kind as "visit" | "expand" | "deadEnd" | "goal", node: at });
      return events;
    });
  });
}

/** Tests of a Countdown format's laws on random trees and on random texts; `broken` are pieces to splice into right ones. */
export function itHoldsTheLaws(format: AnyFormat, problem: CountdownProblem, broken: readonly string[]): void {
  it("any tree keeps the laws, and its events are the whole text", () => {
    fc.assert(
      fc.property(treesOf(problem), (trace) => {
        expectFormatLaws(format, problem, trace);
        expectTiles(format, problem, trace);
      }),
      { numRuns: 400 },
    );
  });

  it("so does a text that is cut or spliced in several places", () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(30), fc.constantFrom("", ...broken)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(treesOf(problem), edits, (trace, changes) => {
        let text = format.render(problem, trace).text;
        for (const [place, gap, piece] of changes) {
          const at = place % (text.length + 1);
          text = text.slice(0, at) + piece + text.slice(at + gap);
        }
        expectTextLaws(format, problem, text);
      }),
      { numRuns: 600 },
    );
  });

  it("so does any row of pieces, and any string", () => {
    const pieces = fc.array(fc.constantFrom(...broken, ...format.vocabulary.special, ...format.vocabulary.pieces), {
      maxLength: 12,
    });
    const text = fc.oneof(
      pieces.map((row) => row.join("")),
      fc.string({ unit: "binary", maxLength: 60 }),
    );
    fc.assert(fc.property(text, (any) => expectTextLaws(format, problem, any)));
  });
}
