// Depth-first search as in Stream of Search: children in the order of a heuristic, hopeless ones dropped. Never text.
import type { Puzzle } from "../puzzle/puzzle.ts";
import { estimateOf, type RatedChild, ratedChildren } from "./estimate.ts";
import type { SearchEvent } from "./events.ts";
import type { SettingsOf } from "./settings.ts";
import { isSolution, type Solver } from "./solver.ts";
import { Recurrence, rootNode, type TreeNode } from "./tree.ts";

type DfsSettings = SettingsOf<"dfs">;

interface Frame<State, Action> {
  readonly node: TreeNode<State>;
  /** Whether the state has no legal action at all. */
  readonly leaf: boolean;
  /** The children that were not dropped, best first. */
  readonly kept: readonly RatedChild<State, Action>[];
  /** Index of the child whose turn is next. */
  next: number;
  expanded: boolean;
}

/** The largest estimate a child may have. A problem without a number `target` sets no bound of that name. */
function boundOf(problem: unknown, threshold: DfsSettings["threshold"]): number {
  if (typeof threshold === "number") return threshold;
  const target = typeof problem === "object" && problem !== null && "target" in problem ? problem.target : undefined;
  return threshold === "target" && typeof target === "number" ? target : Number.POSITIVE_INFINITY;
}

function* search<Options, Problem, State, Action>(
  puzzle: Puzzle<Options, Problem, State, Action>,
  problem: Problem,
  settings: DfsSettings,
): Generator<SearchEvent<Action, State>, void> {
  const estimate = estimateOf(puzzle, problem, settings.heuristic);
  const bound = boundOf(problem, settings.threshold);
  const maxNodes = settings.maxNodes ?? Number.POSITIVE_INFINITY;
  const recurrence = new Recurrence();
  const open = (node: TreeNode<State>): Frame<State, Action> => {
    recurrence.expand(node);
    const children = ratedChildren(puzzle, problem, node.state, estimate);
    const kept = children.filter((child) => child.estimate <= bound);
    return { node, leaf: children.length === 0, kept, next: 0, expanded: false };
  };
  const root = rootNode(puzzle, problem);
  if (isSolution(puzzle, problem, root.state)) {
    yield { kind: "goal", node: 0 };
    return;
  }
  const stack = [open(root)];
  let nodes = 0;
  for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
    const { node } = frame;
    const child = frame.kept[frame.next++];
    if (child === undefined) {
      stack.pop();
      continue;
    }
    const key = puzzle.stateKey(child.state);
    if (recurrence.refuses(node, key)) continue;
    if (nodes >= maxNodes) return;
    yield frame.expanded ? { kind: "backtrack", from: nodes, to: node.id } : { kind: "expand", node: node.id };
    frame.expanded = true;
    const id = ++nodes;
    yield { kind: "generate", node: id, parent: node.id, action: child.action };
    if (isSolution(puzzle, problem, child.state)) {
      yield { kind: "goal", node: id };
      return;
    }
    const below = open({ id, state: child.state, key, parent: node });
    if (below.leaf) {
      yield { kind: "deadEnd", node: id };
    } else {
      yield { kind: "visit", node: id };
      stack.push(below);
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
export const dfs: Solver<DfsSettings> = { name: "dfs", solve: search };
