// What draw `index` of a training set is made from: its problem and, for traces, its solver. Nothing but settings, seed and
// index decides, so threads and shards cannot change a byte.
import type { TraceData, WeightedSolver } from "../config/dataSettings.ts";
import { solverName, solversOf } from "../config/solvers.ts";
import { deriveSeed, Rng } from "../lib/rng.ts";
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import { problemSpace } from "./problems.ts";
import type { TrainSet } from "./settings.ts";

export interface Draws {
  readonly puzzle: AnyPuzzle;
  /**
   * A solvable problem of the training split; undefined where the draw gives none (an exact space that skips test problems).
   */
  problem(index: number): unknown;
}

/**
 * Where training problems come from. Self-backtracking has streams of its own by hashing, as its datasets were always made;
 * the others use a cheaper derivation. An enumerated space that is free of repeats by construction takes its place here.
 */
export function drawsOf(set: TrainSet): Draws {
  const space = problemSpace(set.puzzle);
  const seed = deriveSeed(set.seed, "train", "problem");
  const stream: (index: number) => Rng =
    set.train.format === "self-backtracking"
      ? (index) => Rng.for(set.seed, "train", index, "problem")
      : (index) => Rng.indexed(seed, index);
  return { puzzle: space.puzzle, problem: (index) => space.draw("train", stream(index)) };
}

export interface DrawnSolver {
  readonly settings: WeightedSolver;
  /** As an example's `solver` says it. */
  readonly name: string;
  /** The stream that the search draws from. */
  readonly rng: Rng;
}

/** The solver of each draw of a trace format, by the shares of the settings. */
export function solverDraws(set: TrainSet<TraceData>): (index: number) => DrawnSolver {
  const solvers = solversOf(set.train);
  const names = solvers.map(solverName);
  const shares = solvers.map(({ share }) => share);
  const seed = deriveSeed(set.seed, "train", "solver");
  return (index) => {
    const rng = Rng.indexed(seed, index);
    const drawn = solvers.length === 1 ? 0 : rng.weighted(shares);
    return { settings: solvers[drawn] as WeightedSolver, name: names[drawn] as string, rng };
  };
}
