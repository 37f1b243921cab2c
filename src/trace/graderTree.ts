// The tree that the steps of a text make: what each node claims to be, and what the right steps alone lead to. Knows no
// format and reports nothing; the judging is graderReplay's.
import type { Puzzle, Violation } from "../puzzle/puzzle.ts";
import type { NodeId, SearchEvent } from "../solver/events.ts";

export interface TreeNode<State, Action = unknown> {
  /** Absent at the root and where a jump led. */
  readonly parent: TreeNode<State, Action> | undefined;
  /** Steps from the root, or from where a jump led. */
  readonly depth: number;
  /** What the text claims: a wrong step's stated result counts. */
  readonly state: State;
  /** `stateKey` of it. */
  readonly key: string;
  /** The step into it, right or wrong; undefined at the root and where a jump led. */
  readonly action: Action | undefined;
  /** What the right steps alone lead to; undefined below a jump, to which no right step leads. */
  readonly right: State | undefined;
  /** The last of these right steps. */
  readonly rightAction: Action | undefined;
  /** Whether the step to this node itself is wrong, or a jump. */
  readonly wrong: boolean;
  /** Whether a step leads on from it. */
  hasChildren: boolean;
}

/** Grows by `generate` and `jump` events; never throws on what a text can say. */
export class ReplayTree<Problem, State, Action> {
  readonly root: TreeNode<State, Action>;
  readonly #nodes = new Map<NodeId, TreeNode<State, Action>>();
  readonly #puzzle: Puzzle<unknown, Problem, State, Action>;
  readonly #problem: Problem;

  constructor(puzzle: Puzzle<unknown, Problem, State, Action>, problem: Problem) {
    this.#puzzle = puzzle;
    this.#problem = problem;
    const state = puzzle.root(problem);
    this.root = this.#add(0, state, { ...fromNowhere, wrong: false }, { state, last: undefined });
  }

  /** The node of that id. An id that no event brought in is a fault of the format's parser. */
  at(id: NodeId): TreeNode<State, Action> {
    const node = this.#nodes.get(id);
    if (!node) throw new Error(`the format's parser refers to node ${id} before it is generated`);
    return node;
  }

  /** The new node, and what is wrong with the step to it as seen from the state that the text claims for its parent. */
  generate(event: Extract<SearchEvent<Action, State>, { kind: "generate" }>): {
    readonly node: TreeNode<State, Action>;
    readonly violation: Violation | undefined;
  } {
    const parent = this.at(event.parent);
    parent.hasChildren = true;
    const claimed = this.#puzzle.apply(this.#problem, parent.state, event.action);
    const state = claimed.ok
      ? claimed.state
      : (this.#puzzle.applyAsClaimed?.(this.#problem, parent.state, event.action) ?? parent.state);
    const right =
      parent.right === parent.state && claimed.ok ? { state, last: event.action } : this.#right(parent, event.action);
    const step = { parent, depth: parent.depth + 1, action: event.action, wrong: !claimed.ok };
    const node = this.#add(event.node, state, step, right);
    return { node, violation: claimed.ok ? undefined : claimed.violation };
  }

  jump(id: NodeId, state: State): TreeNode<State, Action> {
    return this.#add(id, state, { ...fromNowhere, wrong: true }, nothingRight);
  }

  nodes(): Iterable<TreeNode<State, Action>> {
    return this.#nodes.values();
  }

  distinctStates(): number {
    const keys = new Set<string>();
    for (const node of this.#nodes.values()) keys.add(node.key);
    return keys.size;
  }

  /** A wrong step does not count: the state stays what it was. */
  #right({ right: from, rightAction }: TreeNode<State, Action>, action: Action): RightSteps<State, Action> {
    if (from === undefined) return nothingRight;
    const applied = this.#puzzle.apply(this.#problem, from, action);
    return applied.ok ? { state: applied.state, last: action } : { state: from, last: rightAction };
  }

  #add(
    id: NodeId,
    state: State,
    { parent, depth, action, wrong }: Pick<TreeNode<State, Action>, "parent" | "depth" | "action" | "wrong">,
    { state: right, last: rightAction }: RightSteps<State, Action>,
  ): TreeNode<State, Action> {
    const key = this.#puzzle.stateKey(state);
    const node = { parent, depth, state, key, action, right, rightAction, wrong, hasChildren: false };
    this.#nodes.set(id, node);
    return node;
  }
}

/** Where right steps lead, and the last of them. */
interface RightSteps<State, Action> {
  readonly state: State | undefined;
  readonly last: Action | undefined;
}

const nothingRight = { state: undefined, last: undefined };
const fromNowhere = { parent: undefined, depth: 0, action: undefined };

/** The states from a node back to the root (or to where a jump led), the node's first. */
export function wayBack<State>(from: TreeNode<State>): TreeNode<State>[] {
  const way: TreeNode<State>[] = [];
  for (let node: TreeNode<State> | undefined = from; node; node = node.parent) way.push(node);
  return way;
}
