import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { sudoku } from "../../src/puzzle/sudoku.ts";
import type { SudokuAction, SudokuProblem, SudokuState } from "../../src/puzzle/sudokuRules.ts";
import { strategyNames } from "../../src/puzzle/sudokuStrategies.ts";
import type { SearchEvent } from "../../src/solver/events.ts";
import { type SettingsOf, sudokuSettings } from "../../src/solver/settings.ts";
import { sudokuSolver } from "../../src/solver/sudoku.ts";

type Event = SearchEvent<SudokuAction, SudokuState>;
const rng = Rng.for(1, "unused");
const settingsOf = (settings: Partial<SettingsOf<"sudoku">> = {}) => sudokuSettings.parse({ kind: "sudoku", ...settings });
const solve = (problem: SudokuProblem, settings: Partial<SettingsOf<"sudoku">> = {}): Event[] => [
  ...sudokuSolver.solve(sudoku, problem, settingsOf(settings), rng),
];

/** Replays the events by the rules; returns the state of every node. Fails on an illegal step, a node unknown, a false dead end. */
function replay(problem: SudokuProblem, events: readonly Event[]): Map<number, string> {
  const states = new Map([[0, sudoku.root(problem)]]);
  const stateOf = (node: number) => states.get(node) ?? expect.fail(`node ${node} is named before it is generated`);
  for (const event of events) {
    if (event.kind === "generate") {
      expect(event.node).toBe(states.size);
      const applied = sudoku.apply(problem, stateOf(event.parent), event.action);
      if (!applied.ok) expect.fail(`illegal: ${applied.violation.message}`);
      else states.set(event.node, applied.state);
    } else if (event.kind === "deadEnd") {
      expect(sudoku.canSolve(problem, stateOf(event.node))).toBe(false);
      expect(["nocand", "invalid"]).toContain(event.reason);
    } else if (event.kind === "backtrack") expect(event.to).toBeLessThan(event.from);
    else if (event.kind === "goal") expect(sudoku.isGoal(problem, stateOf(event.node))).toBe(true);
  }
  return states;
}

/** A 6x6 puzzle that lone singles do not solve. Row 0 is 632154: a guess of 4 in (0, 0) leaves (0, 5) nothing but 6, which column 5 holds. */
const guessing = sudoku.readProblem({ puzzle: "sudoku", grid: ".3.15......6..6.1.1.5..32..365.6...." });

describe("the sudoku solver", () => {
  it("guesses the first of the smallest cells, ascending, and takes back what fails", () => {
    const fill = (node: number, parent: number, cell: number, value: number, candidates?: number[]): Event[] => [
      { kind: "generate", node, parent, action: candidates ? { cell, value, candidates } : { cell, value } },
      { kind: "visit", node },
    ];
    expect(solve(guessing, { strategies: ["lone-single"] }).slice(0, 12)).toEqual([
      ...fill(1, 0, 0, 4, [4, 6]),
      ...fill(2, 1, 2, 2),
      { kind: "deadEnd", node: 2, reason: "nocand" },
      { kind: "backtrack", from: 2, to: 0 },
      ...fill(3, 0, 0, 6, [4, 6]),
      ...fill(4, 3, 2, 2, [2, 4]),
      ...fill(5, 4, 5, 4),
    ]);
  });

  it("obeys the laws on puzzles of every size, with any strategies", () => {
    for (const [size, empty] of [
      [4, [8, 12]],
      [6, [18, 26]],
      [9, [50, 57]],
    ] as const) {
      const options = sudoku.readOptions({ kind: "sudoku", size, empty });
      for (let seed = 0; seed < 15; seed++) {
        const problem = sudoku.generate(Rng.for(seed, "solver"), options);
        for (const strategies of [[], ["lone-single"], ["lone-single", "hidden-single"], [...strategyNames]] as const) {
          const events = solve(problem, { strategies: [...strategies] });
          replay(problem, events);
          expect(events.at(-1)?.kind).toBe("goal");
          expect(solve(problem, { strategies: [...strategies] })).toEqual(events);
        }
      }
    }
  });

  it("goes back over several guesses when the last one has no candidate left, and names each dead end", () => {
    const hard = sudoku.readProblem({
      puzzle: "sudoku",
      grid: "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4..",
    });
    const events = solve(hard);
    replay(hard, events);
    const twice = events.findIndex((event, at) => event.kind === "backtrack" && events[at + 2]?.kind === "backtrack");
    expect(events.slice(twice, twice + 3)).toMatchObject([
      { kind: "backtrack" },
      { kind: "deadEnd", reason: "nocand", node: (events[twice] as { to: number }).to },
      { kind: "backtrack", from: (events[twice] as { to: number }).to },
    ]);
  });

  it("calls a unit without a place for a digit invalid", () => {
    const options = sudoku.readOptions({ kind: "sudoku", empty: [54, 58], guesses: [1, 1000] });
    const reasons = new Set<string | undefined>();
    for (let seed = 0; seed < 40; seed++) {
      const problem = sudoku.generate(Rng.for(seed, "invalid"), options);
      const events = solve(problem, { strategies: ["lone-single", "hidden-single"] });
      const states = replay(problem, events);
      for (const event of events) {
        if (event.kind !== "deadEnd") continue;
        reasons.add(event.reason);
        const state = states.get(event.node) as string;
        // Without eliminations every reason can be seen in the grid; a guess that was tried out is a nocand too.
        if (event.reason === "invalid") expect(digitsWithoutPlace(state)).toBeGreaterThan(0);
      }
    }
    expect([...reasons].sort()).toEqual(["invalid", "nocand"]);
  });

  it("stops where the budget is spent, without a goal", () => {
    const all = solve(guessing);
    const nodes = all.filter((event) => event.kind === "generate").length;
    for (const maxNodes of [1, 2, nodes - 1]) {
      const cut = solve(guessing, { maxNodes });
      expect(cut.filter((event) => event.kind === "generate")).toHaveLength(maxNodes);
      expect(cut).toEqual(all.slice(0, cut.length));
      expect(cut.some((event) => event.kind === "goal")).toBe(false);
    }
    expect(solve(guessing, { maxNodes: nodes })).toEqual(all);
  });

  it("has nothing to do on a full grid", () => {
    const full = sudoku.readProblem({ puzzle: "sudoku", grid: "1324241341323241" });
    expect(solve(full)).toEqual([{ kind: "goal", node: 0 }]);
  });
});

/** Pairs of a unit and a digit that stands nowhere in it and may stand nowhere. */
function digitsWithoutPlace(state: string): number {
  const lines = Array.from({ length: 9 }, (_, line) => line);
  const units = [
    ...lines.map((row) => lines.map((column) => 9 * row + column)),
    ...lines.map((column) => lines.map((row) => 9 * row + column)),
    ...lines.map((box) => lines.map((at) => 9 * (3 * Math.floor(box / 3) + Math.floor(at / 3)) + 3 * (box % 3) + (at % 3))),
  ];
  const allows = (cell: number, digit: string) =>
    state[cell] === digit ||
    (state[cell] === "." && !units.some((unit) => unit.includes(cell) && unit.some((other) => state[other] === digit)));
  return units.flatMap((unit) => [..."123456789"].filter((digit) => !unit.some((cell) => allows(cell, digit)))).length;
}
