// What tree-walking solvers share: nodes that know their way from the root, and children as the puzzle gives them. Never text.
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { NodeId } from "./events.ts";

/** A state with the way that led to it. */
export interface Step<State> {
  readonly state: State;
  readonly parent: Step<State> | undefined;
}

/** A node of a search tree. `key` is its state's key. */
export interface TreeNode<State> extends Step<State> {
  readonly id: NodeId;
  readonly key: string;
  readonly parent: TreeNode<State> | undefined;
}

/** The root of a problem's search tree. */
export function rootNode<Problem, State>(
  puzzle: Pick<Puzzle<unknown, Problem, State, unknown>, "root" | "stateKey">,
  problem: Problem,
): TreeNode<State> {
  const state = puzzle.root(problem);
  return { id: 0, state, key: puzzle.stateKey(state), parent: undefined };
}

/** The states on the way from the root to a step, both included. */
export function pathTo<State>(step: Step<State>): State[] {
  const path: State[] = [];
  for (let at: Step<State> | undefined = step; at; at = at.parent) path.push(at.state);
  return path.reverse();
}

/** A legal action and the state it leads to: a child that may yet be generated. */
export interface Child<State, Action> {
  readonly action: Action;
  readonly state: State;
}

/** The children of a state in the puzzle's order of actions. Throws Error when the puzzle refuses an action of its own list. */
export function childrenOf<Problem, State, Action>(
  puzzle: Pick<Puzzle<unknown, Problem, State, Action>, "name" | "actions" | "apply">,
  problem: Problem,
  state: State,
): Child<State, Action>[] {
  return puzzle.actions(problem, state).map((action) => {
    const applied = puzzle.apply(problem, state, action);
    if (applied.ok) return { action, state: applied.state };
    throw new Error(`${puzzle.name}: actions() lists an action that apply() refuses: ${applied.violation.message}`);
  });
}

/**
 * What keeps a tree search finite in a space with cycles (graphs, mazes) and leaves it as it is in a space without
 * (Countdown, Sudoku). A state that recurs on the way to it is refused; once that has happened, so is every state that
 * was expanded before: what lies below it is told already, and walking all ways to it would take exponential time.
 */
export class Recurrence {
  readonly #expanded = new Set<string>();
  #cyclic = false;

  /** Notes that the node's children are being made. */
  expand(node: TreeNode<unknown>): void {
    this.#expanded.add(node.key);
  }

  /** Whether a child of `parent` (expanded or about to be) with this key is to be left out. */
  refuses(parent: TreeNode<unknown>, key: string): boolean {
    if (!this.#expanded.has(key)) return false;
    for (let at: TreeNode<unknown> | undefined = parent; at && !this.#cyclic; at = at.parent) {
      if (at.key === key) this.#cyclic = true;
    }
    return this.#cyclic;
  }
}
