// Depth-first search as in Stream of Search: children in the order of a heuristic, hopeless ones dropped. Never text.
import { DepthFirst } from "./depthFirst.ts";
import { ratedChildren } from "./estimate.ts";
import type { SearchEvent } from "./events.ts";
import type { SettingsOf } from "./settings.ts";
import type { Solver } from "./solver.ts";
import { rootFirst, type Space, solverOf } from "./space.ts";
import type { TreeNode } from "./tree.ts";

type DfsSettings = SettingsOf<"dfs">;

/** The largest estimate a child may have. A problem without a number `target` sets no bound of that name. */
function boundOf(problem: unknown, threshold: DfsSettings["threshold"]): number {
  if (typeof threshold === "number") return threshold;
  const target = typeof problem === "object" && problem !== null && "target" in problem ? problem.target : undefined;
  return threshold === "target" && typeof target === "number" ? target : Number.POSITIVE_INFINITY;
}

function* search<State, Action>(
  space: Space<State, Action>,
  settings: DfsSettings,
): Generator<SearchEvent<Action, State>, void> {
  const estimate = space.estimate(settings.heuristic);
  const bound = boundOf(space.problem, settings.threshold);
  const way = new DepthFirst<State, Action>(space.stateKey);
  /** Answers whether the node has a legal action at all, one that was dropped included. */
  const enter = (node: TreeNode<State>): boolean => {
    const children = ratedChildren(space.children(node.state), estimate);
    way.enter(
      node,
      children.filter((child) => child.estimate <= bound),
    );
    return children.length > 0;
  };
  enter(space.root);
  let last = space.root.id;
  for (let here = way.here; here; here = way.here) {
    const { node } = here;
    const child = way.nextChild(here);
    if (child === undefined) {
      way.leave();
      continue;
    }
    const id = space.nextNode();
    if (id === undefined) return;
    yield here.expanded ? { kind: "backtrack", from: last, to: node.id } : { kind: "expand", node: node.id };
    here.expanded = true;
    last = id;
    yield { kind: "generate", node: id, parent: node.id, action: child.action };
    if (space.isSolution(child.state)) {
      yield { kind: "goal", node: id };
      return;
    }
    if (enter({ id, state: child.state, key: child.key, parent: node })) {
      yield { kind: "visit", node: id };
    } else {
      yield { kind: "deadEnd", node: id };
      way.leave();
    }
  }
}

/**
 * Solver `dfs`: Stream of Search's depth-first search (`countdown_dfs.py`). The children of a node are sorted by their
 * estimates (stable: ties stay in the puzzle's order of actions), those above the threshold are dropped, and each is
 * generated when its turn comes. A leaf is checked at once, without a visit: `goal` or `deadEnd`; any other child is
 * visited and searched. A node whose children have all failed is left without a word: one `backtrack` leads from where
 * the search stands, the node generated last, to the nearest ancestor that has a child left; when there is none the
 * events end. Where states recur (graphs, mazes), each is expanded once: see `Recurrence`. Draws nothing from the rng.
 * Unlike the published code, children come from the puzzle's `actions`, so their order does not depend on the prompt's.
 */
export const dfs: Solver<DfsSettings> = solverOf("dfs", rootFirst(search));
