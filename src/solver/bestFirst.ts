// Greedy best-first search: always the open node that looks nearest to the goal. Never text.
import type { Rng } from "../lib/rng.ts";
import type { Puzzle } from "../puzzle/puzzle.ts";
import { estimateOf } from "./estimate.ts";
import type { SearchEvent } from "./events.ts";
import { Frontier, type Ranked } from "./frontier.ts";
import type { SettingsOf } from "./settings.ts";
import { isSolution, type Solver } from "./solver.ts";
import { childrenOf, rootNode, type TreeNode } from "./tree.ts";

type BestFirstSettings = SettingsOf<"best-first">;

interface OpenNode<State> extends TreeNode<State>, Ranked {}

function* search<Options, Problem, State, Action>(
  puzzle: Puzzle<Options, Problem, State, Action>,
  problem: Problem,
  settings: BestFirstSettings,
  rng: Rng,
): Generator<SearchEvent<Action, State>, void> {
  const estimate = estimateOf(puzzle, problem, settings.heuristic);
  const maxNodes = settings.maxNodes ?? Number.POSITIVE_INFINITY;
  const root = rootNode(puzzle, problem);
  if (isSolution(puzzle, problem, root.state)) {
    yield { kind: "goal", node: 0 };
    return;
  }
  const known = new Set([root.key]);
  const frontier = new Frontier<OpenNode<State>>();
  frontier.push({ ...root, priority: 0, tie: 0 });
  let nodes = 0;
  for (let node = frontier.pop(); node; node = frontier.pop()) {
    if (node.parent) yield { kind: "visit", node: node.id };
    yield { kind: "expand", node: node.id };
    const children = childrenOf(puzzle, problem, node.state);
    for (const { action, state } of settings.childOrder === "random" ? rng.shuffled(children) : children) {
      const key = puzzle.stateKey(state);
      if (known.has(key)) continue;
      known.add(key);
      if (nodes >= maxNodes) return;
      const id = ++nodes;
      yield { kind: "generate", node: id, parent: node.id, action };
      if (isSolution(puzzle, problem, state)) {
        yield { kind: "goal", node: id };
        return;
      }
      if (puzzle.actions(problem, state).length === 0) {
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
export const bestFirst: Solver<BestFirstSettings> = { name: "best-first", solve: search };
