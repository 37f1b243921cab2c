// The grader's answer. Field names are a promise (DESIGN.md section 7).
import type { Span } from "./format.ts";

/**
 * - format: the text leaves the grammar
 * - arithmetic: an equation whose result is wrong (7/2=3 included: division is exact)
 * - operand: a number that is not available at this point (a multiset: two fours can be used twice, one four once)
 * - rule: a step the puzzle forbids although its operands and result are right (a negative intermediate result, division by zero)
 * - false-goal: success is declared, the goal is not reached
 * - goal-missed: the text ends without declaring success
 * - numbers-left: success is true, but numbers remain unused and the setting asks for all
 */
export type ErrorKind = "format" | "arithmetic" | "operand" | "rule" | "false-goal" | "goal-missed" | "numbers-left";

export interface TraceError {
  readonly kind: ErrorKind;
  /** Index of the step (0 = first equation), or the number of steps when the error is at the end. */
  readonly step: number;
  readonly span: Span;
  readonly message: string;
}

export interface Verdict {
  /** The declared goal is true and every step is right. */
  readonly solved: boolean;
  /** A replay of the right steps alone reaches the goal state, declared or not. */
  readonly reached: boolean;
  /** Countdown: every number was used. */
  readonly allUsed?: boolean;
  readonly errors: readonly TraceError[];
  readonly stats: { readonly steps: number; readonly backtracks: number };
}
