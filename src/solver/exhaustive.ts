// Depth-first search through every legal action: the reference solver, and Countdown's canonical solution. Never text.
import { type CountdownAction, type CountdownProblem, countdown } from "../puzzle/countdown.ts";
import { canReach } from "../puzzle/countdownReach.ts";
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { SearchEvent } from "./events.ts";
import type { SettingsOf } from "./settings.ts";
import { isSolution, type Solver, type SolverBudget } from "./solver.ts";
import { type Child, childrenOf, Recurrence, rootNode, type TreeNode } from "./tree.ts";

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

interface Frame<State, Action> {
  readonly node: TreeNode<State>;
  readonly children: readonly Child<State, Action>[];
  /** Index of the child whose turn is next. */
  next: number;
  expanded: boolean;
}

/**
 * The events of a depth-first search, in the puzzle's order of actions, up to its first goal or the end of the space.
 * Each child is generated and visited at once; a state without a way to the goal is declared a dead end and left for its
 * parent. Where states recur (graphs, mazes), each is expanded once: see `Recurrence`. `maxNodes` bounds the nodes
 * generated; when it is spent the events end without goal or dead end.
 */
export function* exhaustive<Options, Problem, State, Action>(
  puzzle: Puzzle<Options, Problem, State, Action>,
  problem: Problem,
  options: SolverBudget = {},
): Generator<SearchEvent<Action, State>, void> {
  const maxNodes = options.maxNodes ?? Number.POSITIVE_INFINITY;
  const recurrence = new Recurrence();
  const open = (node: TreeNode<State>): Frame<State, Action> => {
    recurrence.expand(node);
    return { node, children: childrenOf(puzzle, problem, node.state), next: 0, expanded: false };
  };
  const root = rootNode(puzzle, problem);
  if (isSolution(puzzle, problem, root.state)) {
    yield { kind: "goal", node: 0 };
    return;
  }
  const stack = [open(root)];
  let nodes = 0;
  for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
    const { node } = frame;
    const child = frame.children[frame.next++];
    if (child === undefined) {
      yield { kind: "deadEnd", node: node.id };
      if (node.parent) yield { kind: "backtrack", from: node.id, to: node.parent.id };
      stack.pop();
      continue;
    }
    const key = puzzle.stateKey(child.state);
    if (recurrence.refuses(node, key)) continue;
    if (nodes >= maxNodes) return;
    if (!frame.expanded) yield { kind: "expand", node: node.id };
    frame.expanded = true;
    const id = ++nodes;
    yield { kind: "generate", node: id, parent: node.id, action: child.action };
    yield { kind: "visit", node: id };
    if (isSolution(puzzle, problem, child.state)) {
      yield { kind: "goal", node: id };
      return;
    }
    stack.push(open({ id, state: child.state, key, parent: node }));
  }
}

/** Solver `exhaustive`: the reference search through every legal action; draws nothing from the rng. */
export const exhaustiveSolver: Solver<SettingsOf<"exhaustive">> = { name: "exhaustive", solve: exhaustive };
