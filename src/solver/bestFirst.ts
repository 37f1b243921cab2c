// Greedy best-first search: always the open node that looks nearest to the goal. Never text.
import type { Rng } from "../lib/rng.ts";
import type { SearchEvent } from "./events.ts";
import { Frontier, type Ranked } from "./frontier.ts";
import type { SettingsOf } from "./settings.ts";
import type { Solver } from "./solver.ts";
import { rootFirst, type Space, solverOf } from "./space.ts";
import type { TreeNode } from "./tree.ts";

type BestFirstSettings = SettingsOf<"best-first">;

interface OpenNode<State> extends TreeNode<State>, Ranked {}

function* search<State, Action>(
  space: Space<State, Action>,
  settings: BestFirstSettings,
  rng: Rng,
): Generator<SearchEvent<Action, State>, void> {
  const estimate = space.estimate(settings.heuristic);
  const known = new Set([space.root.key]);
  const frontier = new Frontier<OpenNode<State>>();
  frontier.push({ ...space.root, priority: 0, tie: 0 });
  for (let node = frontier.pop(); node; node = frontier.pop()) {
    if (node.parent) yield { kind: "visit", node: node.id };
    yield { kind: "expand", node: node.id };
    const children = space.children(node.state);
    for (const { action, state } of settings.childOrder === "random" ? rng.shuffled(children) : children) {
      const key = space.stateKey(state);
      if (known.has(key)) continue;
      known.add(key);
      const id = space.nextNode();
      if (id === undefined) return;
      yield { kind: "generate", node: id, parent: node.id, action };
      if (space.isSolution(state)) {
        yield { kind: "goal", node: id };
        return;
      }
      if (space.isLeaf(state)) {
        yield { kind: "deadEnd", node: id };
        continue;
      }
      const tie = settings.ties === "random" ? rng.uint32() : 0;
      frontier.push({ id, state, key, parent: node, priority: estimate(state), tie });
    }
  }
  yield { kind: "deadEnd", node: 0 };
}

/**
 * Solver `best-first`: the open node of least estimate is expanded (ties: the one generated first, or drawn). A state is
 * generated once; children whose state is known are left out. A child is checked when it is generated: a solution ends
 * the search, a leaf is a `deadEnd`. An exhausted space ends the events in `deadEnd` of the root. The rng is drawn from
 * for random ties and child order alone.
 */
export const bestFirst: Solver<BestFirstSettings> = solverOf("best-first", rootFirst(search));
