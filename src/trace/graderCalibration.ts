// Whether a search leaves dead ends and only dead ends, against the puzzle's own knowledge (`canSolve`).
import type { TreeNode } from "./graderTree.ts";
import type { GroundTruth } from "./graderTruth.ts";
import type { BacktrackCalibration } from "./verdict.ts";

/** See BacktrackCalibration. `left`: the nodes that were declared dead ends or that a backtrack starts from. */
export function calibrate<Problem, State, Action>(
  truth: GroundTruth<Problem, State, Action>,
  nodes: Iterable<TreeNode<State>>,
  left: ReadonlySet<TreeNode<State>>,
): BacktrackCalibration {
  let [truePositives, falsePositives, missed, unknown] = [0, 0, 0, 0];
  for (const node of nodes) {
    const wasLeft = left.has(node);
    if (!wasLeft && !node.hasChildren) continue;
    const dead = node.wrong || not(truth.canSolve(node));
    if (dead === undefined) unknown += Number(wasLeft) + Number(node.hasChildren);
    else if (dead) {
      truePositives += Number(wasLeft);
      missed += Number(node.hasChildren);
    } else falsePositives += Number(wasLeft);
  }
  const wereLeft = truePositives + falsePositives;
  const dead = truePositives + missed;
  return {
    truePositives,
    falsePositives,
    missed,
    unknown,
    ...(wereLeft === 0 ? {} : { precision: truePositives / wereLeft }),
    ...(dead === 0 ? {} : { recall: truePositives / dead }),
  };
}

function not(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}
