// Judges what a text tells after its search: the way back from the goal, and the answer. Compares states by their keys.
import type { Puzzle } from "../puzzle/puzzle.ts";
import { type TreeNode, wayBack } from "./graderTree.ts";
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
 * the root or takes a step that is no legal action, `false-goal` where `isEnd` refuses its last state. undefined: nothing.
 */
export function answerComplaint<Problem, State, Action>(
  puzzle: Puzzle<unknown, Problem, State, Action>,
  problem: Problem,
  answer: readonly State[],
  isEnd: (state: State) => boolean,
): { readonly kind: ErrorKind; readonly message: string } | undefined {
  const root = puzzle.stateKey(puzzle.root(problem));
  const first = answer[0];
  if (first === undefined) return { kind: "false-goal", message: "the answer is empty" };
  if (puzzle.stateKey(first) !== root) {
    return { kind: "rule", message: `the answer starts at [${puzzle.stateKey(first)}], not at [${root}]` };
  }
  for (let at = 1; at < answer.length; at++) {
    const [from, to] = [answer[at - 1] as State, puzzle.stateKey(answer[at] as State)];
    const legal = puzzle.actions(problem, from).some((action) => {
      const applied = puzzle.apply(problem, from, action);
      return applied.ok && puzzle.stateKey(applied.state) === to;
    });
    if (!legal) return { kind: "rule", message: `no step leads from [${puzzle.stateKey(from)}] to [${to}]` };
  }
  const last = answer.at(-1) as State;
  if (isEnd(last)) return undefined;
  return { kind: "false-goal", message: `the answer ends at [${puzzle.stateKey(last)}], which is no goal` };
}
