import { describe, expect, it } from "vitest";
import { UserError } from "../../src/lib/errors.ts";
import { Rng } from "../../src/lib/rng.ts";
import { countdown } from "../../src/puzzle/countdown.ts";
import { checkSolver, findSolver, solve, solvers, solversFor } from "../../src/solver/registry.ts";
import { solverSettings } from "../../src/solver/settings.ts";
import { walk } from "./toys.ts";

const messageOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof UserError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error("nothing was thrown");
};

describe("the table of solvers", () => {
  it("holds each kind of settings under its own name", () => {
    const kinds = solverSettings.options.map((option) => option.shape.kind.value);
    expect(Object.keys(solvers).sort()).toEqual([...kinds].sort());
    for (const [name, solver] of Object.entries(solvers)) expect(solver.name).toBe(name);
  });

  it("offers the nearest name for an unknown one, those of Object.prototype too", () => {
    expect(findSolver("astar").name).toBe("astar");
    expect(messageOf(() => findSolver("asatr"))).toMatch(
      /^solver-unknown: unknown solver "asatr"; there is: .*astar.*Did you mean "astar"\?$/,
    );
    expect(messageOf(() => findSolver("constructor"))).toMatch(/^solver-unknown/);
  });

  it("knows what works on a puzzle", () => {
    expect(solversFor("walk")).toEqual(["exhaustive", "optimal", "dfs", "beam", "bfs", "best-first", "astar", "mcts"]);
    expect(solversFor("countdown")).toContain("think");
    expect(solversFor("countdown")).not.toContain("sudoku");
  });
});

describe("what cannot be run is refused at once", () => {
  const rng = Rng.for(1, "registry");
  const problem = { puzzle: "countdown" as const, numbers: [3, 1], target: 4 };

  it("a solver of another puzzle", () => {
    const settings = solverSettings.parse({ kind: "sudoku" });
    expect(messageOf(() => solve(countdown, problem, settings, rng))).toMatch(
      /^solver-puzzle: solver sudoku works on sudoku, not on countdown; for countdown there is: exhaustive, /,
    );
  });

  it("a heuristic that the puzzle lacks", () => {
    const settings = solverSettings.parse({ kind: "dfs", heuristic: "summ" });
    expect(messageOf(() => solve(countdown, problem, settings, rng))).toBe(
      'solver-heuristic: solver.heuristic: puzzle countdown has no heuristic "summ"; there is: sum, mult. Did you mean "sum"?',
    );
    expect(messageOf(() => checkSolver(countdown, solverSettings.parse({ kind: "astar" })))).toMatch(
      /no heuristic "manhattan"/,
    );
    expect(messageOf(() => checkSolver({ ...walk, heuristics: {} }, settings))).toMatch(
      /nor any other\. Take a solver that works without/,
    );
  });

  it("nothing that can be run", () => {
    for (const settings of [{ kind: "mcts" }, { kind: "mcts", heuristic: "mult" }, { kind: "bfs" }, { kind: "dfs" }]) {
      expect(() => checkSolver(countdown, solverSettings.parse(settings))).not.toThrow();
    }
  });
});
