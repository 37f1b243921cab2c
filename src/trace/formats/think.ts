// The text of the think-backtracking arm of "To Backtrack or Not to Backtrack" (arXiv 2504.07052, dfs_hint): Stream of
// Search, with a line for a pair of numbers that is given up without a move.
import type { CountdownAction, CountdownProblem, CountdownState } from "../../puzzle/countdown.ts";
import type { Format } from "../format.ts";
import { sosFormat } from "./sos.ts";
import { words } from "./sosLines.ts";

/**
 * Format `think` of Countdown: format `sos`, where "[5, 7] No Solution" in place of a pair's "Generated Node" line is the
 * deadEnd of that node, declared before any move to it. There is no line for the end of a search without a goal.
 */
export const think: Format<CountdownProblem, CountdownAction, CountdownState> = {
  ...sosFormat("think", { pairs: true, ending: false }, ["[", words.lostPair]),
  discipline: { assertsDeadEnds: true },
};
