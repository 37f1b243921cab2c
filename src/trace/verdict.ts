// The grader's answer. Field names are a promise (DESIGN.md section 7).
import type { Span } from "./format.ts";

/** What can be wrong with a text, each with what it says. */
export const errorKinds = {
  format: "the text leaves the grammar",
  arithmetic: "an equation whose result is wrong (7/2=3 included: division is exact)",
  operand: "a number that is not available at this point (a multiset: two fours can be used twice, one four once)",
  rule: "a step the puzzle forbids (a negative intermediate result, a digit that stands in the row, a wall)",
  state: "what the text restates of a state (a pool, a cost, a list of operations) is not what its steps lead to",
  jump: "the search moves to a node that was never generated",
  neighbours: "a list of children with one that is not there, or without one that is",
  candidates: "a list of candidates with one that is excluded, or without one that is not",
  queue: "the node expanded next is not the one that the frontier's order gives",
  revisit: "a state that was expanded is expanded again",
  traceback: "the way told back from the goal is not the way the search took",
  "false-goal": "success is declared, the goal is not reached",
  "goal-missed": "the text ends without declaring success",
  "numbers-left": "success is true, but numbers remain unused and the setting asks for all",
  "not-shortest": "the answer is a way to the goal, but a longer one than the shortest that the puzzle asks for",
  "dead-end-denied": "the search goes on below a state that shows by itself that nothing can come of it",
  "dead-end-invented": "a state is declared hopeless that is a goal, or from which one can be reached",
} as const;
export type ErrorKind = keyof typeof errorKinds;

export interface TraceError {
  readonly kind: ErrorKind;
  /** Index of the step (0 = first generated node), or the number of steps when the error is at the end. */
  readonly step: number;
  readonly span: Span;
  readonly message: string;
}

export interface Verdict {
  /** The declared goal is true (Countdown: the last result is the target) and every step is right. */
  readonly solved: boolean;
  /** A replay of the right steps alone reaches the goal state, declared or not. */
  readonly reached: boolean;
  /** Countdown: every number was used. */
  readonly allUsed?: boolean;
  readonly errors: readonly TraceError[];
  readonly stats: TraceStatistics;
}

/** Counts over one text. Field names are a promise. */
export interface TraceStatistics {
  /** Generated nodes, right or wrong. */
  readonly steps: number;
  readonly backtracks: number;
  /** Dead ends declared. The "number of mistakes" of Stream of Search is one more than this (experiments.md 2.10). */
  readonly deadEnds: number;
  /** Distinct states, the root's included; a wrong step counts with the state that it claims. */
  readonly nodes: number;
  /**
   * Dead ends declared, wrong steps and jumps in front of the first true declaration of success; in all, where none is true. A
   * declaration is true where the right steps alone lead to that goal too: a lucky miscalculation is none.
   */
  readonly mistakesBeforeSuccess: number;
  /** The first error in the order of the text. */
  readonly firstError?: { readonly kind: ErrorKind; readonly step: number };
  /** UTF-16 units of the response up to the end of the first true declaration of success; absent where none is true. */
  readonly charactersToGoal?: number;
  /** The same in tokens of the format's vocabulary. Only where the option `tokens` asks for it. */
  readonly tokensToGoal?: number;
  /** Whether the way to the goal is as short as any. Absent where success is not true or the puzzle does not know. */
  readonly optimal?: boolean;
  /** Only where the option `deadEnds` asks for it. */
  readonly backtrackCalibration?: BacktrackCalibration;
}

/**
 * Whether the search leaves states from which no goal can be reached, and only those. A state is dead when `canSolve` says
 * so, or when the step into it is wrong. A decision to leave is a node that is declared a dead end or that a backtrack starts
 * from; a decision to go on is a node with children. A node can be both: gone on with first and left later.
 */
export interface BacktrackCalibration {
  /** Dead nodes that were left. */
  readonly truePositives: number;
  /** Nodes that were left although a goal lies at or below them. */
  readonly falsePositives: number;
  /** Dead nodes from which the search went on. */
  readonly missed: number;
  /** Decisions to leave or to go on at nodes of which the puzzle does not know whether they are dead. */
  readonly unknown: number;
  /** truePositives of all that were left and are known; absent when there are none. */
  readonly precision?: number;
  /** truePositives of these and the missed; absent when there are none. */
  readonly recall?: number;
}
