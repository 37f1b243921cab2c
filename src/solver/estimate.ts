// What solvers with a heuristic share: finding it by name, and children in the order of their estimates. Never text.
import { UserError } from "../lib/errors.ts";
import { nearest, quote } from "../lib/text.ts";
import type { Heuristics, Puzzle } from "../puzzle/puzzle.ts";
import type { Child } from "./tree.ts";

type Informed<Problem, State> = Pick<Puzzle<unknown, Problem, State, unknown>, "name" | "heuristics">;

/** The puzzle's heuristic of that name. Throws UserError("solver-heuristic") that names what there is. */
export function findHeuristic<Problem, State>(
  puzzle: Informed<Problem, State>,
  name: string,
): Heuristics<Problem, State>[string] {
  const heuristic = Object.hasOwn(puzzle.heuristics, name) ? puzzle.heuristics[name] : undefined;
  if (heuristic) return heuristic;
  const names = Object.keys(puzzle.heuristics);
  const near = nearest(name, names);
  const found = `solver.heuristic: puzzle ${puzzle.name} has no heuristic ${quote(name)}`;
  throw new UserError(
    "solver-heuristic",
    names.length === 0
      ? `${found}, nor any other. Take a solver that works without: exhaustive, optimal, bfs or mcts.`
      : `${found}; there is: ${names.join(", ")}.${near ? ` Did you mean ${quote(near)}?` : ` Name one beside the solver's kind.`}`,
  );
}

/** A puzzle's heuristic, bound to one problem: the estimated distance of a state to the goal. */
export type Estimate<State> = (state: State) => number;

/** The puzzle's heuristic of that name for one problem. Throws UserError as `findHeuristic` does. */
export function estimateOf<Problem, State>(puzzle: Informed<Problem, State>, problem: Problem, name: string): Estimate<State> {
  const heuristic = findHeuristic(puzzle, name);
  return (state) => heuristic.estimate(problem, state);
}

/** A child with its estimate. */
export interface RatedChild<State, Action> extends Child<State, Action> {
  readonly estimate: number;
}

/** Children in ascending order of their estimates; equal ones stay in the order that they came in. */
export function ratedChildren<State, Action>(
  children: readonly Child<State, Action>[],
  estimate: Estimate<State>,
): RatedChild<State, Action>[] {
  return children
    .map((child) => ({ action: child.action, state: child.state, estimate: estimate(child.state) }))
    .sort((a, b) => a.estimate - b.estimate);
}
