// The solvers there are, by name: an explicit table, and the one call that runs any of them. Never text.
import { UserError } from "../lib/errors.ts";
import type { Rng } from "../lib/rng.ts";
import { nearest, quote } from "../lib/text.ts";
import type { AnyPuzzle, Puzzle } from "../puzzle/puzzle.ts";
import { aStar } from "./aStar.ts";
import { beam } from "./beam.ts";
import { bestFirst } from "./bestFirst.ts";
import { bfs } from "./bfs.ts";
import { dfs } from "./dfs.ts";
import { findHeuristic } from "./estimate.ts";
import type { SearchEvent } from "./events.ts";
import { exhaustive } from "./exhaustive.ts";
import { mcts } from "./mcts.ts";
import { optimal } from "./optimal.ts";
import type { SettingsOf, SolverSettings } from "./settings.ts";
import type { Solver } from "./solver.ts";
import { sudokuSolver } from "./sudoku.ts";
import { think } from "./think.ts";

export const solvers: { readonly [Kind in SolverSettings["kind"]]: Solver<SettingsOf<Kind>> } = {
  exhaustive,
  optimal,
  dfs,
  beam,
  bfs,
  "best-first": bestFirst,
  astar: aStar,
  mcts,
  think,
  sudoku: sudokuSolver,
};

/** All solvers, in the order of the table. */
export function allSolvers(): readonly Solver<SolverSettings>[] {
  return Object.values<Solver<SolverSettings>>(solvers);
}

/** The solver of that name. Throws UserError("solver-unknown") that offers the nearest name. */
export function findSolver(name: string): Solver<SolverSettings> {
  const found = allSolvers().find((solver) => solver.name === name);
  if (found) return found;
  const names = Object.keys(solvers);
  const near = nearest(name, names);
  const hint = near ? ` Did you mean ${quote(near)}?` : "";
  throw new UserError("solver-unknown", `unknown solver ${quote(name)}; there is: ${names.join(", ")}.${hint}`);
}

/** Names of the solvers that work on a puzzle. */
export function solversFor(puzzle: string): string[] {
  return allSolvers().flatMap(({ name, puzzles }) => (puzzles?.includes(puzzle) === false ? [] : [name]));
}

/**
 * Throws UserError("solver-puzzle") when the solver does not work on the puzzle, and UserError("solver-heuristic") when the
 * puzzle lacks the heuristic asked for; each names what there is. Cheap: for checks before any work.
 */
export function checkSolver(puzzle: Pick<AnyPuzzle, "name" | "heuristics">, settings: SolverSettings): void {
  const { puzzles } = solvers[settings.kind];
  if (puzzles?.includes(puzzle.name) === false) {
    throw new UserError(
      "solver-puzzle",
      `solver ${settings.kind} works on ${puzzles.join(", ")}, not on ${puzzle.name}; for ${puzzle.name} there is: ${solversFor(puzzle.name).join(", ")}.`,
    );
  }
  if ("heuristic" in settings && settings.heuristic !== undefined) findHeuristic(puzzle, settings.heuristic);
}

/**
 * The events of the solver that `settings.kind` names, made as they are asked for. Throws UserError as `checkSolver`
 * does, at once. Equal arguments (the rng's state included) give equal events.
 */
export function solve<Options, Problem, State, Action>(
  puzzle: Puzzle<Options, Problem, State, Action>,
  problem: Problem,
  settings: SolverSettings,
  rng: Rng,
): Iterable<SearchEvent<Action, State>> {
  checkSolver(puzzle, settings);
  const solver: Solver<SolverSettings> = solvers[settings.kind];
  return solver.solve(puzzle, problem, settings, rng);
}
