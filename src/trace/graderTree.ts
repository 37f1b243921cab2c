// The tree that the steps of a text make: what each node claims to be, and what the right steps alone lead to. Knows no
// format and reports nothing; the judging is graderReplay's.
import type { Puzzle, Violation } from "../puzzle/puzzle.ts";
import type { NodeId, SearchEvent } from "../solver/events.ts";

export interface TreeNode<State> {
  /** Absent at the root and where a jump led. */
  readonly parent: TreeNode<State> | undefined;
  /** Steps from the root, or from where a jump led. */
  readonly depth: number;
  /** What the text claims: a wrong step's stated result counts. */
  readonly state: State;
  /** `stateKey` of it. */
  readonly key: string;
  /** What the right steps alone lead to; undefined below a jump, to which no right step leads. */
  readonly right: State | undefined;
  /** Whether the step to this node itself is wrong, or a jump. */
  readonly wrong: boolean;
  /** Whether a step leads on from it. */
  hasChildren: boolean;
}

/** Grows by `generate` and `jump` events; never throws on what a text can say. */
export class ReplayTree<Problem, State, Action> {
  readonly root: TreeNode<State>;
  readonly #nodes = new Map<NodeId, TreeNode<State>>();
  readonly #puzzle: Puzzle<unknown, Problem, State, Action>;
  readonly #problem: Problem;

  constructor(puzzle: Puzzle<unknown, Problem, State, Action>, problem: Problem) {
    this.#puzzle = puzzle;
    this.#problem = problem;
    const state = puzzle.root(problem);
    this.root = this.#add(0, undefined, 0, state, state, false);
  }

  /** The node of that id. An id that no event brought in is a fault of the format's parser. */
  at(id: NodeId): TreeNode<State> {
    const node = this.#nodes.get(id);
    if (!node) throw new Error(`the format's parser refers to node ${id} before it is generated`);
    return node;
  }

  /** The new node, and what is wrong with the step to it as seen from the state that the text claims for its parent. */
  generate(event: Extract<SearchEvent<Action, State>, { kind: "generate" }>): {
    readonly node: TreeNode<State>;
    readonly violation: Violation | undefined;
  } {
    const parent = this.at(event.parent);
    parent.hasChildren = true;
    const claimed = this.#puzzle.apply(this.#problem, parent.state, event.action);
    const state = claimed.ok
      ? claimed.state
      : (this.#puzzle.applyAsClaimed?.(this.#problem, parent.state, event.action) ?? parent.state);
    const right = parent.right === parent.state && claimed.ok ? state : this.#right(parent.right, event.action);
    const node = this.#add(event.node, parent, parent.depth + 1, state, right, !claimed.ok);
    return { node, violation: claimed.ok ? undefined : claimed.violation };
  }

  jump(id: NodeId, state: State): TreeNode<State> {
    return this.#add(id, undefined, 0, state, undefined, true);
  }

  nodes(): Iterable<TreeNode<State>> {
    return this.#nodes.values();
  }

  distinctStates(): number {
    const keys = new Set<string>();
    for (const node of this.#nodes.values()) keys.add(node.key);
    return keys.size;
  }

  /** A wrong step does not count: the state stays what it was. */
  #right(from: State | undefined, action: Action): State | undefined {
    if (from === undefined) return undefined;
    const applied = this.#puzzle.apply(this.#problem, from, action);
    return applied.ok ? applied.state : from;
  }

  #add(
    id: NodeId,
    parent: TreeNode<State> | undefined,
    depth: number,
    state: State,
    right: State | undefined,
    wrong: boolean,
  ): TreeNode<State> {
    const node = { parent, depth, state, key: this.#puzzle.stateKey(state), right, wrong, hasChildren: false };
    this.#nodes.set(id, node);
    return node;
  }
}

/** The states from a node back to the root (or to where a jump led), the node's first. */
export function wayBack<State>(from: TreeNode<State>): TreeNode<State>[] {
  const way: TreeNode<State>[] = [];
  for (let node: TreeNode<State> | undefined = from; node; node = node.parent) way.push(node);
  return way;
}
