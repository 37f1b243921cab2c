// What is true of a state whatever a text says of it: whether an answer may end there, and whether it is a dead end. The second
// may be costly to know, so a text can ask only for so much of it.
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { TreeNode } from "./graderTree.ts";

/** Milliseconds of `canSolve` that are spent on one text, by the puzzle's own estimate (`canSolveCost`). */
const budget = 2000;

export class GroundTruth<Problem, State, Action> {
  readonly #puzzle: Puzzle<unknown, Problem, State, Action>;
  readonly #problem: Problem;
  /** What was costly to know, by state key. */
  readonly #known = new Map<string, boolean | undefined>();
  #spent = 0;

  constructor(puzzle: Puzzle<unknown, Problem, State, Action>, problem: Problem) {
    this.#puzzle = puzzle;
    this.#problem = problem;
  }

  /** Whether an answer may end at the state, into which `last` led: `isGoal` and `achieves`. */
  isEnd(state: State, last: Action | undefined): boolean {
    return this.#puzzle.isGoal(this.#problem, state) && (this.#puzzle.achieves?.(this.#problem, state, last) ?? true);
  }

  /** `canSolve`; undefined also where the text has used up what may be spent on it. */
  canSolve({ state, key }: TreeNode<State>): boolean | undefined {
    const cost = this.#puzzle.canSolveCost?.(this.#problem, state) ?? 0;
    if (cost === 0) return this.#puzzle.canSolve?.(this.#problem, state);
    if (this.#known.has(key)) return this.#known.get(key);
    if (this.#spent + cost > budget) return undefined;
    this.#spent += cost;
    const found = this.#puzzle.canSolve?.(this.#problem, state);
    this.#known.set(key, found);
    return found;
  }
}
