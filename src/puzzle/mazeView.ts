// A maze's free cells and their distances to its goal. Worked out once a problem. Pure.
import type { MazeCell, MazeProblem } from "./maze.ts";

export interface MazeView {
  readonly isWall: (cell: MazeCell) => boolean;
  /** Moves on the shortest way from a cell to the goal; undefined: there is no way, or no such cell. */
  toGoal(cell: MazeCell): number | undefined;
}

/** Moves in their order: up (y + 1), down, left, right, as in Searchformer. */
export const moves: readonly MazeCell[] = [
  [0, 1],
  [0, -1],
  [-1, 0],
  [1, 0],
];

export function isInside({ width, height }: Pick<MazeProblem, "width" | "height">, [x, y]: MazeCell): boolean {
  return x >= 0 && x < width && y >= 0 && y < height;
}

// Problems are immutable and every rule asks for the same walls again and again.
const views = new WeakMap<MazeProblem, MazeView>();

/** The problem's view, made at the first call. */
export function mazeView(problem: MazeProblem): MazeView {
  const known = views.get(problem);
  if (known) return known;
  const { width, height } = problem;
  const index = ([x, y]: MazeCell) => y * width + x;
  const walls = new Uint8Array(width * height);
  for (const wall of problem.walls) walls[index(wall)] = 1;
  const isWall = (cell: MazeCell) => walls[index(cell)] === 1;
  let distances: Int32Array | undefined;
  const view: MazeView = {
    isWall,
    toGoal: (cell) => {
      distances ??= distancesTo(problem, isWall);
      const distance = isInside(problem, cell) ? (distances[index(cell)] as number) : -1;
      return distance < 0 ? undefined : distance;
    },
  };
  views.set(problem, view);
  return view;
}

/** Breadth-first distances to the goal by [y * width + x]; -1: none. */
function distancesTo(problem: MazeProblem, isWall: (cell: MazeCell) => boolean): Int32Array {
  const { width, height, goal } = problem;
  const distances = new Int32Array(width * height).fill(-1);
  const queue = [goal];
  distances[goal[1] * width + goal[0]] = 0;
  for (const [x, y] of queue) {
    const next = (distances[y * width + x] as number) + 1;
    for (const [dx, dy] of moves) {
      const cell: MazeCell = [x + dx, y + dy];
      const at = cell[1] * width + cell[0];
      if (!isInside(problem, cell) || isWall(cell) || (distances[at] as number) >= 0) continue;
      distances[at] = next;
      queue.push(cell);
    }
  }
  return distances;
}
