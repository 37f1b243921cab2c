import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { digSudoku } from "../../src/puzzle/sudokuDig.ts";
import { exactSearch } from "../../src/puzzle/sudokuExact.ts";
import { geometryOf, gridText, type SudokuSize } from "../../src/puzzle/sudokuGeometry.ts";
import { canonicalGrid } from "../../src/puzzle/sudokuKey.ts";

interface Symmetry {
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  readonly digits: readonly number[];
  readonly reflected: boolean;
}

function transformed(grid: string, { rows, columns, digits, reflected }: Symmetry): string {
  return rows
    .flatMap((row) =>
      columns.map((column) => {
        const digit = reflected ? grid[column * rows.length + row] : grid[row * rows.length + column];
        return digit === "." ? "." : digits[Number(digit) - 1];
      }),
    )
    .join("");
}

/** Groups of `width` in random order, each in random order within. */
function randomLines(rng: Rng, size: number, width: number): number[] {
  const groups = rng.shuffled(Array.from({ length: size / width }, (_, group) => group));
  return groups.flatMap((group) => rng.shuffled(Array.from({ length: width }, (_, member) => group * width + member)));
}

function randomSymmetry(rng: Rng, grid: string): Symmetry {
  const { size, boxRows, boxColumns } = geometryOf(grid);
  return {
    rows: randomLines(rng, size, boxRows),
    columns: randomLines(rng, size, boxColumns),
    digits: rng.shuffled(Array.from({ length: size }, (_, index) => index + 1)),
    reflected: boxRows === boxColumns && rng.below(2) === 1,
  };
}

/** Orders of four lines in two groups. */
const lines4 = [
  [0, 1],
  [1, 0],
].flatMap((low) =>
  [
    [2, 3],
    [3, 2],
  ].flatMap((high) => [
    [...low, ...high],
    [...high, ...low],
  ]),
);

/** The least of all 128 x 4! forms of a 4x4 grid: digits named in order of appearance stand for all 4! names. */
function bruteCanonical(grid: string): string {
  const forms = lines4.flatMap((rows) =>
    lines4.flatMap((columns) =>
      [true, false].map((reflected) => {
        const moved = transformed(grid, { rows, columns, digits: [1, 2, 3, 4], reflected });
        const order = [...new Set(moved.replaceAll(".", ""))];
        return moved.replaceAll(/[1-4]/g, (digit) => String(order.indexOf(digit) + 1));
      }),
    ),
  );
  return forms.sort()[0] as string;
}

const puzzle = (size: SudokuSize, empty: number, seed: number) =>
  gridText(digSudoku(Rng.for(seed, "key", size), size, empty).cells);

describe("canonicalGrid", () => {
  it("is equal for all images of a grid, and one of them", () => {
    const rng = Rng.for(5, "symmetry");
    for (const [size, empty] of [
      [4, 8],
      [6, 18],
      [9, 30],
      [9, 50],
      [9, 81],
    ] as const) {
      for (let seed = 0; seed < 10; seed++) {
        const grid = puzzle(size, empty, seed);
        const form = canonicalGrid(grid);
        for (let image = 0; image < 5; image++) {
          expect(canonicalGrid(transformed(grid, randomSymmetry(rng, grid)))).toBe(form);
        }
        expect(canonicalGrid(form)).toBe(form);
      }
    }
  });

  it("tells apart what the brute-force form of 4x4 grids tells apart, and nothing else", () => {
    const pairs = new Map<string, string>();
    for (let seed = 0; seed < 400; seed++) {
      const grid = puzzle(4, 6 + (seed % 7), seed);
      const [form, brute] = [canonicalGrid(grid), bruteCanonical(grid)];
      expect(pairs.get(form) ?? brute).toBe(brute);
      pairs.set(form, brute);
    }
    expect(new Set(pairs.values()).size).toBe(pairs.size);
    expect(pairs.size).toBeGreaterThan(100);
  });

  it("finds the known numbers of essentially different full grids: 2 of size 4, 49 of size 6", () => {
    const rng = Rng.for(6, "full");
    const forms = (size: SudokuSize, draws: number) => {
      const seen = new Set<string>();
      for (let draw = 0; draw < draws; draw++) {
        exactSearch(size).randomGrid(rng);
        seen.add(canonicalGrid(gridText(exactSearch(size).solution)));
      }
      return seen.size;
    };
    expect(forms(4, 200)).toBe(2);
    expect(forms(6, 3000)).toBe(49);
  });

  it("copes with the grid that has the most symmetries", () => {
    // Rows shifted by 3 within a band and by 1 from band to band: 648 automorphisms.
    const grid = Array.from({ length: 81 }, (_, cell) => {
      const [row, column] = [Math.floor(cell / 9), cell % 9];
      return 1 + ((3 * (row % 3) + Math.floor(row / 3) + column) % 9);
    }).join("");
    const rng = Rng.for(7, "most");
    expect(canonicalGrid(transformed(grid, randomSymmetry(rng, grid)))).toBe(canonicalGrid(grid));
  });

  it("tells two puzzles apart that differ in one clue", () => {
    const grid = puzzle(9, 40, 1);
    const cell = [...grid].findIndex((digit) => digit !== ".");
    expect(canonicalGrid(`${grid.slice(0, cell)}.${grid.slice(cell + 1)}`)).not.toBe(canonicalGrid(grid));
  });
});
