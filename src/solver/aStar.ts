// A* with unit costs, as in Searchformer: open nodes by cost so far plus estimate. Never text.
import type { Rng } from "../lib/rng.ts";
import type { SearchEvent } from "./events.ts";
import { Frontier, type Ranked } from "./frontier.ts";
import type { SettingsOf } from "./settings.ts";
import type { Solver } from "./solver.ts";
import { type Space, solverOf } from "./space.ts";
import { pathTo, type TreeNode } from "./tree.ts";

type AStarSettings = SettingsOf<"astar">;

interface OpenNode<State> extends TreeNode<State>, Ranked {
  /** Steps from the root. */
  readonly cost: number;
}

function* search<State, Action>(
  space: Space<State, Action>,
  settings: AStarSettings,
  rng: Rng,
): Generator<SearchEvent<Action, State>, void> {
  const estimate = space.estimate(settings.heuristic);
  const costs = new Map([[space.root.key, 0]]);
  const frontier = new Frontier<OpenNode<State>>();
  frontier.push({ ...space.root, priority: 0, tie: 0, cost: 0 });
  for (let node = frontier.pop(); node; node = frontier.pop()) {
    // A cheaper way to the state was found since: the node is stale.
    if ((costs.get(node.key) ?? 0) < node.cost) continue;
    if (node.parent) yield { kind: "visit", node: node.id };
    if (space.isSolution(node.state)) {
      yield { kind: "goal", node: node.id };
      yield { kind: "answer", path: pathTo(node) };
      return;
    }
    yield { kind: "expand", node: node.id };
    const cost = node.cost + 1;
    const children = space.children(node.state);
    for (const { action, state } of settings.childOrder === "random" ? rng.shuffled(children) : children) {
      const key = space.stateKey(state);
      if ((costs.get(key) ?? Number.POSITIVE_INFINITY) <= cost) continue;
      costs.set(key, cost);
      const id = space.nextNode();
      if (id === undefined) return;
      yield { kind: "generate", node: id, parent: node.id, action };
      const tie = settings.ties === "random" ? rng.uint32() : 0;
      frontier.push({ id, state, key, parent: node, priority: cost + estimate(state), tie, cost });
    }
  }
  yield { kind: "deadEnd", node: 0 };
}

/**
 * Solver `astar` (Searchformer, appendix): the open node of least cost + estimate is closed (ties: the one generated
 * first, or drawn). Closing is `visit` and `expand` (the root: `expand` alone), or for a solution `visit`, `goal` and
 * `answer`. A child is generated when its state is new, and again, as a new node, when its way is cheaper than the one
 * known, even if the state was closed; the costlier node is passed over. With an estimate that never exceeds the true
 * distance the answer is a shortest way. An exhausted space ends the events in `deadEnd` of the root. The rng is drawn
 * from for random ties and child order alone.
 */
export const aStar: Solver<AStarSettings> = solverOf("astar", search);
