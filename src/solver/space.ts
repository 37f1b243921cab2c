// A problem as the searches see it: puzzle and problem bound together, nodes numbered, the budget counted. Never text.
import type { Rng } from "../lib/rng.ts";
import type { Puzzle } from "../puzzle/puzzle.ts";
import { type Estimate, estimateOf } from "./estimate.ts";
import type { NodeId, SearchEvent } from "./events.ts";
import { isSolution, type Solver, type SolverBudget } from "./solver.ts";
import { type Child, childrenOf, rootNode, type TreeNode } from "./tree.ts";

/** The search space of one problem, and how much of it a search has made so far. */
export interface Space<State, Action> {
  readonly problem: unknown;
  readonly root: TreeNode<State>;
  /** The children of a state in the puzzle's order of actions. */
  children(state: State): Child<State, Action>[];
  /** Whether a state has no legal action. */
  isLeaf(state: State): boolean;
  isSolution(state: State): boolean;
  stateKey(state: State): string;
  /** The puzzle's heuristic of that name for this problem. Throws UserError as `findHeuristic` does. */
  estimate(heuristic: string): Estimate<State>;
  /** The number of the next node that is generated, or undefined when the budget is spent: the events end there. */
  nextNode(): NodeId | undefined;
}

/** A search algorithm over any space, whatever the puzzle. */
export type Search<Settings> = <State, Action>(
  space: Space<State, Action>,
  settings: Settings,
  rng: Rng,
) => Iterable<SearchEvent<Action, State>>;

/** The solver of that name, for any puzzle, that runs a search. */
export function solverOf<Settings extends SolverBudget>(name: string, search: Search<Settings>): Solver<Settings> {
  return {
    name,
    solve: (puzzle, problem, settings, rng) => search(spaceOf(puzzle, problem, settings), settings, rng),
  };
}

/** For searches that look at a node when it is generated: the root never is, so it is looked at before they begin. */
export function rootFirst<Settings>(search: Search<Settings>): Search<Settings> {
  return (space, settings, rng) =>
    space.isSolution(space.root.state) ? [{ kind: "goal", node: space.root.id }] : search(space, settings, rng);
}

function spaceOf<Problem, State, Action>(
  puzzle: Puzzle<unknown, Problem, State, Action>,
  problem: Problem,
  { maxNodes = Number.POSITIVE_INFINITY }: SolverBudget,
): Space<State, Action> {
  let nodes = 0;
  return {
    problem,
    root: rootNode(puzzle, problem),
    children: (state) => childrenOf(puzzle, problem, state),
    isLeaf: (state) => puzzle.actions(problem, state).length === 0,
    isSolution: (state) => isSolution(puzzle, problem, state),
    stateKey: (state) => puzzle.stateKey(state),
    estimate: (heuristic) => estimateOf(puzzle, problem, heuristic),
    nextNode: () => (nodes < maxNodes ? ++nodes : undefined),
  };
}
