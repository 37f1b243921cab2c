// The Solver port: a symbolic search algorithm over any puzzle, which yields events and never text. Pure.
import type { Rng } from "../lib/rng.ts";
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { SearchEvent } from "./events.ts";

/**
 * A search algorithm. `Settings` are fully resolved: the config's schemas hold the defaults.
 * Laws, held by test on every puzzle it takes: the root is node 0 and never generated; nodes are numbered 1, 2, ... in
 * order of generation; no event names a node before it is generated; each `generate` carries a legal action; the trace
 * ends with `goal` (with `traceback` and `answer` after it, where the algorithm tells them), or without a goal when the
 * budget is spent or the space is exhausted; a goal is a state that `isSolution` accepts; equal (problem, settings, rng
 * state) give equal events.
 */
export interface Solver<Settings extends SolverBudget> {
  readonly name: string;
  /** Names of the puzzles it works on; absent: all. */
  readonly puzzles?: readonly string[];
  solve<Options, Problem, State, Action>(
    puzzle: Puzzle<Options, Problem, State, Action>,
    problem: Problem,
    settings: Settings,
    rng: Rng,
  ): Iterable<SearchEvent<Action, State>>;
}

/** What bounds every search. */
export interface SolverBudget {
  /** Most nodes generated (the root is not counted); the events end where it is spent. */
  readonly maxNodes?: number | undefined;
}

/** The root's goal test of all solvers: `isGoal`, and where the puzzle knows `allUsed`, nothing is left over. */
export function isSolution<Problem, State>(
  puzzle: Pick<Puzzle<unknown, Problem, State, unknown>, "isGoal" | "allUsed">,
  problem: Problem,
  state: State,
): boolean {
  return puzzle.isGoal(problem, state) && (puzzle.allUsed?.(problem, state) ?? true);
}
