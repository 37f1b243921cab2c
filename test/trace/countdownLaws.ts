// What every Countdown format must hold: the laws of the Format port, over random trees and over the solvers' traces.
import fc from "fast-check";
import { expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import {
  type CountdownAction,
  type CountdownProblem,
  type CountdownState,
  countdown,
  countdownOptions,
} from "../../src/puzzle/countdown.ts";
import type { SearchEvent } from "../../src/solver/events.ts";
import { solve } from "../../src/solver/registry.ts";
import { solverSettings } from "../../src/solver/settings.ts";
import type { Format } from "../../src/trace/format.ts";

export type Event = SearchEvent<CountdownAction, CountdownState>;
type CountdownFormat = Format<CountdownProblem, CountdownAction, CountdownState>;

/** Trees of steps that may be right or wrong, with marks anywhere. */
function treesOf({ puzzle, numbers, target }: CountdownProblem): fc.Arbitrary<Event[]> {
  const problem: CountdownProblem = { puzzle, numbers, target };
  const wrong = fc.record({
    left: fc.oneof(fc.constantFrom(...numbers), fc.integer({ min: -20, max: 99 })),
    op: fc.constantFrom("+", "-", "*", "/") as fc.Arbitrary<CountdownAction["op"]>,
    right: fc.oneof(fc.constantFrom(...numbers), fc.integer({ min: -20, max: 99 })),
    result: fc.oneof(fc.constant(target), fc.integer({ min: -20, max: 9999 }), fc.maxSafeInteger()),
  });
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

const solverKinds = [
  { kind: "exhaustive" },
  { kind: "optimal" },
  { kind: "dfs", heuristic: "sum" },
  { kind: "dfs", heuristic: "mult", threshold: "none" },
  { kind: "beam", heuristic: "sum", width: 1 },
  { kind: "beam", heuristic: "mult", width: 4 },
  { kind: "bfs" },
  { kind: "best-first", ties: "random", childOrder: "random" },
  { kind: "astar", heuristic: "sum" },
  { kind: "mcts", simulations: 30 },
  { kind: "think" },
];

/** Traces of every solver of Countdown for a few drawn problems of 2 to 4 numbers. */
function solverTraces(): { name: string; problem: CountdownProblem; trace: Event[] }[] {
  return [2, 3, 4].flatMap((numbers) =>
    [0, 1].flatMap((seed) => {
      const options = countdownOptions.parse({ kind: "countdown", numbers, operands: [1, 20], targets: [5, 40] });
      const problem = countdown.generate(Rng.for(seed, "laws", numbers), options);
      return solverKinds.map((asked) => {
        const settings = solverSettings.parse({ ...asked, maxNodes: 300 });
        const trace = [...solve(countdown, problem, settings, Rng.for(seed, "solver"))];
        return { name: `${JSON.stringify(asked)}, ${numbers} numbers`, problem, trace };
      });
    }),
  );
}

/** Pieces as a tokenizer takes them: the longest that fits, from left to right. What no piece fits stays. */
function untokenized(format: CountdownFormat, text: string): string {
  const { pieces, special } = format.vocabulary;
  const longestFirst = [...special, ...pieces].sort((a, b) => b.length - a.length);
  const escaped = longestFirst.map((piece) => piece.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return text.replace(new RegExp(escaped.join("|"), "g"), "");
}

function holdsFor(format: CountdownFormat, problem: CountdownProblem, trace: readonly Event[]): void {
  const projected = format.project(problem, trace);
  const { text, eventSpans } = format.render(problem, trace);
  expect(format.parse(problem, text)).toEqual({ events: projected, eventSpans, errors: [] });
  expect(format.project(problem, projected)).toEqual(projected);
  expect(format.render(problem, projected)).toEqual({ text, eventSpans });
  expect(eventSpans.map(([from, to]) => text.slice(from, to)).join("")).toBe(text);
  expect(untokenized(format, format.prompt(problem) + text)).toBe("");
}

/** Tests of the laws. `broken` are texts to splice into right ones. */
export function itHoldsTheLaws(format: CountdownFormat, problem: CountdownProblem, broken: readonly string[]): void {
  it("parse(render(t)) = project(t), project is idempotent, spans tile the text, pieces cover it: for any tree", () => {
    fc.assert(
      fc.property(treesOf(problem), (trace) => holdsFor(format, problem, trace)),
      { numRuns: 400 },
    );
  });

  it.each(solverTraces())("the same for the trace of $name", ({ problem: drawn, trace }) => {
    holdsFor(format, drawn, trace);
  });

  it("a cut or spliced text is read to its longest valid part, and what is wrong lies in the text", () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(30), fc.constantFrom("", ...broken)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(treesOf(problem), edits, (trace, changes) => {
        let text = format.render(problem, trace).text;
        for (const [place, gap, piece] of changes) {
          const at = place % (text.length + 1);
          text = text.slice(0, at) + piece + text.slice(at + gap);
        }
        const parsed = format.parse(problem, text);
        const restored = format.render(problem, parsed.events).text;
        if (parsed.errors.length === 0) expect(restored).toBe(text);
        if (parsed.errors.every(({ kind = "format" }) => kind === "format")) expect(text.startsWith(restored)).toBe(true);
        for (const { span } of parsed.errors) expect(0 <= span[0] && span[0] < span[1] && span[1] <= text.length).toBe(true);
        expect(parsed.eventSpans).toHaveLength(parsed.events.length);
      }),
      { numRuns: 600 },
    );
  });

  it("never throws, whatever the text", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => void format.parse(problem, text)));
  });
}
