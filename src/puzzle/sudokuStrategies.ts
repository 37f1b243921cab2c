// The seven strategies of people that the Sudoku solver knows, from the simplest to the hardest: each finds its first
// application in a grid with pencil marks. The list is that of the backtracking paper's solver (arXiv 2504.07052).
import { digitOf, sizeOfMask } from "./sudokuGeometry.ts";
import type { SudokuMarks } from "./sudokuMarks.ts";

/**
 * What a strategy came to: a digit for a cell (not yet filled in), marks that it took off, nothing, or "invalid": a unit in
 * which a digit has no place left, so that it can only be filled with two equal digits.
 */
export type Applied = { readonly cell: number; readonly value: number } | "struck" | "nothing" | "invalid";

type Strategy = (board: SudokuMarks) => Applied;

/** A cell with one mark: the first in reading order. */
function loneSingle({ marks }: SudokuMarks): Applied {
  for (let cell = 0; cell < marks.length; cell++) {
    const mask = marks[cell] as number;
    if (mask !== 0 && (mask & (mask - 1)) === 0) return { cell, value: digitOf(mask) };
  }
  return "nothing";
}

/** A digit with one place in a unit: the first unit (rows, columns, boxes), the lowest digit. */
function hiddenSingle({ geometry, marks, digits }: SudokuMarks): Applied {
  const { size, units, full } = geometry;
  for (let unit = 0; unit < 3 * size; unit++) {
    let once = 0;
    let twice = 0;
    let placed = 0;
    for (let at = unit * size; at < (unit + 1) * size; at++) {
      const cell = units[at] as number;
      const mask = marks[cell] as number;
      twice |= once & mask;
      once |= mask;
      if (digits[cell] !== 0) placed |= 1 << ((digits[cell] as number) - 1);
    }
    if ((once | placed) !== full) return "invalid";
    const hidden = once & ~twice;
    if (hidden === 0) continue;
    const bit = hidden & -hidden;
    for (let at = unit * size; at < (unit + 1) * size; at++) {
      const cell = units[at] as number;
      if (((marks[cell] as number) & bit) !== 0) return { cell, value: digitOf(bit) };
    }
  }
  return "nothing";
}

/** The empty cells of a unit whose marks number `least` to `most`. */
function openCells({ geometry, marks }: SudokuMarks, unit: number, least: number, most: number): number[] {
  const cells: number[] = [];
  for (let at = unit * geometry.size; at < (unit + 1) * geometry.size; at++) {
    const cell = geometry.units[at] as number;
    const size = sizeOfMask[marks[cell] as number] as number;
    if (size >= least && size <= most) cells.push(cell);
  }
  return cells;
}

/** Strikes a mask in all cells of a unit but those that are `kept`. */
function strikeOthers(board: SudokuMarks, unit: number, mask: number, kept: (cell: number) => boolean): boolean {
  const { size, units } = board.geometry;
  let struck = false;
  for (let at = unit * size; at < (unit + 1) * size; at++) {
    const cell = units[at] as number;
    if (!kept(cell) && board.strike(cell, mask)) struck = true;
  }
  return struck;
}

/** Two cells of a unit with the same two marks: nobody else in the unit has them. */
function nakedPair(board: SudokuMarks): Applied {
  for (let unit = 0; unit < 3 * board.geometry.size; unit++) {
    const cells = openCells(board, unit, 2, 2);
    for (const [index, one] of cells.entries()) {
      for (const other of cells.slice(index + 1)) {
        const mask = board.marks[one] as number;
        if (board.marks[other] !== mask) continue;
        if (strikeOthers(board, unit, mask, (cell) => cell === one || cell === other)) return "struck";
      }
    }
  }
  return "nothing";
}

/** Three cells of a unit whose marks are three digits together: nobody else in the unit has them. */
function nakedTriplet(board: SudokuMarks): Applied {
  const marks = board.marks;
  for (let unit = 0; unit < 3 * board.geometry.size; unit++) {
    const cells = openCells(board, unit, 2, 3);
    for (let i = 0; i < cells.length - 2; i++) {
      for (let j = i + 1; j < cells.length - 1; j++) {
        const two = (marks[cells[i] as number] as number) | (marks[cells[j] as number] as number);
        if ((sizeOfMask[two] as number) > 3) continue;
        for (let k = j + 1; k < cells.length; k++) {
          const mask = two | (marks[cells[k] as number] as number);
          if (sizeOfMask[mask] !== 3) continue;
          const trio = [cells[i], cells[j], cells[k]];
          if (strikeOthers(board, unit, mask, (cell) => trio.includes(cell))) return "struck";
        }
      }
    }
  }
  return "nothing";
}

/** A digit whose places in one unit all lie in another: nobody else in the other has it (box to line, and line to box). */
function lockedCandidate(board: SudokuMarks): Applied {
  const { size, full } = board.geometry;
  for (let unit = 0; unit < 3 * size; unit++) {
    for (let bit = 1; bit <= full; bit <<= 1) {
      for (const other of otherUnits(board, unit, bit)) {
        // Those of the other unit that lie in this one are the places themselves.
        if (strikeOthers(board, other, bit, (cell) => unitsOf(board, cell).includes(unit))) return "struck";
      }
    }
  }
  return "nothing";
}

/** A cell's row, column and box as numbers of units. */
function unitsOf({ geometry }: SudokuMarks, cell: number): [number, number, number] {
  const { size, rowOf, columnOf, boxOf } = geometry;
  return [rowOf[cell] as number, size + (columnOf[cell] as number), 2 * size + (boxOf[cell] as number)];
}

/** Units besides `unit` that hold all places of a digit in it; none when the digit has no place. */
function otherUnits(board: SudokuMarks, unit: number, bit: number): number[] {
  const { size, units } = board.geometry;
  let shared: number[] | undefined;
  for (let at = unit * size; at < (unit + 1) * size; at++) {
    const cell = units[at] as number;
    if (((board.marks[cell] as number) & bit) === 0) continue;
    const own = unitsOf(board, cell);
    shared = shared === undefined ? own.filter((other) => other !== unit) : shared.filter((other) => own.includes(other));
    if (shared.length === 0) break;
  }
  return shared ?? [];
}

/** A pivot with marks xy that sees cells with xz and yz: nobody who sees both of these has z. */
function xyWing(board: SudokuMarks): Applied {
  const { marks } = board;
  const pairs = [...marks.keys()].filter((cell) => sizeOfMask[marks[cell] as number] === 2);
  for (const pivot of pairs) {
    const xy = marks[pivot] as number;
    const wings = pairs.filter((cell) => board.sees(pivot, cell) && sizeOfMask[(marks[cell] as number) & xy] === 1);
    for (const [index, one] of wings.entries()) {
      for (const other of wings.slice(index + 1)) {
        const z = (marks[one] as number) & (marks[other] as number) & ~xy;
        // Together they must hold x, y and z: two wings that both hold x leave nothing to say.
        if (z === 0 || ((marks[one] as number) | (marks[other] as number)) !== (xy | z)) continue;
        let struck = false;
        for (let cell = 0; cell < marks.length; cell++) {
          if (board.sees(cell, one) && board.sees(cell, other) && board.strike(cell, z)) struck = true;
        }
        if (struck) return "struck";
      }
    }
  }
  return "nothing";
}

/**
 * Four cells in two rows, two columns and two boxes, three of which hold the same two marks: if the fourth took one of
 * them, the two digits could be swapped and the puzzle had two solutions. Sound only because it has one.
 */
function uniqueRectangle(board: SudokuMarks): Applied {
  const { size, boxOf } = board.geometry;
  const { marks } = board;
  for (let top = 0; top < size - 1; top++) {
    for (let bottom = top + 1; bottom < size; bottom++) {
      for (let left = 0; left < size - 1; left++) {
        const column = [top * size + left, bottom * size + left];
        // At most one corner may be odd, so each side has a pair.
        if (!column.some((cell) => sizeOfMask[marks[cell] as number] === 2)) continue;
        for (let right = left + 1; right < size; right++) {
          const corners = [...column, top * size + right, bottom * size + right];
          const fourth = oddCorner(marks, corners);
          if (fourth === undefined || new Set(corners.map((cell) => boxOf[cell])).size !== 2) continue;
          const pair = marks[corners.find((cell) => cell !== fourth) as number] as number;
          if (board.strike(fourth, pair)) return "struck";
        }
      }
    }
  }
  return "nothing";
}

/** The corner that holds more than the pair that the three others hold, if it is so. */
function oddCorner(marks: Uint16Array, corners: readonly number[]): number | undefined {
  const pairs = corners.filter((cell) => sizeOfMask[marks[cell] as number] === 2);
  const odd = corners.find((cell) => !pairs.includes(cell));
  if (pairs.length !== 3 || odd === undefined) return undefined;
  const pair = marks[pairs[0] as number] as number;
  const same = pairs.every((cell) => marks[cell] === pair);
  return same && ((marks[odd] as number) & pair) === pair ? odd : undefined;
}

/** Name -> strategy, in order of difficulty. */
export const strategies = {
  "lone-single": loneSingle,
  "hidden-single": hiddenSingle,
  "naked-pair": nakedPair,
  "naked-triplet": nakedTriplet,
  "locked-candidate": lockedCandidate,
  "xy-wing": xyWing,
  "unique-rectangle": uniqueRectangle,
} as const satisfies Readonly<Record<string, Strategy>>;
export type StrategyName = keyof typeof strategies;

/** The names in order of difficulty: level 1 is the first one. */
export const strategyNames = Object.keys(strategies) as readonly StrategyName[];
