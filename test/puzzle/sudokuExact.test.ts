import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { digSudoku } from "../../src/puzzle/sudokuDig.ts";
import { exactSearch } from "../../src/puzzle/sudokuExact.ts";
import { cellsOf, geometryOfSize, gridText, type SudokuSize, usedDigits } from "../../src/puzzle/sudokuGeometry.ts";

/** All solutions of a grid, by trying every digit in every cell in reading order. Shares nothing with the search but the text. */
function bruteForce(grid: string, boxRows: number, boxColumns: number): string[] {
  const size = boxRows * boxColumns;
  const cell = grid.indexOf(".");
  if (cell < 0) return [grid];
  const [row, column] = [Math.floor(cell / size), cell % size];
  const box = (r: number, c: number) => `${Math.floor(r / boxRows)},${Math.floor(c / boxColumns)}`;
  const found: string[] = [];
  for (let digit = 1; digit <= size; digit++) {
    const clash = [...grid].some((other, at) => {
      const [r, c] = [Math.floor(at / size), at % size];
      return other === String(digit) && (r === row || c === column || box(r, c) === box(row, column));
    });
    if (!clash) found.push(...bruteForce(grid.slice(0, cell) + digit + grid.slice(cell + 1), boxRows, boxColumns));
  }
  return found;
}

const all4x4 = bruteForce(".".repeat(16), 2, 2);

describe("the geometry", () => {
  it("has the boxes of each size, and 7, 12 and 20 peers", () => {
    expect(gridText(geometryOfSize(6).boxOf.map((box) => box + 1))).toBe(
      "111222" + "111222" + "333444" + "333444" + "555666" + "555666",
    );
    expect(([4, 6, 9] as const).map((size) => geometryOfSize(size).numPeers)).toEqual([7, 12, 20]);
    const { peers, numPeers } = geometryOfSize(4);
    expect([...peers.slice(0, numPeers)]).toEqual([1, 2, 3, 4, 5, 8, 12]);
  });
});

describe("the exact search", () => {
  it("agrees with brute force on any part of any 4x4 grid", () => {
    expect(all4x4).toHaveLength(288);
    const search = exactSearch(4);
    const part = fc.tuple(fc.constantFrom(...all4x4), fc.array(fc.boolean(), { minLength: 16, maxLength: 16 }));
    fc.assert(
      fc.property(part, ([grid, kept]) => {
        const puzzle = [...grid].map((digit, cell) => (kept[cell] ? digit : ".")).join("");
        const solutions = bruteForce(puzzle, 2, 2);
        expect(search.count(cellsOf(puzzle))).toBe(solutions.length === 1 ? "one" : "several");
        if (solutions.length === 1) expect(gridText(search.solution)).toBe(grid);
      }),
      { numRuns: 300 },
    );
  });

  it("finds that a clash-free grid without solution has none", () => {
    // Only 4 is left for the last cell of row 0, and it stands in its column.
    expect(exactSearch(4).count(cellsOf("123............4"))).toBe("none");
    expect(exactSearch(4).count(cellsOf("123....4........"))).toBe("none");
    // Every cell has a digit left, but 4 has no place in row 0.
    expect(exactSearch(4).count(cellsOf("12....4.4......."))).toBe("none");
  });

  it("asks whether a cell could take one of some digits", () => {
    const search = exactSearch(4);
    const asks = (grid: string, cell: number, allowed: number) =>
      search.existsWithin(cellsOf(grid), usedDigits(cellsOf(grid), geometryOfSize(4)), cell, allowed);
    expect(asks("................", 5, 0b0100)).toBe(true);
    expect(gridText(search.solution)[5]).toBe("3");
    expect(asks("1...............", 1, 0b0001)).toBe(false);
    // The solution is 1324...: nothing but 1 can stand in the first cell.
    expect(asks("......13..3..2..", 0, 0b0100)).toBe(false);
    expect(asks("......13..3..2..", 0, 0b0101)).toBe(true);
  });

  it("makes random grids that obey the rules, and in time every 4x4 grid", () => {
    const rng = Rng.for(1, "grids");
    const search = exactSearch(4);
    const seen = new Set<string>();
    for (let draw = 0; draw < 5000; draw++) {
      search.randomGrid(rng);
      seen.add(gridText(search.solution));
    }
    expect([...seen].sort()).toEqual([...all4x4].sort());
  });

  it.each([4, 6, 9] as const)("fills every unit of a %ix%i grid with every digit", (size) => {
    const search = exactSearch(size);
    const { units, full } = geometryOfSize(size);
    search.randomGrid(Rng.for(2, "grid", size));
    for (let unit = 0; unit < 3 * size; unit++) {
      const masks = [...units.slice(unit * size, (unit + 1) * size)].map(
        (cell) => 1 << ((search.solution[cell] as number) - 1),
      );
      expect(masks.reduce((sum, mask) => sum + mask)).toBe(full);
    }
  });
});

describe("digging", () => {
  const dig = (size: SudokuSize, empty: number, seed: number) => digSudoku(Rng.for(seed, "dig"), size, empty);

  it("leaves one solution and the number of empty cells asked for", () => {
    for (let seed = 0; seed < 40; seed++) {
      const { cells, solution, emptyCells } = dig(9, 40, seed);
      expect(emptyCells).toBe(40);
      expect(cells.filter((digit) => digit === 0)).toHaveLength(40);
      expect(exactSearch(9).count(cells)).toBe("one");
      expect(exactSearch(9).solution).toEqual(solution);
    }
  });

  it("stops at a minimal puzzle: without any one of its clues there are several solutions", () => {
    for (const [size, seed] of [
      [4, 1],
      [6, 2],
      [9, 3],
    ] as const) {
      const { cells, emptyCells } = dig(size, size * size, seed);
      expect(emptyCells).toBe(cells.filter((digit) => digit === 0).length);
      for (const [cell, digit] of cells.entries()) {
        if (digit !== 0) expect(exactSearch(size).count(cells.with(cell, 0))).toBe("several");
      }
    }
  });

  it("has one solution by brute force too", () => {
    for (let seed = 0; seed < 20; seed++) {
      const { cells, solution } = dig(4, 12, seed);
      expect(bruteForce(gridText(cells), 2, 2)).toEqual([gridText(solution)]);
    }
  });
});
