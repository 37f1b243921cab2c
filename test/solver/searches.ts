// Whole searches in one call, for tests that need some trace.
import { Rng } from "../../src/lib/rng.ts";
import type { Puzzle } from "../../src/puzzle/puzzle.ts";
import type { Trace } from "../../src/solver/events.ts";
import { exhaustive } from "../../src/solver/exhaustive.ts";

/** The trace of the reference search, which draws nothing. */
export function exhaustively<Problem, State, Action>(
  puzzle: Puzzle<unknown, Problem, State, Action>,
  problem: Problem,
  maxNodes?: number,
): Trace<Action, State> {
  return [...exhaustive.solve(puzzle, problem, { kind: "exhaustive", maxNodes }, Rng.for("none drawn"))];
}
