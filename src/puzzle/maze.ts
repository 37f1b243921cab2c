// Mazes of Searchformer (arXiv 2402.14083): a way through a grid with walls. Options, rules and records; mazeDraw.ts draws.
import { z } from "zod";
import { drawMaze, wallRange } from "./mazeDraw.ts";
import { isInside, mazeView, moves } from "./mazeView.ts";
import type { Applied, Puzzle } from "./puzzle.ts";
import { readRecord, readWith } from "./read.ts";

const share = z.number().min(0).max(0.9);

/** Options of the generator. Defaults are Searchformer's smallest mazes: 10 x 10 cells, 30 to 50 % of them walls. */
export const mazeOptions = z
  .strictObject({
    kind: z.literal("maze"),
    size: z.number().int().min(2).max(60).default(10).describe("cells of a side; plans visit at least as many"),
    walls: z
      .tuple([share, share])
      .default([0.3, 0.5])
      .describe("range of the share of cells that are walls, both ends included"),
  })
  .refine(({ size, walls }) => wallRange(size, walls)[0] <= wallRange(size, walls)[1], {
    error: "no number of walls lies between these shares of the cells",
    path: ["walls"],
  });
export type MazeOptions = z.output<typeof mazeOptions>;

/** x from the left, y from the bottom, from 0. */
export type MazeCell = readonly [x: number, y: number];

export interface MazeProblem {
  readonly puzzle: "maze";
  readonly width: number;
  readonly height: number;
  readonly walls: readonly MazeCell[];
  readonly start: MazeCell;
  readonly goal: MazeCell;
}

/** A move to a neighbouring cell. */
export interface MazeAction {
  readonly from: MazeCell;
  readonly to: MazeCell;
}

/** Most cells of a side. */
const maxSide = 100;
const side = z.number().int().min(1).max(maxSide);
const coordinate = z
  .number()
  .int()
  .min(0)
  .max(maxSide - 1);
const cell = z.tuple([coordinate, coordinate]);
const problemSchema = z
  .strictObject({
    puzzle: z.literal("maze"),
    width: side,
    height: side,
    walls: z.array(cell).max(maxSide ** 2),
    start: cell,
    goal: cell,
  })
  .check(({ value, issues }) => {
    const seen = new Set(value.walls.map(cellText));
    const wrong = (field: string, message: string) => issues.push({ code: "custom", path: [field], message, input: value });
    for (const name of ["start", "goal"] as const) {
      if (!isInside(value, value[name])) wrong(name, "lies outside the maze");
      else if (seen.has(cellText(value[name]))) wrong(name, "is a wall");
    }
    if (sameCell(value.start, value.goal)) wrong("goal", "must be another cell than the start");
    if (!value.walls.every((wall) => isInside(value, wall))) wrong("walls", "one lies outside the maze");
    if (seen.size < value.walls.length) wrong("walls", "one is there twice");
  });
const expectedProblem = '{"puzzle":"maze","width":3,"height":2,"walls":[[1,0]],"start":[0,0],"goal":[2,1]}';

/** "x,y". */
function cellText([x, y]: MazeCell): string {
  return `${x},${y}`;
}

export function sameCell(a: MazeCell, b: MazeCell): boolean {
  return a[0] === b[0] && a[1] === b[1];
}

/** Moves between two cells of a grid without walls. */
export function manhattan(a: MazeCell, b: MazeCell): number {
  return Math.abs(a[0] - b[0]) + Math.abs(a[1] - b[1]);
}

function apply(problem: MazeProblem, state: MazeCell, action: MazeAction): Applied<MazeCell> {
  const refused = (why: string): Applied<MazeCell> => ({
    ok: false,
    violation: { kind: "rule", message: `a move from [${state}] to [${action.to}]: ${why}` },
  });
  if (!sameCell(action.from, state)) return refused(`the move begins at [${action.from}]`);
  if (manhattan(state, action.to) !== 1) return refused("the cells are no neighbours");
  if (!isInside(problem, action.to)) return refused(`outside the maze of ${problem.width} x ${problem.height} cells`);
  if (mazeView(problem).isWall(action.to)) return refused("a wall");
  return { ok: true, state: action.to };
}

/**
 * The maze as it looks after each of the square's symmetries: rows of "." (free), "#", "S" and "G". The least of the eight
 * texts stands for all of them.
 */
function symmetricTexts(problem: MazeProblem): string[] {
  const { width, height } = problem;
  const grid = Array.from({ length: height }, () => new Array<string>(width).fill("."));
  const mark = ([x, y]: MazeCell, sign: string) => {
    (grid[y] as string[])[x] = sign;
  };
  for (const wall of problem.walls) mark(wall, "#");
  mark(problem.start, "S");
  mark(problem.goal, "G");
  const transposed = (rows: readonly (readonly string[])[]) =>
    (rows[0] ?? []).map((_, column) => rows.map((row) => row[column] as string));
  return [grid, transposed(grid)].flatMap((rows) =>
    [rows, rows.map((row) => row.toReversed())].flatMap((turned) =>
      [turned, turned.toReversed()].map((final) => final.map((row) => row.join("")).join("/")),
    ),
  );
}

/**
 * Mazes. A state is a cell; moves come in the order up (y + 1), down, left, right. Any way to the goal is a right answer; whether
 * it is a shortest one is a statistic. planLength counts moves.
 */
type MazePuzzle = Puzzle<MazeOptions, MazeProblem, MazeCell, MazeAction>;
export const maze: MazePuzzle & Required<Pick<MazePuzzle, "shortestLength" | "canSolve" | "statistics">> = {
  name: "maze",
  readOptions: (value) => readWith(mazeOptions, value, "config", "puzzle"),
  generate: drawMaze,
  canonicalKey: (problem) => `maze:${symmetricTexts(problem).sort()[0]}`,
  root: (problem) => problem.start,
  actions: (problem, [x, y]) =>
    moves
      .map(([dx, dy]): MazeCell => [x + dx, y + dy])
      .filter((to) => isInside(problem, to) && !mazeView(problem).isWall(to))
      .map((to) => ({ from: [x, y], to })),
  apply,
  /** A wrong move is judged by what it says: the walk goes on at the cell that is named. */
  applyAsClaimed: (_problem, _state, action) => action.to,
  isGoal: (problem, state) => sameCell(state, problem.goal),
  canSolve: (problem, state) => mazeView(problem).toGoal(state) !== undefined,
  demandsShortest: false,
  /** Infinity where there is no way. */
  shortestLength: (problem) => mazeView(problem).toGoal(problem.start) ?? Number.POSITIVE_INFINITY,
  stateKey: cellText,
  /** `manhattan`: moves to the goal without walls, never more than with them. `zero` knows nothing. */
  heuristics: {
    manhattan: { estimate: (problem, state) => manhattan(state, problem.goal) },
    zero: { estimate: () => 0 },
  },
  readProblem: (value) => readRecord(problemSchema, value, "maze", expectedProblem),
  writeProblem: ({ puzzle, width, height, walls, start, goal }) => ({ puzzle, width, height, walls, start, goal }),
  statistics: (problem) => {
    const planLength = mazeView(problem).toGoal(problem.start);
    return {
      walls: problem.walls.length,
      wallShare: problem.walls.length / (problem.width * problem.height),
      ...(planLength === undefined ? {} : { planLength }),
    };
  },
};
