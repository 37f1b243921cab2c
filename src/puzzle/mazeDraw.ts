// Draws mazes as Searchformer does (arXiv 2402.14083): walls at random places, then a start and a goal far enough apart.
import { UserError } from "../lib/errors.ts";
import type { Rng } from "../lib/rng.ts";
import type { MazeCell, MazeProblem } from "./maze.ts";
import { mazeView } from "./mazeView.ts";

interface MazeDrawOptions {
  readonly size: number;
  readonly walls: readonly [number, number];
}

// As in Searchformer: so many queries are tried on one set of walls.
const queriesTried = 100;
const wallsTried = 1000;

/**
 * A maze whose shortest plan visits at least `size` cells, start and goal included. The number of walls is uniform between the two
 * shares of all cells, rounded inwards; their places are uniform, in order of rows; start and goal are uniform among the free cells.
 * Throws UserError("puzzle-empty") after 1000 sets of walls without a fitting query.
 */
export function drawMaze(rng: Rng, { size, walls: [low, high] }: MazeDrawOptions): MazeProblem {
  const cells = Array.from({ length: size * size }, (_, index) => index);
  const [fewest, most] = wallRange(size, [low, high]);
  for (let attempt = 0; attempt < wallsTried; attempt++) {
    const shuffled = rng.shuffled(cells);
    const numWalls = rng.between(fewest, most);
    const walls = shuffled.slice(0, numWalls).sort((a, b) => a - b);
    const free = shuffled.slice(numWalls);
    const problem = drawQuery(rng, size, walls, free);
    if (problem) return problem;
  }
  throw new UserError(
    "puzzle-empty",
    `maze: no plan of ${size} cells or more in ${wallsTried} mazes with puzzle.size ${size} and puzzle.walls [${low}, ${high}]. Ask for fewer walls.`,
  );
}

/** Fewest and most walls: the shares of all cells, rounded inwards. */
export function wallRange(size: number, [low, high]: readonly [number, number]): [number, number] {
  // 0.3 * 100 is 30.000000000000004 or so on its way to a whole number: nobody means 31.
  return [Math.ceil(low * size * size - 1e-9), Math.floor(high * size * size + 1e-9)];
}

function drawQuery(rng: Rng, size: number, walls: readonly number[], free: readonly number[]): MazeProblem | undefined {
  const cell = (index: number): MazeCell => [index % size, Math.floor(index / size)];
  const wallCells = walls.map(cell);
  for (let attempt = 0; attempt < queriesTried; attempt++) {
    const [start, goal] = [rng.pick(free), rng.pick(free)];
    if (start === goal) continue;
    const maze: MazeProblem = {
      puzzle: "maze",
      width: size,
      height: size,
      walls: wallCells,
      start: cell(start),
      goal: cell(goal),
    };
    const moves = mazeView(maze).toGoal(maze.start);
    if (moves !== undefined && moves + 1 >= size) return maze;
  }
  return undefined;
}
