// Stream of Search's two searches over a Countdown problem, written as they go: the events of solver/dfs.ts and
// solver/beam.ts in the format `sos`, without making either. Held equal to both by test.
import type { Rng } from "../../lib/rng.ts";
import { childSlot, type Estimator, estimates, listChildren, mostNodes, resultOf, swapChildren } from "./sosChildren.ts";
import { putChild, putEnding, putLeaf, putMove, putMoveBack, startText, type TargetTexts, targetTexts } from "./sosText.ts";

/** Open nodes of the beam, best first; equal ones in order of generation. Those before the head are taken. */
const open = new Int32Array(mostNodes);
const openEstimates = new Float64Array(mostNodes);
const sizes = new Uint8Array(mostNodes);

/** One search at a time; what the last one did stands in the fields. */
export class SosSearch {
  solved = false;
  /** Nodes generated. */
  nodes = 0;
  /** Lines of the text. */
  lines = 0;
  #estimator: Estimator = { distances: new Float64Array(), target: 0, isMean: false, bound: 0, most: 0 };
  #texts = targetTexts(0);
  #size = 0;

  /** Prepares a search; returns where the line may begin. */
  start(at: number, numbers: readonly number[], estimator: Estimator, texts: TargetTexts): number {
    this.solved = false;
    this.nodes = 0;
    this.lines = 0;
    this.#estimator = estimator;
    this.#texts = texts;
    this.#size = numbers.length;
    return startText(at, numbers, texts);
  }

  /** Writes a depth-first search. Here and below, every line ends in `\n`, the last one too. */
  dfs(at: number): number {
    return this.#below(at, 0);
  }

  /** The search below the node of a depth; the way from the root is nodes 0, 1, 2, ... */
  #below(at: number, depth: number): number {
    const size = this.#size - depth;
    const count = listChildren(depth, size, depth, this.#estimator);
    const first = depth * childSlot;
    let end = at;
    for (let nth = 0; nth < count; nth++) {
      if (nth > 0) {
        end = putMoveBack(end, depth);
        this.lines += 2;
      }
      end = this.#child(end, depth, size, first + nth, nth, depth + 1);
      if (size > 2) {
        end = putMove(end, depth + 1, size - 1, this.#texts);
        this.lines += 2;
        end = this.#below(end, depth + 1);
      }
      if (this.solved) return end;
    }
    return end;
  }

  #child(at: number, node: number, size: number, child: number, nth: number, as: number): number {
    this.nodes++;
    this.lines += 2;
    if (size > 2) return putChild(at, node, size, child, nth, as, this.#texts);
    this.solved = resultOf(child) === this.#estimator.target;
    return putLeaf(at, node, child, this.solved, this.#texts);
  }

  /** Writes a beam search that keeps `width` children of each node. */
  beam(at: number, width: number, rng: Rng): number {
    let end = at;
    let head = 0;
    let numNodes = 1;
    let tail = 1;
    open[0] = 0;
    sizes[0] = this.#size;
    while (head < tail) {
      for (const stop = Math.min(tail, head + width); head < stop; ) {
        const node = open[head++] as number;
        const size = sizes[node] as number;
        if (node > 0) {
          end = putMove(end, node, size, this.#texts);
          this.lines += 2;
        }
        const count = listChildren(node, size, 0, this.#estimator);
        for (let last = count - 1; last > 0; last--) swapChildren(last, rng.below(last + 1));
        for (let nth = 0; nth < count; nth++) {
          end = this.#child(end, node, size, nth, nth, numNodes);
          if (this.solved) return end;
          if (size === 2) continue;
          sizes[numNodes] = size - 1;
          tail = this.#push(numNodes++, estimates[nth] as number, stop, tail);
        }
      }
    }
    this.lines++;
    return putEnding(end);
  }

  /** Puts a node among the open ones from `from` to `tail` - 1; returns the new tail. Those before `from` are taken out. */
  #push(node: number, estimate: number, from: number, tail: number): number {
    let place = tail;
    for (; place > from && (openEstimates[place - 1] as number) > estimate; place--) {
      open[place] = open[place - 1] as number;
      openEstimates[place] = openEstimates[place - 1] as number;
    }
    open[place] = node;
    openEstimates[place] = estimate;
    return tail + 1;
  }
}
