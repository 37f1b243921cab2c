// The Puzzle port: the one rule book of a family of problems. Pure; knows nothing of text formats, models or files.
import type { Json } from "../lib/hash.ts";
import type { Rng } from "../lib/rng.ts";

/** Why an action may not be applied to a state. Kinds are error kinds of trace/verdict.ts ("operand", "arithmetic", "rule", "neighbours", "candidates"). */
export interface Violation {
  readonly kind: string;
  readonly message: string;
}

export type Applied<State> =
  | { readonly ok: true; readonly state: State }
  | { readonly ok: false; readonly violation: Violation };

/** An estimate of the distance to the goal; 0 at a goal. Method syntax, so that puzzles of one kind fit where any puzzle is taken. */
export interface Heuristics<Problem, State> {
  readonly [name: string]: { estimate(problem: Problem, state: State): number };
}

/**
 * A family of problems. `Problem` is the JSON record others rely on (DESIGN.md section 7), e.g.
 * `{"puzzle":"countdown","numbers":[4,9],"target":36}`.
 */
export interface Puzzle<Options, Problem, State, Action> {
  readonly name: string;
  /** Options with every default filled in, from what a config holds. Throws UserError("config") that names the key. */
  readOptions(value: unknown): Options;
  /** A solvable problem drawn from the options' distribution. Throws UserError("puzzle-empty") when no problem satisfies them. */
  generate(rng: Rng, options: Options): Problem;
  /** Equal for problems that are the same up to the puzzle's symmetry; used for splits and de-duplication. */
  canonicalKey(problem: Problem): string;
  root(problem: Problem): State;
  /** Legal actions in a defined order. */
  actions(problem: Problem, state: State): readonly Action[];
  apply(problem: Problem, state: State, action: Action): Applied<State>;
  isGoal(problem: Problem, state: State): boolean;
  /**
   * Whether an answer may end here: asked beside `isGoal` of the node where success is declared, with the action that led into
   * it (undefined at the root and where no step led). Absent: wherever `isGoal` holds. For puzzles whose goal can be there
   * without anybody having made it; true wherever `allUsed` is, so that solvers need not ask.
   */
  achieves?(problem: Problem, state: State, last: Action | undefined): boolean;
  /** The state's text: equal texts for equal states. */
  stateKey(state: State): string;
  /** Named estimates of the distance to the goal. */
  readonly heuristics: Heuristics<Problem, State>;
  /** The problem from JSON that anybody may have written. Throws UserError("problem") that names the field. */
  readProblem(value: unknown): Problem;
  writeProblem(problem: Problem): Json;

  /** The problem from the short text that a person types ("4,9 -> 36"), or undefined when it is not one. */
  readText?(text: string): Problem | undefined;
  /**
   * The state that a wrong action claims to lead to, so that a grader can judge later steps against what the text says.
   * Never throws. Puzzles without it keep the state as it was.
   */
  applyAsClaimed?(problem: Problem, state: State, action: Action): State;
  /** Whether nothing of the problem's material is left over (Countdown: one number remains). Absent where the question has no sense. */
  allUsed?(problem: Problem, state: State): boolean;
  /** Whether a goal lies at or below the state: the ground truth of "dead end". undefined where it costs too much to know. */
  canSolve?(problem: Problem, state: State): boolean | undefined;
  /**
   * About how many milliseconds `canSolve` takes at most; absent: too few to count. A grader has only so many of them for each
   * text, whatever the text names.
   */
  canSolveCost?(problem: Problem, state: State): number;
  /** Length of the shortest way from root to goal. Where `demandsShortest` is true an answer that is longer is wrong. */
  shortestLength?(problem: Problem): number;
  readonly demandsShortest?: boolean;
  /** What a dataset's statistics show of a problem: name -> number (numberOfSolutions, emptyCells, edgeDensity, planLength, ...). */
  statistics?(problem: Problem): Readonly<Record<string, number>>;
}

/** A puzzle of unknown family, as registries and loops hold it. Method parameters are bivariant, so every puzzle is one. */
export type AnyPuzzle = Puzzle<unknown, unknown, unknown, unknown>;
