// The laws of the Solver port on every solver and every puzzle there is, and on a made-up one with cycles.
import { describe, expect, it } from "vitest";
import { solverChoices } from "../../src/check/solverChoices.ts";
import { breaches } from "../../src/check/solverLaws.ts";
import { Rng } from "../../src/lib/rng.ts";
import { reachableValues } from "../../src/puzzle/countdownReach.ts";
import type { AnyPuzzle } from "../../src/puzzle/puzzle.ts";
import { allPuzzles, findPuzzle } from "../../src/puzzle/registry.ts";
import type { Trace } from "../../src/solver/events.ts";
import { solve, solversFor } from "../../src/solver/registry.ts";
import { type SolverSettings, solverSettings } from "../../src/solver/settings.ts";
import { type WalkProblem, walk } from "./toys.ts";

/** Options that keep a puzzle's problems small enough for every solver; a puzzle that is not named has its defaults. */
const small: Readonly<Record<string, object>> = { sudoku: { size: 4 }, maze: { size: 6 } };
const problemsEach = 6;
const budget = 400;

function problemsOf(puzzle: AnyPuzzle): unknown[] {
  const options = puzzle.readOptions({ kind: puzzle.name, ...small[puzzle.name] });
  return Array.from({ length: problemsEach }, (_, index) => puzzle.generate(Rng.for(5, "laws", puzzle.name, index), options));
}

const circles: WalkProblem[] = [
  { edges: { a: ["b", "c"], b: ["a", "c", "d"], c: ["b", "e"], e: ["a", "f"] }, from: "a", to: "f", estimates: { c: 9, b: 1 } },
  { edges: { a: ["b", "c"], b: ["a"], c: ["b"] }, from: "a", to: "f" },
  { edges: {}, from: "a", to: "a" },
  { edges: {}, from: "a", to: "b" },
];

const tables: readonly (readonly [AnyPuzzle, readonly unknown[]])[] = [
  ...allPuzzles().map((puzzle) => [puzzle, problemsOf(puzzle)] as const),
  [walk, circles],
];

/** Every choice of a solver's settings on a puzzle that is not cut off at once. */
const settingsFor = (puzzle: AnyPuzzle, name: string) =>
  solverChoices(puzzle, name, budget).filter(({ maxNodes }) => maxNodes === budget);

const run = (puzzle: AnyPuzzle, problem: unknown, settings: SolverSettings): Trace<unknown> => [
  ...solve(puzzle, problem, settings, Rng.for(11, "solver")),
];
const made = (events: Trace<unknown>) => events.filter((event) => event.kind === "generate").length;

describe.each(tables)("on $name", (puzzle, problems) => {
  const names = solversFor(puzzle.name).filter((name) => settingsFor(puzzle, name).length > 0);
  it.each(names)("%s keeps the laws", (name) => {
    for (const settings of settingsFor(puzzle, name)) {
      for (const problem of problems) {
        const events = run(puzzle, problem, settings);
        expect(breaches(puzzle, problem, events)).toEqual([]);
        expect(made(events)).toBeLessThanOrEqual(budget);
        expect(run(puzzle, problem, settings)).toEqual(events);
      }
    }
  });

  it.each(names.filter((name) => name !== "optimal"))(
    "%s with a smaller budget tells the beginning of the same search",
    (name) => {
      for (const settings of settingsFor(puzzle, name)) {
        const problem = problems[0];
        const whole = run(puzzle, problem, settings);
        for (const maxNodes of [1, 2, 7]) {
          const part = run(puzzle, problem, { ...settings, maxNodes });
          expect(part).toEqual(whole.slice(0, part.length));
          expect(made(part)).toBe(Math.min(maxNodes, made(whole)));
        }
      }
    },
  );
});

it("every solver is tried on some puzzle that it takes", () => {
  const tried = tables.flatMap(([puzzle]) => solversFor(puzzle.name).filter((name) => settingsFor(puzzle, name).length > 0));
  const takeable = allPuzzles().flatMap(({ name }) => solversFor(name));
  expect(new Set(tried)).toEqual(new Set(takeable));
});

it("complete searches solve exactly the solvable problems: Countdown with three numbers up to 4, brute force", () => {
  const countdown = findPuzzle("countdown");
  const complete = [
    { kind: "exhaustive" },
    { kind: "optimal" },
    { kind: "bfs" },
    { kind: "dfs", threshold: "none" },
    { kind: "best-first" },
    { kind: "astar", heuristic: "mult" },
    { kind: "mcts", simulations: 5000 },
  ].map((settings) => solverSettings.parse(settings));
  for (let a = 1; a <= 4; a++) {
    for (let b = a; b <= 4; b++) {
      for (let c = b; c <= 4; c++) {
        const values = reachableValues([a, b, c]);
        for (const target of [0, 1, 3, 7, 10, 13, 24]) {
          const problem = { puzzle: "countdown", numbers: [a, b, c], target };
          for (const settings of complete) {
            const goal = run(countdown, problem, settings).some((event) => event.kind === "goal");
            expect(goal, `${settings.kind} on ${JSON.stringify(problem)}`).toBe(values.has(target));
          }
        }
      }
    }
  }
});
