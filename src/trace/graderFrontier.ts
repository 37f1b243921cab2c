// The order in which open nodes must be expanded: oldest first, or least depth + heuristic first. Works on state keys and
// says what a node should have been; which error kind that makes is graderDiscipline's.
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { TreeNode } from "./graderTree.ts";

/** The open nodes of a search, as an implicit queue. */
export interface Frontier<State> {
  /** A node came into being. True when its state, expanded before, may be expanded again (a cheaper way was found). */
  add(node: TreeNode<State>): boolean;
  /** Whether a state of that key and depth would be new to the search, or come cheaper than it is known. */
  isNew(key: string, depth: number): boolean;
  /** A node is expanded: what is wrong with its turn, or undefined. */
  take(node: TreeNode<State>): string | undefined;
}

/** Oldest first. A state enters once: the queue skips what it has known before. */
export class FifoFrontier<State> implements Frontier<State> {
  readonly #known = new Set<string>();
  readonly #taken = new Set<string>();
  readonly #queue: string[] = [];
  #head = 0;

  add(node: TreeNode<State>): boolean {
    if (this.#known.has(node.key)) return false;
    this.#known.add(node.key);
    this.#queue.push(node.key);
    return false;
  }

  isNew(key: string): boolean {
    return !this.#known.has(key);
  }

  take(node: TreeNode<State>): string | undefined {
    while (this.#head < this.#queue.length && this.#taken.has(this.#queue[this.#head] as string)) this.#head++;
    const oldest = this.#queue[this.#head];
    this.#taken.add(node.key);
    if (oldest === node.key) return undefined;
    return oldest === undefined
      ? `[${node.key}] is expanded, but nothing is open`
      : `[${node.key}] is expanded, but [${oldest}] has been open for longest`;
  }
}

interface Open {
  readonly key: string;
  readonly depth: number;
  readonly cost: number;
}

// Heuristics may be means: two ways to the same sum may differ in the last bits.
const tolerance = 1e-9;

/** Least cost = depth + estimate first; ties are free. A state known before is open again only when it comes with less depth. */
export class AStarFrontier<Problem, State> implements Frontier<State> {
  readonly #estimate: (state: State) => number;
  readonly #best = new Map<string, number>();
  readonly #taken = new Set<string>();
  /** A binary heap by cost; entries that are no longer the best of their state, or taken, are dropped when they surface. */
  readonly #heap: Open[] = [];

  constructor(puzzle: Puzzle<unknown, Problem, State, unknown>, problem: Problem, heuristic: string) {
    const estimator = puzzle.heuristics[heuristic];
    if (!estimator) throw new Error(`the format's discipline names the heuristic ${heuristic}, which ${puzzle.name} has not`);
    this.#estimate = (state) => estimator.estimate(problem, state);
  }

  add(node: TreeNode<State>): boolean {
    const { key, depth } = node;
    if (!this.isNew(key, depth)) return false;
    this.#best.set(key, depth);
    this.#push({ key, depth, cost: depth + this.#estimate(node.state) });
    return this.#taken.delete(key);
  }

  isNew(key: string, depth: number): boolean {
    return depth < (this.#best.get(key) ?? Number.POSITIVE_INFINITY);
  }

  take(node: TreeNode<State>): string | undefined {
    const cost = node.depth + this.#estimate(node.state);
    const least = this.#least();
    this.#taken.add(node.key);
    if (least === undefined) return `[${node.key}] is expanded, but nothing is open`;
    if (cost <= least.cost + tolerance) return undefined;
    return `[${node.key}] is expanded at cost ${cost}, but [${least.key}] is open at ${least.cost}`;
  }

  #least(): Open | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined || (!this.#taken.has(top.key) && this.#best.get(top.key) === top.depth)) return top;
      this.#pop();
    }
  }

  #push(entry: Open): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Open;
      if (above.cost <= entry.cost) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Open;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && right.cost < (heap[child] as Open).cost) child++;
      const below = heap[child] as Open;
      if (below.cost >= last.cost) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}
