// How hard a Sudoku is for somebody who knows the seven strategies: which ones the solution needs, and how many guesses.
import { searchSudoku } from "./sudokuSearch.ts";
import { strategyNames } from "./sudokuStrategies.ts";

export interface SudokuRating {
  /** Guesses that the solver makes, those that it takes back included. */
  readonly guesses: number;
  /** Level of the hardest strategy that it applies: 0 (none: the grid is full) to 7, in the order of `strategyNames`. */
  readonly level: number;
}

/** The rating of a grid with one solution, by the solver with all strategies. */
export function rateSudoku(grid: string): SudokuRating {
  let guesses = 0;
  let level = 0;
  for (const step of searchSudoku(grid, strategyNames)) {
    if (step.kind === "guess") guesses++;
    else if (step.kind === "place" || step.kind === "strike") level = Math.max(level, strategyNames.indexOf(step.strategy) + 1);
  }
  return { guesses, level };
}
