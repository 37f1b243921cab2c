// Monte-Carlo tree search (UCT), told as one walk through the tree it grows. Never text.
import type { Rng } from "../lib/rng.ts";
import type { Estimate } from "./estimate.ts";
import type { SearchEvent } from "./events.ts";
import type { SettingsOf } from "./settings.ts";
import type { Solver } from "./solver.ts";
import { rootFirst, type Space, solverOf } from "./space.ts";
import type { Child, TreeNode } from "./tree.ts";

type MctsSettings = SettingsOf<"mcts">;

interface MctsNode<State, Action> extends TreeNode<State> {
  readonly parent: MctsNode<State, Action> | undefined;
  /** Children not generated yet, with their weights in the draw. */
  readonly untried: Child<State, Action>[];
  readonly weights: number[];
  /** Generated children below which something is still untried. */
  open: MctsNode<State, Action>[];
  visits: number;
  /** Sum of the rewards of the simulations that passed through. */
  value: number;
}

/** How good a state looks, in (0, 1]: 1 where the estimate is 0. */
const promise = (estimate: number) => 1 / (1 + estimate);

function grow<State, Action>(
  space: Space<State, Action>,
  node: TreeNode<State>,
  parent: MctsNode<State, Action> | undefined,
  estimate: Estimate<State> | undefined,
): MctsNode<State, Action> {
  const untried = space.children(node.state);
  const weights = untried.map(({ state }) => (estimate ? promise(estimate(state)) : 1));
  return { id: node.id, state: node.state, key: node.key, parent, untried, weights, open: [], visits: 0, value: 0 };
}

/** The open child of greatest UCT value: mean reward + c sqrt(ln(visits of the parent) / visits). Ties: the one generated first. */
function select<State, Action>(node: MctsNode<State, Action>, exploration: number): MctsNode<State, Action> | undefined {
  let best: MctsNode<State, Action> | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const child of node.open) {
    const score = child.value / child.visits + exploration * Math.sqrt(Math.log(node.visits) / child.visits);
    if (score > bestScore) [best, bestScore] = [child, score];
  }
  return best;
}

/** Takes an untried child out, drawn by weight. */
function draw<State, Action>(node: MctsNode<State, Action>, rng: Rng): Child<State, Action> {
  const index = rng.weighted(node.weights);
  node.weights.splice(index, 1);
  return node.untried.splice(index, 1)[0] as Child<State, Action>;
}

/** Whether a state stands on the way to a node, the node included: a walk through it would go in circles. */
function recurs(node: TreeNode<unknown>, key: string): boolean {
  for (let at: TreeNode<unknown> | undefined = node; at; at = at.parent) if (at.key === key) return true;
  return false;
}

/** Counts a simulation that ended in `leaf`, and closes what it left without anything untried. */
function backUp<State, Action>(leaf: MctsNode<State, Action>, reward: number): void {
  for (let node: MctsNode<State, Action> | undefined = leaf; node; node = node.parent) {
    node.visits++;
    node.value += reward;
    const { parent } = node;
    if (parent && node.untried.length === 0 && node.open.length === 0) {
      const closed = node;
      parent.open = parent.open.filter((child) => child !== closed);
    }
  }
}

function* search<State, Action>(
  space: Space<State, Action>,
  settings: MctsSettings,
  rng: Rng,
): Generator<SearchEvent<Action, State>, void> {
  const estimate = settings.heuristic === undefined ? undefined : space.estimate(settings.heuristic);
  const root = grow(space, space.root, undefined, estimate);
  for (let simulation = 0; simulation < settings.simulations; simulation++) {
    let node = root;
    for (;;) {
      if (node.untried.length === 0) {
        const next = select(node, settings.exploration);
        if (!next) break;
        node = next;
      } else {
        const { action, state } = draw(node, rng);
        const key = space.stateKey(state);
        if (recurs(node, key)) continue;
        const id = space.nextNode();
        if (id === undefined) return;
        yield { kind: "generate", node: id, parent: node.id, action };
        if (space.isSolution(state)) {
          yield { kind: "goal", node: id };
          return;
        }
        const child = grow(space, { id, state, key, parent: node }, node, estimate);
        node.open.push(child);
        node = child;
      }
      yield { kind: "visit", node: node.id };
    }
    yield { kind: "deadEnd", node: node.id };
    backUp(node, estimate ? promise(estimate(node.state)) : 0);
    if (!node.parent) return;
    yield { kind: "backtrack", from: node.id, to: 0 };
  }
}

/**
 * Solver `mcts` (Kocsis and Szepesvari, 2006). Each simulation walks from the root: through generated nodes by UCT, and
 * from the first node with an untried action on by draws, every step of the rollout a node of the tree. It ends in a
 * solution (`goal`: the search is over) or in a node without actions, those that lead back to a state on the way to it not
 * counted (`deadEnd`, `backtrack` to the root). A failed
 * simulation is worth 1 / (1 + estimate) of its last state, or nothing without a heuristic, when UCT only evens out the
 * visits; rollouts draw actions by the same weight, or uniformly. A part of the tree where nothing is untried is not
 * entered again; when that is all of it the events end in `deadEnd` of the root.
 */
export const mcts: Solver<MctsSettings> = solverOf("mcts", rootFirst(search));
