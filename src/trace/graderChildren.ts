// The legal children of states, worked out once for each state: a text may list a state's children as often as it likes.
import type { Puzzle } from "../puzzle/puzzle.ts";

export interface Children {
  /** Keys of the children in the puzzle's order; two actions may lead to equal states. */
  readonly keys: readonly string[];
  /** How often each key is among them. */
  readonly counts: ReadonlyMap<string, number>;
}

/** More children than the edges of any graph that fits into a line of input. */
const mostKept = 4_000_000;

export class ChildrenOf<Problem, State, Action> {
  readonly #puzzle: Puzzle<unknown, Problem, State, Action>;
  readonly #problem: Problem;
  readonly #known = new Map<string, Children>();
  #kept = 0;

  constructor(puzzle: Puzzle<unknown, Problem, State, Action>, problem: Problem) {
    this.#puzzle = puzzle;
    this.#problem = problem;
  }

  /** The children of the state that has this key. */
  of(state: State, key: string): Children {
    const known = this.#known.get(key);
    if (known) return known;
    const keys = this.#puzzle.actions(this.#problem, state).flatMap((action) => {
      const applied = this.#puzzle.apply(this.#problem, state, action);
      return applied.ok ? [this.#puzzle.stateKey(applied.state)] : [];
    });
    const counts = new Map<string, number>();
    for (const child of keys) counts.set(child, (counts.get(child) ?? 0) + 1);
    if (this.#kept > mostKept) {
      this.#known.clear();
      this.#kept = 0;
    }
    this.#kept += keys.length;
    const children = { keys, counts };
    this.#known.set(key, children);
    return children;
  }
}
