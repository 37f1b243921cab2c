// A priority queue of open nodes: least priority first, then least tie, then the node generated first. Knows no search.
import type { NodeId } from "./events.ts";

/** What a frontier orders by. `tie` decides among equal priorities; equal ties leave it to the order of generation. */
export interface Ranked {
  readonly id: NodeId;
  readonly priority: number;
  readonly tie: number;
}

function before(a: Ranked, b: Ranked): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority;
  return a.tie !== b.tie ? a.tie < b.tie : a.id < b.id;
}

/** A binary heap. The order is total, so what comes out depends on what went in alone, never on the order of pushes. */
export class Frontier<Node extends Ranked> {
  readonly #heap: Node[] = [];

  get size(): number {
    return this.#heap.length;
  }

  push(node: Node): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Node;
      if (!before(node, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = node;
  }

  /** Takes out the first node, or undefined when there is none. */
  pop(): Node | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const down = right < heap.length && before(heap[right] as Node, heap[left] as Node) ? right : left;
      if (!before(heap[down] as Node, last)) break;
      heap[at] = heap[down] as Node;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}
