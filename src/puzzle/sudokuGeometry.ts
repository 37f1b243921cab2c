// The shapes of Sudoku grids: rows, columns, boxes and who sees whom. Cells are numbered row by row from 0; a set of digits is
// a bit mask in which digit d is bit d - 1.

export type SudokuSize = 4 | 6 | 9;

/** Everything about a size that does not depend on what stands in the grid. */
export interface SudokuGeometry {
  readonly size: SudokuSize;
  readonly boxRows: number;
  readonly boxColumns: number;
  /** Number of cells: size x size. */
  readonly cells: number;
  /** The mask of all digits. */
  readonly full: number;
  readonly rowOf: Uint8Array;
  readonly columnOf: Uint8Array;
  readonly boxOf: Uint8Array;
  /** Cells of unit u at [u * size, (u + 1) * size): first all rows, then all columns, then all boxes. */
  readonly units: Uint8Array;
  /** Cells that share a unit with cell c, ascending, at [c * numPeers, (c + 1) * numPeers). */
  readonly peers: Uint8Array;
  readonly numPeers: number;
}

function build(size: SudokuSize, boxRows: number, boxColumns: number): SudokuGeometry {
  const cells = size * size;
  const all = Array.from({ length: cells }, (_, cell) => cell);
  const rowOf = Uint8Array.from(all, (cell) => Math.floor(cell / size));
  const columnOf = Uint8Array.from(all, (cell) => cell % size);
  const boxesAcross = size / boxColumns;
  const boxOf = Uint8Array.from(
    all,
    (cell) => Math.floor(Math.floor(cell / size) / boxRows) * boxesAcross + Math.floor((cell % size) / boxColumns),
  );
  const kinds = [rowOf, columnOf, boxOf];
  const units = kinds.flatMap((of) =>
    Array.from({ length: size }, (_, unit) => all.filter((cell) => of[cell] === unit)).flat(),
  );
  const peers = all.map((cell) => all.filter((other) => other !== cell && kinds.some((of) => of[other] === of[cell])));
  return {
    size,
    boxRows,
    boxColumns,
    cells,
    full: (1 << size) - 1,
    rowOf,
    columnOf,
    boxOf,
    units: Uint8Array.from(units),
    peers: Uint8Array.from(peers.flat()),
    numPeers: (peers[0] as number[]).length,
  };
}

/** Boxes are 2x2, 2x3 (two rows, three columns) and 3x3. */
const geometries: Readonly<Record<SudokuSize, SudokuGeometry>> = { 4: build(4, 2, 2), 6: build(6, 2, 3), 9: build(9, 3, 3) };

export function geometryOfSize(size: SudokuSize): SudokuGeometry {
  return geometries[size];
}

/** The geometry of a grid by its number of cells. The length is one that `readProblem` lets pass: 16, 36 or 81. */
export function geometryOf(grid: { readonly length: number }): SudokuGeometry {
  if (grid.length === 81) return geometries[9];
  if (grid.length === 36) return geometries[6];
  if (grid.length === 16) return geometries[4];
  throw new Error(`sudoku: a grid of ${grid.length} cells; expected 16, 36 or 81`);
}

/** Number of digits in a mask. */
export const sizeOfMask: Uint8Array = Uint8Array.from(
  { length: 512 },
  (_, mask) => mask.toString(2).replaceAll("0", "").length,
);

/** The digit of a mask that holds one digit; the largest one of a mask that holds several. */
export function digitOf(mask: number): number {
  return 32 - Math.clz32(mask);
}

/** The digits of a mask, ascending. */
export function digitsOf(mask: number): number[] {
  const digits: number[] = [];
  for (let rest = mask; rest !== 0; rest &= rest - 1) digits.push(digitOf(rest & -rest));
  return digits;
}

/** The digits of a grid text, 0 for an empty cell. */
export function cellsOf(grid: string): Uint8Array {
  const cells = new Uint8Array(grid.length);
  // "1" is 49; "." (46) and "0" (48) are empty.
  for (let cell = 0; cell < cells.length; cell++) cells[cell] = Math.max(0, grid.charCodeAt(cell) - 48);
  return cells;
}

/** The grid text of digits: "." for an empty cell. */
export function gridText(cells: Uint8Array): string {
  // Codes in one call: ten times as fast as joining 81 characters.
  const codes: number[] = [];
  for (let cell = 0; cell < cells.length; cell++) codes.push(cells[cell] === 0 ? 46 : 48 + (cells[cell] as number));
  return String.fromCharCode(...codes);
}

/** The digits that stand in each unit of a grid, by the unit's number. */
export function usedDigits(cells: Uint8Array, { size, rowOf, columnOf, boxOf }: SudokuGeometry): Uint16Array {
  const used = new Uint16Array(3 * size);
  for (let cell = 0; cell < cells.length; cell++) {
    const digit = cells[cell] as number;
    if (digit === 0) continue;
    const bit = 1 << (digit - 1);
    const row = rowOf[cell] as number;
    const column = size + (columnOf[cell] as number);
    const box = 2 * size + (boxOf[cell] as number);
    used[row] = (used[row] as number) | bit;
    used[column] = (used[column] as number) | bit;
    used[box] = (used[box] as number) | bit;
  }
  return used;
}
