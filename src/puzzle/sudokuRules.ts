// The rules of Sudoku: which digit may stand where, what a state is worth. Knows neither options nor how problems are made.
import { UserError } from "../lib/errors.ts";
import type { Violation } from "./puzzle.ts";
import { exactSearch } from "./sudokuExact.ts";
import { cellsOf, digitsOf, geometryOf, gridText, sizeOfMask, usedDigits } from "./sudokuGeometry.ts";

export interface SudokuProblem {
  readonly puzzle: "sudoku";
  /** Row by row, 16, 36 or 81 characters, "." for an empty cell. Exactly one solution. */
  readonly grid: string;
}

/** The grid text, as in a problem. */
export type SudokuState = string;

export interface SudokuAction {
  /** Row by row from 0. */
  readonly cell: number;
  /** The digit, from 1. */
  readonly value: number;
  /** Where the action is a guess: the digits it chooses from, ascending. */
  readonly candidates?: readonly number[];
}

/** The character code of ".". */
const emptyCode = 46;

/** Solutions by problem object: grading asks again and again. */
const solutions = new WeakMap<SudokuProblem, string>();

/** Tells the solution of a problem that was made with it, so that nobody has to search for it. */
export function keepSolution(problem: SudokuProblem, solution: string): void {
  solutions.set(problem, solution);
}

/** The only solution as a grid text. Throws UserError("problem") when the grid has none or several. */
export function sudokuSolution(problem: SudokuProblem): string {
  const known = solutions.get(problem);
  if (known !== undefined) return known;
  const search = exactSearch(geometryOf(problem.grid).size);
  const found = search.count(cellsOf(problem.grid));
  if (found !== "one") {
    const what = {
      none: "has no solution",
      several: "has several solutions",
      undecided: "leaves too many possibilities to tell its solutions",
    }[found];
    throw new UserError("problem", `sudoku problem: "grid": ${problem.grid} ${what}; expected exactly one`);
  }
  const solution = gridText(search.solution);
  solutions.set(problem, solution);
  return solution;
}

/** What row, column and box leave of the digits for a cell, as a mask; the cell itself does not count. */
function legalMask(state: SudokuState, cell: number): number {
  const { peers, numPeers, full } = geometryOf(state);
  let mask = full;
  for (let at = cell * numPeers; at < (cell + 1) * numPeers; at++) {
    const digit = state.charCodeAt(peers[at] as number) - 48;
    if (digit > 0) mask &= ~(1 << (digit - 1));
  }
  return mask;
}

/** The digits that may stand in the empty cell with the fewest of them, the first of several; ascending. */
export function actions(state: SudokuState): SudokuAction[] {
  const geometry = geometryOf(state);
  const { size, full, rowOf, columnOf, boxOf } = geometry;
  const cells = cellsOf(state);
  const used = usedDigits(cells, geometry);
  let best = -1;
  let bestMask = 0;
  let bestSize = 10;
  for (let cell = 0; cell < cells.length && bestSize > 0; cell++) {
    if (cells[cell] !== 0) continue;
    const taken =
      (used[rowOf[cell] as number] as number) |
      (used[size + (columnOf[cell] as number)] as number) |
      (used[2 * size + (boxOf[cell] as number)] as number);
    const numLeft = sizeOfMask[full & ~taken] as number;
    if (numLeft < bestSize) [best, bestMask, bestSize] = [cell, full & ~taken, numLeft];
  }
  return digitsOf(bestMask).map((value) => ({ cell: best, value }));
}

/** The cell as people write it here: row and column from 0. */
function cellName(state: SudokuState, cell: number): string {
  const { size } = geometryOf(state);
  return `(${Math.floor(cell / size)}, ${cell % size})`;
}

/** Why a digit may not be written into a cell; undefined when it may. */
export function ruleViolation(state: SudokuState, { cell, value }: SudokuAction): string | undefined {
  const { size, peers, numPeers } = geometryOf(state);
  if (!Number.isInteger(cell) || cell < 0 || cell >= state.length) return `cell ${cell} is outside the ${size}x${size} grid`;
  if (!Number.isInteger(value) || value < 1 || value > size) return `${value} is not a digit from 1 to ${size}`;
  if (state[cell] !== ".") return `${cellName(state, cell)} = ${value}: the cell holds ${state[cell]}`;
  const code = 48 + value;
  for (let at = cell * numPeers; at < (cell + 1) * numPeers; at++) {
    const peer = peers[at] as number;
    if (state.charCodeAt(peer) !== code) continue;
    return `${cellName(state, cell)} = ${value}: ${cellName(state, peer)} in the same row, column or box holds ${value}`;
  }
  return undefined;
}

/**
 * A list of candidates may be shorter than what row, column and box leave (a solver strikes more), but it must be
 * ascending, hold the digit chosen and no digit that is excluded directly, and, where the state can be solved, the right one.
 */
function candidatesViolation(problem: SudokuProblem, state: SudokuState, action: SudokuAction): string | undefined {
  const { cell, value, candidates } = action;
  if (candidates === undefined) return undefined;
  const list = `${cellName(state, cell)} [${candidates.join(", ")}]`;
  if (candidates.some((digit, index) => index > 0 && digit <= (candidates[index - 1] as number)))
    return `${list}: candidates are listed in ascending order`;
  if (!candidates.includes(value)) return `${list}: the digit chosen, ${value}, is not among the candidates`;
  const legal = digitsOf(legalMask(state, cell));
  const excluded = candidates.find((digit) => !legal.includes(digit));
  if (excluded !== undefined) return `${list}: ${excluded} stands in the same row, column or box`;
  const right = Number(sudokuSolution(problem)[cell]);
  if (canSolve(problem, state) && !candidates.includes(right)) return `${list}: ${right}, which solves the grid, is missing`;
  return undefined;
}

export function violation(problem: SudokuProblem, state: SudokuState, action: SudokuAction): Violation | undefined {
  const rule = ruleViolation(state, action);
  if (rule !== undefined) return { kind: "rule", message: rule };
  const candidates = candidatesViolation(problem, state, action);
  return candidates === undefined ? undefined : { kind: "candidates", message: candidates };
}

export function withDigit(state: SudokuState, { cell, value }: SudokuAction): SudokuState {
  return state.slice(0, cell) + value + state.slice(cell + 1);
}

/** The cell is filled, or filled anew, as the text says; a clue of the problem stays what it is. */
export function claimed(problem: SudokuProblem, state: SudokuState, action: SudokuAction): SudokuState {
  const { size } = geometryOf(state);
  const possible = problem.grid[action.cell] === "." && action.value >= 1 && action.value <= size;
  return possible ? withDigit(state, action) : state;
}

export function isGoal(problem: SudokuProblem, state: SudokuState): boolean {
  return state === sudokuSolution(problem);
}

/** Exact: the solution is the only one, so a state leads to it when it agrees with it in every filled cell. */
export function canSolve(problem: SudokuProblem, state: SudokuState): boolean {
  const solution = sudokuSolution(problem);
  for (let cell = 0; cell < state.length; cell++) {
    const code = state.charCodeAt(cell);
    if (code !== emptyCode && code !== solution.charCodeAt(cell)) return false;
  }
  return true;
}

export function countEmpty(state: SudokuState): number {
  let count = 0;
  for (let cell = 0; cell < state.length; cell++) if (state.charCodeAt(cell) === emptyCode) count++;
  return count;
}
