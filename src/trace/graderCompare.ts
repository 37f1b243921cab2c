// How much two traces of one problem have in common. Knows states only, no text.
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { Trace } from "../solver/events.ts";
import { ReplayTree } from "./graderTree.ts";

export interface TraceOverlap {
  /** Shared states / all states of either trace (Jaccard). */
  readonly jaccard: number;
  /** Shared states / the larger number of states (Stream of Search's alignment, experiments.md 4.1). */
  readonly alignment: number;
}

/**
 * Overlap of the distinct states that right steps of the two traces lead to; the root counts, so both figures lie in (0, 1].
 * A state behind a wrong step or a jump is left out; states behind it count by their own step, as in the published measure.
 */
export function compareTraces<Problem, State, Action>(
  puzzle: Puzzle<unknown, Problem, State, Action>,
  problem: Problem,
  trace: Trace<Action, State>,
  reference: Trace<Action, State>,
): TraceOverlap {
  const ours = rightStates(puzzle, problem, trace);
  const theirs = rightStates(puzzle, problem, reference);
  let shared = 0;
  for (const key of ours) if (theirs.has(key)) shared++;
  return { jaccard: shared / (ours.size + theirs.size - shared), alignment: shared / Math.max(ours.size, theirs.size) };
}

function rightStates<Problem, State, Action>(
  puzzle: Puzzle<unknown, Problem, State, Action>,
  problem: Problem,
  trace: Trace<Action, State>,
): Set<string> {
  const tree = new ReplayTree(puzzle, problem);
  for (const event of trace) {
    if (event.kind === "generate") tree.generate(event);
    else if (event.kind === "jump") tree.jump(event.node, event.state);
  }
  const keys = new Set<string>();
  for (const node of tree.nodes()) if (!node.wrong) keys.add(node.key);
  return keys;
}
