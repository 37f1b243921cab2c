// Makes Sudoku puzzles with one solution: a random full grid from which clues are taken as long as no second solution appears.
import type { Rng } from "../lib/rng.ts";
import { exactSearch } from "./sudokuExact.ts";
import { geometryOfSize, type SudokuSize } from "./sudokuGeometry.ts";

/** A puzzle (0 = empty) and its only solution, as digits per cell. */
export interface Dug {
  readonly cells: Uint8Array;
  readonly solution: Uint8Array;
  readonly emptyCells: number;
}

/**
 * Takes clues out of a random grid in random order, each where the solution stays the only one, until `emptyCells` cells
 * are empty or every clue was tried: then the puzzle is minimal and has fewer empty cells than asked for.
 */
export function digSudoku(rng: Rng, size: SudokuSize, emptyCells: number): Dug {
  const { cells: numCells, full, units, rowOf, columnOf, boxOf } = geometryOfSize(size);
  const search = exactSearch(size);
  search.randomGrid(rng);
  const solution = search.solution.slice();
  const cells = solution.slice();
  const order = new Uint8Array(numCells);
  for (let cell = 0; cell < numCells; cell++) order[cell] = cell;
  /** Digits that stand in each unit. */
  const used = new Uint16Array(3 * size).fill(full);
  /** Whether the digit of an empty cell fits nowhere else in a unit. */
  const fitsOnce = (unit: number, cell: number, bit: number): boolean => {
    for (let at = unit * size; at < (unit + 1) * size; at++) {
      const other = units[at] as number;
      if (cells[other] !== 0 || other === cell) continue;
      const taken =
        (used[rowOf[other] as number] as number) |
        (used[size + (columnOf[other] as number)] as number) |
        (used[2 * size + (boxOf[other] as number)] as number);
      if ((taken & bit) === 0) return false;
    }
    return true;
  };
  let empty = 0;
  for (let tried = 0; tried < numCells && empty < emptyCells; tried++) {
    const drawn = tried + rng.below(numCells - tried);
    const cell = order[drawn] as number;
    order[drawn] = order[tried] as number;
    const row = rowOf[cell] as number;
    const column = size + (columnOf[cell] as number);
    const box = 2 * size + (boxOf[cell] as number);
    // The clue itself stands in all three: these are the other digits that the cell could take without it.
    const others = full & ~((used[row] as number) | (used[column] as number) | (used[box] as number));
    const bit = 1 << ((solution[cell] as number) - 1);
    cells[cell] = 0;
    used[row] = (used[row] as number) & ~bit;
    used[column] = (used[column] as number) & ~bit;
    used[box] = (used[box] as number) & ~bit;
    // A clue that is the only digit for its cell, or that has no other place in a unit, follows from the rest.
    const follows = others === 0 || fitsOnce(box, cell, bit) || fitsOnce(row, cell, bit) || fitsOnce(column, cell, bit);
    if (follows || !search.existsWithin(cells, used, cell, others)) {
      empty++;
      continue;
    }
    cells[cell] = solution[cell] as number;
    used[row] = (used[row] as number) | bit;
    used[column] = (used[column] as number) | bit;
    used[box] = (used[box] as number) | bit;
  }
  return { cells, solution, emptyCells: empty };
}
