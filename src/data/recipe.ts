// How the examples of a training set are made, whatever its puzzle and format: one door to the recipes.
import type { Example } from "./example.ts";
import { selfBacktrackingRecipe } from "./examples.ts";
import { revisionRecipe } from "./revision.ts";
import type { TrainSet } from "./settings.ts";
import type { Prepared } from "./sources.ts";
import { traceRecipe } from "./traces.ts";

export interface Recipe {
  /** Examples of the set. */
  readonly size: number;
  /** Whether a draw whose problem was there before is left out and another one made; else repeats stay, or cannot happen. */
  readonly dropsRepeats: boolean;
  /**
   * The example of a draw, or undefined when the settings drop it: then drawing goes on, and the ids of examples, which tell
   * their draw, leave numbers out. A set is the first `size` examples in the order of draws.
   */
  make(index: number): Example | undefined;
}

/**
 * Throws UserError: "puzzle-unknown", "format-unknown", "solver-..." for a solver that does not fit the puzzle, or "config"
 * naming a wrong setting.
 */
export function recipeFor(set: TrainSet, prepared: Prepared = {}): Recipe {
  const { train, ...rest } = set;
  if (train.format === "self-backtracking") return selfBacktrackingRecipe({ ...rest, train }, prepared);
  if (train.format === "revision") return revisionRecipe({ ...rest, train }, prepared);
  return traceRecipe({ ...rest, train }, prepared);
}
