// A Sudoku grid with pencil marks, as a person fills it in: what stands in each cell and which digits are still thought
// possible in the empty ones. Knows the rules of rows, columns and boxes and no strategy.
import { cellsOf, geometryOf, type SudokuGeometry, sizeOfMask, usedDigits } from "./sudokuGeometry.ts";

export class SudokuMarks {
  readonly geometry: SudokuGeometry;
  /** Digit per cell, 0 = empty. */
  readonly digits: Uint8Array;
  /** Mask of the possible digits per empty cell, 0 for a filled one. */
  readonly marks: Uint16Array;
  emptyCells: number;
  /** "nocand": an empty cell has no marks left; "invalid": whoever looked found a unit that cannot be filled. */
  contradiction: "nocand" | "invalid" | undefined;

  /** From a clash-free grid text: every digit that row, column and box leave. */
  constructor(grid: string) {
    this.geometry = geometryOf(grid);
    const { size, cells, full, rowOf, columnOf, boxOf } = this.geometry;
    this.digits = cellsOf(grid);
    this.marks = new Uint16Array(cells);
    const used = usedDigits(this.digits, this.geometry);
    this.emptyCells = 0;
    for (let cell = 0; cell < cells; cell++) {
      if (this.digits[cell] !== 0) continue;
      const taken =
        (used[rowOf[cell] as number] as number) |
        (used[size + (columnOf[cell] as number)] as number) |
        (used[2 * size + (boxOf[cell] as number)] as number);
      this.marks[cell] = full & ~taken;
      if ((full & ~taken) === 0) this.contradiction = "nocand";
      this.emptyCells++;
    }
  }

  copy(): SudokuMarks {
    const other: SudokuMarks = Object.create(SudokuMarks.prototype);
    return Object.assign(other, { ...this, digits: this.digits.slice(), marks: this.marks.slice() });
  }

  /** Fills an empty cell and takes the digit off its peers' marks. */
  place(cell: number, digit: number): void {
    const { peers, numPeers } = this.geometry;
    const marks = this.marks;
    const bit = 1 << (digit - 1);
    this.digits[cell] = digit;
    marks[cell] = 0;
    this.emptyCells--;
    for (let at = cell * numPeers; at < (cell + 1) * numPeers; at++) {
      const peer = peers[at] as number;
      if (((marks[peer] as number) & bit) !== 0) this.strike(peer, bit);
    }
  }

  /** Takes the digits of a mask off a cell's marks. True when one of them was there. */
  strike(cell: number, mask: number): boolean {
    const before = this.marks[cell] as number;
    const after = before & ~mask;
    if (after === before) return false;
    this.marks[cell] = after;
    if (after === 0) this.contradiction = "nocand";
    return true;
  }

  /** Whether two different cells share a row, column or box. */
  sees(one: number, other: number): boolean {
    const { rowOf, columnOf, boxOf } = this.geometry;
    return one !== other && (rowOf[one] === rowOf[other] || columnOf[one] === columnOf[other] || boxOf[one] === boxOf[other]);
  }

  /** The empty cell with the fewest marks, the first of several; -1 on a full grid. */
  fewest(): number {
    let best = -1;
    let bestSize = 10;
    for (let cell = 0; cell < this.marks.length; cell++) {
      if (this.digits[cell] !== 0) continue;
      const size = sizeOfMask[this.marks[cell] as number] as number;
      if (size >= bestSize) continue;
      best = cell;
      bestSize = size;
    }
    return best;
  }
}
