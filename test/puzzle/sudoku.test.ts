import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/lib/errors.ts";
import { Rng } from "../../src/lib/rng.ts";
import { sudoku } from "../../src/puzzle/sudoku.ts";
import { exactSearch } from "../../src/puzzle/sudokuExact.ts";
import { cellsOf } from "../../src/puzzle/sudokuGeometry.ts";
import { type SudokuAction, type SudokuProblem, sudokuSolution } from "../../src/puzzle/sudokuRules.ts";

/** Solved by 1324 2413 4132 3241. */
const small = sudoku.readProblem({ puzzle: "sudoku", grid: "......13..3..2.." });
const errorOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof UserError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "no error";
};
const kindOf = (problem: SudokuProblem, state: string, action: SudokuAction) => {
  const applied = sudoku.apply(problem, state, action);
  return applied.ok ? applied.state : `${applied.violation.kind}: ${applied.violation.message}`;
};

describe("generate", () => {
  it.each([
    [4, [6, 10]],
    [6, [14, 22]],
    [9, [30, 50]],
  ] as const)("makes puzzles of size %i with %j empty cells and one solution, all different", (size, [low, high]) => {
    const options = sudoku.readOptions({ kind: "sudoku", size });
    expect(options.empty).toEqual([low, high]);
    const grids = new Set<string>();
    const counts = new Set<number>();
    for (let seed = 0; seed < 60; seed++) {
      const problem = sudoku.generate(Rng.for(seed, "generate"), options);
      const cells = cellsOf(problem.grid);
      const empty = cells.filter((digit) => digit === 0).length;
      expect(empty).toBeGreaterThanOrEqual(low);
      expect(empty).toBeLessThanOrEqual(high);
      expect(exactSearch(size).count(cells)).toBe("one");
      expect(sudoku.readProblem(sudoku.writeProblem(problem))).toEqual(problem);
      grids.add(problem.grid);
      counts.add(empty);
    }
    expect(grids.size).toBe(60);
    expect(counts.size).toBeGreaterThan((high - low) / 2);
  });

  it("gives the same problem for the same stream, and knows its solution", () => {
    const options = sudoku.readOptions({ kind: "sudoku" });
    const problem = sudoku.generate(Rng.for(1, "same"), options);
    expect(sudoku.generate(Rng.for(1, "same"), options)).toEqual(problem);
    expect(sudokuSolution(problem)).toBe(sudokuSolution({ ...problem }));
  });

  it("takes the emptiest of ten grids where the number drawn cannot be reached", () => {
    // No 4x4 grid has one solution with fewer than 4 clues, and not every grid can be dug so far.
    const options = sudoku.readOptions({ kind: "sudoku", size: 4, empty: [11, 12] });
    for (let seed = 0; seed < 20; seed++) {
      expect(sudoku.statistics(sudoku.generate(Rng.for(seed, "deep"), options)).emptyCells).toBeGreaterThanOrEqual(11);
    }
  });

  it("keeps to the guesses and the level asked for", () => {
    const options = sudoku.readOptions({ kind: "sudoku", empty: [50, 56], guesses: [1, 20], level: [5, 7] });
    const { guesses, level, emptyCells } = sudoku.statistics(sudoku.generate(Rng.for(1, "hard"), options)) as Record<
      "guesses" | "level" | "emptyCells",
      number
    >;
    expect(guesses).toBeGreaterThanOrEqual(1);
    expect(level).toBeGreaterThanOrEqual(5);
    expect(emptyCells).toBeGreaterThanOrEqual(50);
  });

  it("says which ranges no puzzle satisfies", () => {
    const options = sudoku.readOptions({ kind: "sudoku", size: 4, empty: [4, 6], guesses: [3, 9] });
    expect(errorOf(() => sudoku.generate(Rng.for(1, "none"), options))).toMatch(
      /^puzzle-empty: sudoku: none of 1000 puzzles of size 4 satisfies puzzle\.empty \[4, 6\], puzzle\.guesses \[3, 9\]\. Widen/,
    );
  });
});

describe("options and records", () => {
  it.each([
    [{ kind: "sudoku", size: 5 }, /^config: puzzle\.size: /],
    [{ kind: "sudoku", empty: [50, 30] }, /^config: puzzle\.empty: the first number of a range must not exceed the second/],
    [{ kind: "sudoku", size: 4, empty: [6, 13] }, /^config: puzzle\.empty: more empty cells than/],
    [{ kind: "sudoku", emtpy: [6, 13] }, /^config: puzzle: .*emtpy/],
  ])("refuses the options %j", (options, message) => {
    expect(errorOf(() => sudoku.readOptions(options))).toMatch(message);
  });

  it.each([
    ["a number", 5, /the record/],
    ["a strange length", { puzzle: "sudoku", grid: "12345" }, /"grid": must have 81, 36 or 16 characters; found .*12345/],
    ["a strange character", { puzzle: "sudoku", grid: "......13..x..2.." }, /"grid": must hold digits and dots only/],
    ["a digit too large", { puzzle: "sudoku", grid: "......15..3..2.." }, /"grid": 5 is not a digit from 1 to 4/],
    [
      "a clash",
      { puzzle: "sudoku", grid: "......11..3..2.." },
      /"grid": \(1, 2\) = 1: \(1, 3\) in the same row, column or box holds 1/,
    ],
    [
      "no solution",
      { puzzle: "sudoku", grid: "123............4" },
      /"grid": 123............4 has no solution; expected exactly one/,
    ],
    ["several solutions", { puzzle: "sudoku", grid: "................" }, /has several solutions; expected exactly one/],
    [
      "too many possibilities",
      { puzzle: "sudoku", grid: ".....5.8....6.1.43..........1.5........1.6...3.......553.....61........4........." },
      /too many/,
    ],
    ["another field", { puzzle: "sudoku", grid: "......13..3..2..", size: 4 }, /size/],
  ])("refuses %s", (_name, value, message) => {
    const error = errorOf(() => sudoku.readProblem(value));
    expect(error).toMatch(/^problem: sudoku problem/);
    expect(error).toMatch(message);
  });

  it("reads 0 as an empty cell, and a grid typed in lines", () => {
    expect(sudoku.readProblem({ puzzle: "sudoku", grid: "0000001300300200" })).toEqual(small);
    expect(sudoku.readText("....\n..13\n..3.\n.2..\n")).toEqual(small);
    expect(sudoku.readText("4,9 -> 36")).toBeUndefined();
    expect(sudoku.readText("123")).toBeUndefined();
    expect(errorOf(() => sudoku.readText("11.............."))).toMatch(/^problem: .*holds 1/);
  });

  it("writes what the record promises", () => {
    expect(sudoku.writeProblem(small)).toEqual({ puzzle: "sudoku", grid: "......13..3..2.." });
    expect(sudoku.statistics(small)).toEqual({ emptyCells: 12, guesses: 0, level: 1 });
    expect(sudoku.canonicalKey(small)).toMatch(/^sudoku:[.1-4]{16}$/);
  });
});

describe("rules", () => {
  const root = sudoku.root(small);

  it("lists the digits of the empty cell with the fewest, and applies them", () => {
    // (1, 1) sees 1 and 3 in its row and 2 in its column.
    expect(sudoku.actions(small, root)).toEqual([{ cell: 5, value: 4 }]);
    expect(kindOf(small, root, { cell: 5, value: 4 })).toBe(".....413..3..2..");
    // Then 2 alone is left in the row for (1, 0).
    expect(sudoku.actions(small, ".....413..3..2..")).toEqual([{ cell: 4, value: 2 }]);
    expect(sudoku.actions(small, "................")).toEqual([1, 2, 3, 4].map((value) => ({ cell: 0, value })));
    expect(sudoku.actions(small, "123....4........")).toEqual([]);
    expect(sudoku.actions(small, "1324241341323241")).toEqual([]);
  });

  it.each([
    ["a clash in the row", { cell: 4, value: 3 }, /^rule: \(1, 0\) = 3: \(1, 3\) in the same row, column or box holds 3/],
    ["a clash in the column", { cell: 1, value: 2 }, /^rule: \(0, 1\) = 2: \(3, 1\) /],
    ["a clash in the box", { cell: 2, value: 3 }, /^rule: \(0, 2\) = 3: \(1, 3\) /],
    ["a cell that is filled", { cell: 6, value: 1 }, /^rule: \(1, 2\) = 1: the cell holds 1/],
    ["a digit of a larger grid", { cell: 0, value: 5 }, /^rule: 5 is not a digit from 1 to 4/],
    ["a cell outside", { cell: 16, value: 1 }, /^rule: cell 16 is outside the 4x4 grid/],
    [
      "candidates without the digit",
      { cell: 0, value: 1, candidates: [3, 4] },
      /^candidates: \(0, 0\) \[3, 4\]: the digit chosen, 1/,
    ],
    ["a candidate excluded by the column", { cell: 1, value: 3, candidates: [1, 2, 3, 4] }, /^candidates: .*: 2 stands in/],
    [
      "candidates without the solution",
      { cell: 0, value: 3, candidates: [3, 4] },
      /^candidates: .*: 1, which solves the grid, is missing/,
    ],
    ["candidates out of order", { cell: 0, value: 1, candidates: [2, 1] }, /^candidates: .*ascending/],
    ["a candidate twice", { cell: 0, value: 1, candidates: [1, 1, 2] }, /^candidates: .*ascending/],
  ])("forbids %s", (_name, action, message) => {
    expect(kindOf(small, root, action)).toMatch(message);
  });

  it("takes a list of candidates that a solver shortened, and any legal one where the state is lost", () => {
    expect(kindOf(small, root, { cell: 0, value: 3, candidates: [1, 3] })).toMatch(/^3\./);
    // With (0, 0) = 3 there is no solution: no candidate of (0, 1) is the right one.
    expect(kindOf(small, "3.....13..3..2..", { cell: 1, value: 4, candidates: [4] })).toMatch(/^34/);
  });

  it("knows goal and dead end exactly: 4x4 states against the count of their solutions", () => {
    const solution = sudokuSolution(small);
    expect(solution).toBe("1324241341323241");
    expect(sudoku.isGoal(small, solution)).toBe(true);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 12 }), (choices) => {
        let state = sudoku.root(small);
        for (const choice of choices) {
          // Any legal digit of a random empty cell.
          const cells = [...state].flatMap((digit, cell) => (digit === "." ? [cell] : []));
          const cell = cells[(choice * 7) % Math.max(1, cells.length)];
          const legal = [1, 2, 3, 4].flatMap((value) => {
            const applied = cell === undefined ? undefined : sudoku.apply(small, state, { cell, value });
            return applied?.ok ? [applied.state] : [];
          });
          state = legal[choice % Math.max(1, legal.length)] ?? state;
        }
        expect(sudoku.canSolve(small, state)).toBe(exactSearch(4).count(cellsOf(state)) !== "none");
        expect(sudoku.isGoal(small, state)).toBe(!state.includes(".") && sudoku.canSolve(small, state));
      }),
    );
  });

  it("follows a wrong text: cells are filled anew, clues stay", () => {
    expect(sudoku.applyAsClaimed(small, root, { cell: 0, value: 3 })).toBe("3.....13..3..2..");
    expect(sudoku.applyAsClaimed(small, "3.....13..3..2..", { cell: 0, value: 4 })).toBe("4.....13..3..2..");
    expect(sudoku.applyAsClaimed(small, root, { cell: 6, value: 4 })).toBe(root);
    expect(sudoku.applyAsClaimed(small, root, { cell: 0, value: 9 })).toBe(root);
    expect(sudoku.applyAsClaimed(small, root, { cell: 99, value: 1 })).toBe(root);
  });

  it("estimates by the number of empty cells", () => {
    expect(sudoku.heuristics.emptyCells?.estimate(small, root)).toBe(12);
    expect(sudoku.heuristics.emptyCells?.estimate(small, sudokuSolution(small))).toBe(0);
  });
});
