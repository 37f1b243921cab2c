// Judges what a text tells after its search: the way back from the goal, and the answer. Compares states by their keys.
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { ChildrenOf } from "./graderChildren.ts";
import { type TreeNode, wayBack } from "./graderTree.ts";
import type { GroundTruth } from "./graderTruth.ts";
import type { ErrorKind } from "./verdict.ts";

/** What is wrong with the way told back (goal first): it must be the way in the tree, node by node. undefined: nothing. */
export function tracebackComplaint(told: readonly string[], goal: TreeNode<unknown> | undefined): string | undefined {
  if (!goal) return "a way back is told, but no goal was declared";
  const way = wayBack(goal);
  const differs = way.findIndex((node, index) => node.key !== told[index]);
  const place = differs < 0 ? way.length : differs;
  if (place === way.length && told.length === way.length) return undefined;
  const shown = (key: string | undefined) => (key === undefined ? "no more" : `[${key}]`);
  return `place ${place} of the way back: the search came by ${shown(way[place]?.key)}, told is ${shown(told[place])}`;
}

/**
 * What is wrong with an answer (root first) by the rules alone, whatever the search did: `rule` where it does not start at
 * the root or takes a step that is no legal action, `false-goal` where no answer may end at its last state. undefined: nothing.
 */
export function answerComplaint<Problem, State, Action>(
  puzzle: Puzzle<unknown, Problem, State, Action>,
  problem: Problem,
  answer: readonly State[],
  children: ChildrenOf<Problem, State, Action>,
  truth: GroundTruth<Problem, State, Action>,
): { readonly kind: ErrorKind; readonly message: string } | undefined {
  const [root, first] = [puzzle.stateKey(puzzle.root(problem)), answer[0]];
  if (first === undefined) return { kind: "false-goal", message: "the answer is empty" };
  let key = puzzle.stateKey(first);
  if (key !== root) return { kind: "rule", message: `the answer starts at [${key}], not at [${root}]` };
  for (let at = 1; at < answer.length; at++) {
    const to = puzzle.stateKey(answer[at] as State);
    const legal = children.of(answer[at - 1] as State, key).counts.has(to);
    if (!legal) return { kind: "rule", message: `no step leads from [${key}] to [${to}]` };
    key = to;
  }
  const last = answer.at(-1) as State;
  const steps = answer.length < 2 ? [undefined] : stepsBetween(puzzle, problem, answer.at(-2) as State, key);
  if (steps.some((step) => truth.isEnd(last, step))) return undefined;
  return { kind: "false-goal", message: `the answer ends at [${key}], which is no goal` };
}

/** The legal actions from a state to the one of that key: an answer does not say which of them it takes. */
function stepsBetween<Problem, State, Action>(
  puzzle: Puzzle<unknown, Problem, State, Action>,
  problem: Problem,
  from: State,
  to: string,
): Action[] {
  return puzzle.actions(problem, from).filter((action) => {
    const applied = puzzle.apply(problem, from, action);
    return applied.ok && puzzle.stateKey(applied.state) === to;
  });
}
