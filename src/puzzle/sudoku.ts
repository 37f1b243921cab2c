// Sudoku: fill a grid so that each row, column and box holds every digit once. The one rule book; knows nothing of text formats,
// models or files.
import { z } from "zod";
import { UserError } from "../lib/errors.ts";
import type { Rng } from "../lib/rng.ts";
import type { Applied, Puzzle } from "./puzzle.ts";
import { readRecord, readWith } from "./read.ts";
import { rateSudoku } from "./sudokuDifficulty.ts";
import { type Dug, digSudoku } from "./sudokuDig.ts";
import { gridText, type SudokuSize } from "./sudokuGeometry.ts";
import { canonicalGrid } from "./sudokuKey.ts";
import {
  actions,
  canSolve,
  claimed,
  countEmpty,
  isGoal,
  keepSolution,
  ruleViolation,
  type SudokuAction,
  type SudokuProblem,
  type SudokuState,
  sudokuSolution,
  violation,
  withDigit,
} from "./sudokuRules.ts";

/** Most empty cells with which a grid of that size can have one solution (17, 8 and 4 clues), and what is drawn by default. */
const emptyRanges: Readonly<Record<SudokuSize, { readonly most: number; readonly usual: readonly [number, number] }>> = {
  4: { most: 12, usual: [6, 10] },
  6: { most: 28, usual: [14, 22] },
  9: { most: 64, usual: [30, 50] },
};

const range = (most: number) =>
  z
    .tuple([z.number().int().min(0).max(most), z.number().int().min(0).max(most)])
    .refine(([low, high]) => low <= high, { error: "the first number of a range must not exceed the second" });

/** Options of the generator. */
export const sudokuOptions = z
  .strictObject({
    kind: z.literal("sudoku"),
    size: z
      .union([z.literal(4), z.literal(6), z.literal(9)])
      .default(9)
      .describe("digits and cells per row: 4 (boxes of 2x2), 6 (2x3) or 9 (3x3)"),
    empty: range(64)
      .optional()
      .describe("range of the number of empty cells; default [30, 50], [14, 22] with size 6, [6, 10] with size 4"),
    guesses: range(10_000).optional().describe("range of the guesses that the solver with all strategies makes; default: any"),
    level: range(7)
      .optional()
      .describe("range of the hardest strategy needed, 1 (lone single) to 7 (unique rectangle); default: any"),
  })
  .transform((options) => ({ ...options, empty: options.empty ?? ([...emptyRanges[options.size].usual] as [number, number]) }))
  .refine(({ size, empty }) => empty[1] <= emptyRanges[size].most, {
    path: ["empty"],
    error: "more empty cells than a grid with one solution can have (12 with size 4, 28 with size 6, 64 with size 9)",
  });
export type SudokuOptions = z.output<typeof sudokuOptions>;

/** Grids dug before the emptiest of them will do. */
const gridsPerTarget = 10;
/** Puzzles drawn before the options count as unsatisfiable. */
const drawsTried = 1000;

/**
 * A puzzle whose number of empty cells is drawn uniformly from the range. Where none of ten grids can be dug so far, the
 * emptiest of them if it is in the range: large numbers come less often, because few grids allow them.
 */
function drawGrid(rng: Rng, size: SudokuSize, [low, high]: readonly [number, number]): Dug | undefined {
  const target = rng.between(low, high);
  let best: Dug | undefined;
  for (let grid = 0; grid < gridsPerTarget; grid++) {
    const dug = digSudoku(rng, size, target);
    if (best === undefined || dug.emptyCells > best.emptyCells) best = dug;
    if (best.emptyCells === target) return best;
  }
  return best !== undefined && best.emptyCells >= low ? best : undefined;
}

function within(value: number, bounds: readonly [number, number] | undefined): boolean {
  return bounds === undefined || (value >= bounds[0] && value <= bounds[1]);
}

/** Puzzles outside `guesses` and `level` are dropped. Throws UserError("puzzle-empty") after 1000 draws. */
function generate(rng: Rng, options: SudokuOptions): SudokuProblem {
  const { size, empty, guesses, level } = options;
  for (let draw = 0; draw < drawsTried; draw++) {
    const dug = drawGrid(rng, size, empty);
    if (dug === undefined) continue;
    const problem: SudokuProblem = { puzzle: "sudoku", grid: gridText(dug.cells) };
    keepSolution(problem, gridText(dug.solution));
    if (guesses === undefined && level === undefined) return problem;
    const rating = rateSudoku(problem.grid);
    if (within(rating.guesses, guesses) && within(rating.level, level)) return problem;
  }
  const ranges = Object.entries({ empty, guesses, level }).flatMap(([key, bounds]) =>
    bounds === undefined ? [] : [`puzzle.${key} [${bounds.join(", ")}]`],
  );
  throw new UserError(
    "puzzle-empty",
    `sudoku: none of ${drawsTried} puzzles of size ${size} satisfies ${ranges.join(", ")}. Widen the ranges: few grids have one solution with that many empty cells, and few need that much.`,
  );
}

const expectedProblem =
  '{"puzzle":"sudoku","grid":"81 characters (36 or 16 for a small grid), the digits row by row, . or 0 for empty"}';
const problemSchema = z.strictObject({
  puzzle: z.literal("sudoku"),
  grid: z
    .string()
    .refine((grid) => [16, 36, 81].includes(grid.length), { error: "must have 81, 36 or 16 characters" })
    .refine((grid) => /^[0-9.]*$/.test(grid), { error: "must hold digits and dots only" }),
});

/** Also checks that nothing clashes and that there is exactly one solution: other grids are no Sudoku. */
function readProblem(value: unknown): SudokuProblem {
  const { grid: text } = readRecord(problemSchema, value, "sudoku", expectedProblem);
  const grid = text.replaceAll("0", ".");
  for (let cell = 0; cell < grid.length; cell++) {
    if (grid[cell] === ".") continue;
    const without = `${grid.slice(0, cell)}.${grid.slice(cell + 1)}`;
    const wrong = ruleViolation(without, { cell, value: Number(grid[cell]) });
    if (wrong !== undefined) throw new UserError("problem", `sudoku problem: "grid": ${wrong}; expected ${expectedProblem}`);
  }
  const problem: SudokuProblem = { puzzle: "sudoku", grid };
  sudokuSolution(problem);
  return problem;
}

type SudokuPuzzle = Puzzle<SudokuOptions, SudokuProblem, SudokuState, SudokuAction>;
/**
 * Sudoku. `actions` gives the digits that row, column and box leave to the empty cell with the fewest of them (the first
 * of several), ascending: one cell is enough, since it must be filled in the end. `apply` takes any legal placement.
 * `canonicalKey` is exact up to names of digits and all symmetries of the grid (sudokuKey.ts).
 */
export const sudoku: SudokuPuzzle & Required<Pick<SudokuPuzzle, "applyAsClaimed" | "canSolve" | "readText" | "statistics">> = {
  name: "sudoku",
  readOptions: (value) => readWith(sudokuOptions, value, "config", "puzzle"),
  generate,
  canonicalKey: (problem) => `sudoku:${canonicalGrid(problem.grid)}`,
  root: (problem) => problem.grid,
  actions: (_problem, state) => actions(state),
  apply: (problem, state, action): Applied<SudokuState> => {
    const found = violation(problem, state, action);
    return found ? { ok: false, violation: found } : { ok: true, state: withDigit(state, action) };
  },
  applyAsClaimed: claimed,
  isGoal,
  canSolve,
  stateKey: (state) => state,
  heuristics: { emptyCells: { estimate: (_problem, state) => countEmpty(state) } },
  readProblem,
  readText: (text) => {
    const grid = text.replaceAll(/\s/g, "");
    return /^[0-9.]+$/.test(grid) && [16, 36, 81].includes(grid.length) ? readProblem({ puzzle: "sudoku", grid }) : undefined;
  },
  writeProblem: (problem) => ({ puzzle: "sudoku", grid: problem.grid }),
  statistics: (problem) => ({ emptyCells: countEmpty(problem.grid), ...rateSudoku(problem.grid) }),
};
