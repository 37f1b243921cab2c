// What the two Sudoku formats share: the prompt, the line that fills a cell, the words of the vocabulary. Lines follow the
// backtracking paper's (arXiv 2504.07052): one token a cell, `(row, column) = digit`.
import { quote } from "../../lib/text.ts";
import { sudoku } from "../../puzzle/sudoku.ts";
import { cellsOf, geometryOf } from "../../puzzle/sudokuGeometry.ts";
import type { SudokuAction, SudokuProblem } from "../../puzzle/sudokuRules.ts";
import type { Format, SyntaxError as TextError, Vocabulary } from "../format.ts";

/** Ends a response that has filled the grid. */
export const solvedMark = "solved";
const solvingMark = "solving\n";

/** `(row, column)` of every cell of the largest grid, in reading order: one token each; smaller grids use some of them. */
const allCells = Array.from({ length: 81 }, (_, cell) => `(${Math.floor(cell / 9)}, ${cell % 9})`);

/** The text of a cell of a grid. */
export function cellText(problem: SudokuProblem, cell: number): string {
  const { size } = geometryOf(problem.grid);
  return allCells[Math.floor(cell / size) * 9 + (cell % size)] as string;
}

/** `(0, 1) = 4` */
export function placement(problem: SudokuProblem, { cell, value }: SudokuAction): string {
  return `${cellText(problem, cell)} = ${value}`;
}

/** Source of a pattern with three groups: row, column, digit. */
export const placementPattern = "\\(([0-8]), ([0-8])\\) = ([1-9])";

/** The cell at row and column as digits, or undefined when it lies outside the problem's grid. */
export function cellAt(problem: SudokuProblem, row: string, column: string): number | undefined {
  const { size } = geometryOf(problem.grid);
  return Number(row) < size && Number(column) < size ? Number(row) * size + Number(column) : undefined;
}

/** Words of a search, each a token. */
export const words = { guess: "guess: ", list: " [", comma: ", ", chosen: "] = ", revert: "revert: " } as const;
/** A contradiction's words: a cell without candidates; a unit that cannot be filled. */
export const deadEnds = ["nocand", "invalid"] as const;

/** One for both formats, so that models of either read the same tokens: 81 cells, 9 digits and the words. */
const vocabulary: Vocabulary = {
  pieces: [...allCells, ..."123456789", " = ", "\n", "sudoku ", solvingMark, solvedMark, ...Object.values(words), ...deadEnds],
  special: [],
};

/** The size, the clues in reading order, then `solving`. */
function prompt(problem: SudokuProblem): string {
  const cells = cellsOf(problem.grid);
  let text = `sudoku ${geometryOf(cells).size}\n`;
  for (let cell = 0; cell < cells.length; cell++) {
    if (cells[cell] !== 0) text += `${placement(problem, { cell, value: cells[cell] as number })}\n`;
  }
  return text + solvingMark;
}

const promptPattern = new RegExp(`^sudoku ([469])\n((?:${placementPattern}\n)*)${solvingMark}`);

/** The problem of a prompt. Only the text that `prompt` writes is one: clues in another order are refused. */
function readPrompt(text: string): { readonly problem: SudokuProblem; readonly length: number } | undefined {
  const match = promptPattern.exec(text);
  if (match === null) return undefined;
  const size = Number(match[1]);
  const grid: string[] = new Array(size * size).fill(".");
  for (const [, row, column, digit] of (match[2] as string).matchAll(new RegExp(placementPattern, "g"))) {
    grid[Number(row) * size + Number(column)] = digit as string;
  }
  try {
    const problem = sudoku.readProblem({ puzzle: "sudoku", grid: grid.join("") });
    return prompt(problem) === match[0] ? { problem, length: match[0].length } : undefined;
  } catch {
    return undefined;
  }
}

/** What the two formats have alike. */
export const sudokuFormat: Pick<
  Format<SudokuProblem, SudokuAction>,
  "puzzle" | "vocabulary" | "markers" | "prompt" | "readPrompt"
> = {
  puzzle: "sudoku",
  vocabulary,
  markers: { goal: solvedMark, stepDelimiter: "\n" },
  prompt,
  readPrompt,
};

/**
 * The error of a text that leaves the grammar at `from`. `shapes` are the valid lines with a d for each digit: what
 * begins like one of them and ends with the text is cut off.
 */
export function lineError(text: string, from: number, shapes: readonly string[], expected: string): TextError {
  const newline = text.indexOf("\n", from);
  const line = text.slice(from, newline < 0 ? text.length : newline);
  const shape = line.replaceAll(/[0-9]/g, "d");
  const cut = newline < 0 && shapes.some((whole) => whole.startsWith(shape));
  return {
    span: [from, newline < 0 ? text.length : newline + 1],
    message: cut ? `the text is cut off in ${quote(line)}: expected ${expected}` : `expected ${expected}; found ${quote(line)}`,
  };
}

/** The error of a text that goes on at `from`, after the end mark; none when it does not. */
export function afterEnd(text: string, from: number): TextError[] {
  if (from === text.length) return [];
  const message = `nothing may follow ${quote(solvedMark)}, not even a newline; found ${quote(text.slice(from))}`;
  return [{ span: [from, text.length], message }];
}
