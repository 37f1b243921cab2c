// Lines of the Kaggle set "3 million Sudoku puzzles with ratings" (radcliffe): id, puzzle, solution, clues, difficulty. Pure: one
// line in, one record out; opening files and counting lines is the importer's.
import { UserError } from "../lib/errors.ts";
import { quote } from "../lib/text.ts";
import { sudoku } from "./sudoku.ts";
import { type SudokuProblem, sudokuSolution } from "./sudokuRules.ts";

/** The first line of the file. */
export const ratedSudokuHeader = "id,puzzle,solution,clues,difficulty";

export interface RatedSudoku {
  readonly id: number;
  readonly problem: SudokuProblem;
  /** Grid text. */
  readonly solution: string;
  /** The set's own difficulty: 0 for the easiest, about 8.5 for the hardest. */
  readonly rating: number;
}

/**
 * The record of a line (without its line end; a carriage return is forgiven), or why it is none: a field missing or
 * misspelt, a grid that is no Sudoku, a solution that is not its own, a wrong number of clues.
 */
export function readRatedSudoku(line: string): RatedSudoku | { readonly error: string } {
  const fields = line.replace(/\r$/, "").split(",");
  const [id, puzzle, solution, clues, difficulty] = fields as [string, string, string, string, string];
  if (fields.length !== 5) return { error: `${fields.length} fields, expected 5 (${ratedSudokuHeader}); found ${quote(line)}` };
  if (!/^\d{1,15}$/.test(id)) return { error: `id: expected a whole number, found ${quote(id)}` };
  if (!/^\d{1,2}(?:\.\d+)?$/.test(difficulty))
    return { error: `difficulty: expected a number such as 2.2, found ${quote(difficulty)}` };
  if (puzzle.length !== 81) return { error: `puzzle: expected 81 characters, found ${puzzle.length}` };
  let problem: SudokuProblem;
  try {
    problem = sudoku.readProblem({ puzzle: "sudoku", grid: puzzle });
  } catch (error) {
    if (error instanceof UserError) return { error: `puzzle: ${error.message}` };
    throw error;
  }
  const counted = problem.grid.replaceAll(".", "").length;
  if (clues !== String(counted)) return { error: `clues: the puzzle has ${counted}, the field says ${quote(clues)}` };
  const right = sudokuSolution(problem);
  if (solution !== right) return { error: `solution: expected ${right}, found ${quote(solution, 90)}` };
  return { id: Number(id), problem, solution, rating: Number(difficulty) };
}
