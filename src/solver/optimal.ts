// The shortest solution alone, without the search that found it. Never text.
import { type CountdownProblem, countdown } from "../puzzle/countdown.ts";
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { SearchEvent } from "./events.ts";
import { canonicalSolution } from "./exhaustive.ts";
import type { SettingsOf } from "./settings.ts";
import { isSolution, type Solver } from "./solver.ts";
import { childrenOf, pathTo, type Step } from "./tree.ts";

type OptimalSettings = SettingsOf<"optimal">;

/** A state with the action that made it; the root has none. */
interface Made<State, Action> extends Step<State> {
  readonly parent: Made<State, Action> | undefined;
  readonly action?: Action;
}

/**
 * The first solution of a breadth-first search that makes each state once and leaves out those that the puzzle knows to
 * be hopeless; undefined when there is none or more than `maxNodes` nodes were made.
 */
function shortest<Options, Problem, State, Action>(
  puzzle: Puzzle<Options, Problem, State, Action>,
  problem: Problem,
  maxNodes: number,
): Made<State, Action> | undefined {
  const root: Made<State, Action> = { state: puzzle.root(problem), parent: undefined };
  if (isSolution(puzzle, problem, root.state)) return root;
  const known = new Set([puzzle.stateKey(root.state)]);
  const queue = [root];
  let made = 0;
  for (const parent of queue) {
    for (const { action, state } of childrenOf(puzzle, problem, parent.state)) {
      const key = puzzle.stateKey(state);
      if (known.has(key)) continue;
      known.add(key);
      if (++made > maxNodes) return undefined;
      const child = { state, parent, action };
      if (isSolution(puzzle, problem, state)) return child;
      if (puzzle.canSolve?.(problem, state) !== false) queue.push(child);
    }
  }
  return undefined;
}

/**
 * Countdown's: every solution uses all numbers, so all are equally short, and the first of them is found by descending into
 * what can still be won; a breadth-first search of eight numbers would not come to its end.
 */
function canonical<Options, Problem, State, Action>(
  puzzle: Puzzle<Options, Problem, State, Action>,
  problem: Problem,
): Made<State, Action> | undefined {
  const { numbers, target } = problem as unknown as CountdownProblem;
  const solution = canonicalSolution(numbers, target) as readonly Action[] | undefined;
  let at: Made<State, Action> = { state: puzzle.root(problem), parent: undefined };
  for (const action of solution ?? []) {
    const applied = puzzle.apply(problem, at.state, action);
    if (!applied.ok) throw new Error(`the canonical solution holds an illegal step: ${applied.violation.message}`);
    at = { state: applied.state, parent: at, action };
  }
  return solution && at;
}

function* search<Options, Problem, State, Action>(
  puzzle: Puzzle<Options, Problem, State, Action>,
  problem: Problem,
  settings: OptimalSettings,
): Generator<SearchEvent<Action, State>, void> {
  const maxNodes = settings.maxNodes ?? Number.POSITIVE_INFINITY;
  const goal = puzzle.name === countdown.name ? canonical(puzzle, problem) : shortest(puzzle, problem, maxNodes);
  if (!goal) return;
  const actions: Action[] = [];
  for (let at = goal; at.parent; at = at.parent) actions.unshift(at.action as Action);
  let node = 0;
  for (const action of actions) {
    yield { kind: "generate", node: node + 1, parent: node, action };
    yield { kind: "visit", node: ++node };
  }
  yield { kind: "goal", node };
  yield { kind: "answer", path: pathTo(goal) };
}

/**
 * Solver `optimal`: `generate` and `visit` of each step of a shortest solution, then `goal` and `answer`; nothing at all
 * when there is none. Of several shortest solutions it is the first in the puzzle's order of actions (compared step by
 * step), so on Countdown it is the canonical solution. `maxNodes` bounds the nodes made, those that are not told too (not
 * on Countdown, where no search is made).
 * Draws nothing from the rng.
 */
export const optimal: Solver<OptimalSettings> = { name: "optimal", solve: search };
