// Stream of Search's breadth-first search with a beam: best nodes first, few children kept of each. Never text.
import type { Rng } from "../lib/rng.ts";
import { ratedChildren } from "./estimate.ts";
import type { SearchEvent } from "./events.ts";
import { Frontier, type Ranked } from "./frontier.ts";
import type { SettingsOf } from "./settings.ts";
import type { Solver } from "./solver.ts";
import { rootFirst, type Space, solverOf } from "./space.ts";
import { Recurrence, type TreeNode } from "./tree.ts";

type BeamSettings = SettingsOf<"beam">;

interface OpenNode<State> extends TreeNode<State>, Ranked {}

function* search<State, Action>(
  space: Space<State, Action>,
  settings: BeamSettings,
  rng: Rng,
): Generator<SearchEvent<Action, State>, void> {
  const estimate = space.estimate(settings.heuristic);
  const recurrence = new Recurrence();
  const frontier = new Frontier<OpenNode<State>>();
  frontier.push({ ...space.root, priority: 0, tie: 0 });
  while (frontier.size > 0) {
    for (const node of takeBatch(frontier, settings.width)) {
      if (node.parent && recurrence.refuses(node.parent, node.key)) continue;
      if (node.parent) yield { kind: "visit", node: node.id };
      yield { kind: "expand", node: node.id };
      recurrence.expand(node);
      const kept = [];
      for (const { action, state, estimate: priority } of ratedChildren(space.children(node.state), estimate)) {
        const key = space.stateKey(state);
        if (!recurrence.refuses(node, key)) kept.push({ action, state, priority, key });
        if (kept.length === settings.width) break;
      }
      for (const { action, state, priority, key } of rng.shuffled(kept)) {
        const id = space.nextNode();
        if (id === undefined) return;
        yield { kind: "generate", node: id, parent: node.id, action };
        if (space.isSolution(state)) {
          yield { kind: "goal", node: id };
          return;
        }
        if (space.isLeaf(state)) yield { kind: "deadEnd", node: id };
        else frontier.push({ id, state, key, parent: node, priority, tie: 0 });
      }
    }
  }
  yield { kind: "deadEnd", node: 0 };
}

/** The first `width` nodes of the frontier, all taken out before the first of them is expanded. */
function takeBatch<State>(frontier: Frontier<OpenNode<State>>, width: number): OpenNode<State>[] {
  const batch: OpenNode<State>[] = [];
  while (batch.length < width) {
    const node = frontier.pop();
    if (node === undefined) break;
    batch.push(node);
  }
  return batch;
}

/**
 * Solver `beam`: Stream of Search's "BFS" (`countdown_bfs.py`). Batches of the `width` best open nodes (ties: the one
 * generated first) are taken out; of each, the `width` best children are kept (stable: ties stay in the puzzle's order of
 * actions), shuffled with one `rng.shuffled`, and generated. A leaf is checked at once: `goal` or `deadEnd`. When no open
 * node is left the events end in `deadEnd` of the root. Where states recur (graphs, mazes), each is expanded once: see
 * `Recurrence`.
 * Corrected against the published code: leaves are never put back to be "expanded". Its ties in the heap, an accident of
 * `heapq`, go by order of generation here, and children come from the puzzle's `actions`.
 */
export const beam: Solver<BeamSettings> = solverOf("beam", rootFirst(search));
