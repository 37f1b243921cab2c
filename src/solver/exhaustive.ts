// Depth-first search through every legal action: the reference solver, and Countdown's canonical solution. Never text.
import { type CountdownAction, type CountdownProblem, countdown } from "../puzzle/countdown.ts";
import { canReach } from "../puzzle/countdownReach.ts";
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { SearchEvent } from "./events.ts";

/**
 * The first solution that depth-first search finds in the puzzle's order of actions (pool sorted descending, + * - /,
 * larger operand first), using all numbers; undefined when there is none. It depends on the multiset of numbers and the
 * target alone, never on their order: a model learns such solutions markedly better than order-dependent ones.
 * Found by descending into the first child that can still reach the target, which is the same path without the search.
 */
export function canonicalSolution(numbers: readonly number[], target: number): CountdownAction[] | undefined {
  const problem: CountdownProblem = { puzzle: "countdown", numbers, target };
  let pool = countdown.root(problem);
  if (!canReach(pool, target)) return undefined;
  const path: CountdownAction[] = [];
  while (pool.length > 1) {
    for (const action of countdown.actions(problem, pool)) {
      const applied = countdown.apply(problem, pool, action);
      if (!applied.ok || !canReach(applied.state, target)) continue;
      path.push(action);
      pool = applied.state;
      break;
    }
  }
  return path;
}

/** How many action sequences of the puzzle's action lists use all numbers and end in the target. Brute force: for small pools. */
export function countSolutions(numbers: readonly number[], target: number): number {
  const problem: CountdownProblem = { puzzle: "countdown", numbers, target };
  const count = (pool: readonly number[]): number => {
    if (pool.length === 1) return pool[0] === target ? 1 : 0;
    let sum = 0;
    for (const action of countdown.actions(problem, pool)) {
      const applied = countdown.apply(problem, pool, action);
      if (applied.ok) sum += count(applied.state);
    }
    return sum;
  };
  return count(countdown.root(problem));
}

/**
 * The events of a depth-first search, in the puzzle's order of actions, up to its first goal or the end of the space.
 * A goal is a state that `isGoal` accepts and, where the puzzle has `allUsed`, that leaves nothing over. Each child is
 * generated and visited at once; a state without a way to the goal is declared a dead end and left for its parent.
 * `maxNodes` bounds the nodes generated; when it is spent the events end without goal or dead end.
 */
export function* exhaustive<Options, Problem, State, Action>(
  puzzle: Puzzle<Options, Problem, State, Action>,
  problem: Problem,
  options: { readonly maxNodes?: number } = {},
): Generator<SearchEvent<Action>, void> {
  const maxNodes = options.maxNodes ?? Number.POSITIVE_INFINITY;
  let nodes = 0;
  const isSolution = (state: State) => puzzle.isGoal(problem, state) && (puzzle.allUsed?.(problem, state) ?? true);

  /** Yields the search below a node; returns whether the search is over. */
  function* below(node: number, state: State): Generator<SearchEvent<Action>, boolean> {
    if (isSolution(state)) {
      yield { kind: "goal", node };
      return true;
    }
    const actions = puzzle.actions(problem, state);
    if (actions.length > 0) yield { kind: "expand", node };
    for (const action of actions) {
      const applied = puzzle.apply(problem, state, action);
      if (!applied.ok)
        throw new Error(`${puzzle.name}: actions() lists an action that apply() refuses: ${applied.violation.message}`);
      if (nodes >= maxNodes) return true;
      const child = ++nodes;
      yield { kind: "generate", node: child, parent: node, action };
      yield { kind: "visit", node: child };
      if (yield* below(child, applied.state)) return true;
      yield { kind: "backtrack", from: child, to: node };
    }
    yield { kind: "deadEnd", node };
    return false;
  }
  yield* below(0, puzzle.root(problem));
}
