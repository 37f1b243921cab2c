// Where a depth-first search stands: the way from the root, and what is still to be tried at each node of it. Never text.
import { type Child, Recurrence, type TreeNode } from "./tree.ts";

/** A node of the way. */
interface Stop<State, Action> {
  readonly node: TreeNode<State>;
  readonly children: readonly Child<State, Action>[];
  /** Index of the child whose turn is next. */
  next: number;
  /** Whether a child of it has been generated. */
  expanded: boolean;
}

/** A child whose turn it is. */
interface Candidate<State, Action> extends Child<State, Action> {
  readonly key: string;
}

/** Where states recur (graphs, mazes), each is entered once: see `Recurrence`. */
export class DepthFirst<State, Action> {
  readonly #way: Stop<State, Action>[] = [];
  readonly #recurrence = new Recurrence();
  readonly #stateKey: (state: State) => string;

  constructor(stateKey: (state: State) => string) {
    this.#stateKey = stateKey;
  }

  /** The deepest node of the way, or undefined when all of it has been left. */
  get here(): Stop<State, Action> | undefined {
    return this.#way.at(-1);
  }

  /** Goes down to a node whose children are to be tried in this order. */
  enter(node: TreeNode<State>, children: readonly Child<State, Action>[]): void {
    this.#recurrence.expand(node);
    this.#way.push({ node, children, next: 0, expanded: false });
  }

  /** The next child of a node of the way that is not refused, or undefined when it has none left. */
  nextChild(stop: Stop<State, Action>): Candidate<State, Action> | undefined {
    for (let child = stop.children[stop.next++]; child; child = stop.children[stop.next++]) {
      const key = this.#stateKey(child.state);
      if (!this.#recurrence.refuses(stop.node, key)) return { action: child.action, state: child.state, key };
    }
    return undefined;
  }

  /** Goes back to the parent of the deepest node. */
  leave(): void {
    this.#way.pop();
  }
}
