// Plain breadth-first search that lists every child of what it expands, then tells the way back and forth. Never text.
import type { SearchEvent } from "./events.ts";
import type { SettingsOf } from "./settings.ts";
import type { Solver } from "./solver.ts";
import { type Space, solverOf } from "./space.ts";
import { pathTo, type TreeNode } from "./tree.ts";

type BfsSettings = SettingsOf<"bfs">;

function* search<State, Action>(space: Space<State, Action>): Generator<SearchEvent<Action, State>, void> {
  const { root } = space;
  let goal = space.isSolution(root.state) ? root : undefined;
  const expanded = new Set<string>();
  const queue = [root];
  for (let head = 0; head < queue.length && !goal; head++) {
    const node = queue[head] as TreeNode<State>;
    if (expanded.has(node.key)) continue;
    expanded.add(node.key);
    if (node.parent) yield { kind: "visit", node: node.id };
    yield { kind: "expand", node: node.id };
    for (const { action, state } of space.children(node.state)) {
      const id = space.nextNode();
      if (id === undefined) return;
      const child = { id, state, key: space.stateKey(state), parent: node };
      yield { kind: "generate", node: id, parent: node.id, action };
      if (!goal && space.isSolution(state)) goal = child;
      queue.push(child);
    }
  }
  if (!goal) {
    yield { kind: "deadEnd", node: 0 };
    return;
  }
  const path = pathTo(goal);
  yield { kind: "goal", node: goal.id };
  yield { kind: "traceback", path: path.toReversed() };
  yield { kind: "answer", path };
}

/**
 * Solver `bfs`: nodes are expanded in order of generation; all children of each are generated, known states too, and a
 * node whose state was expanded before is passed over. After the list that holds the first solution the events end in
 * `goal`, `traceback` and `answer`, which is a shortest way; an exhausted space ends them in `deadEnd` of the root.
 * Draws nothing from the rng.
 */
export const bfs: Solver<BfsSettings> = solverOf("bfs", search);
