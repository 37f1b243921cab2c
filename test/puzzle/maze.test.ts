import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deriveSeed, Rng } from "../../src/lib/rng.ts";
import { type MazeCell, type MazeProblem, maze } from "../../src/puzzle/maze.ts";

/** Rows from the top (greatest y) down: "." free, "#" wall, S and G. */
function drawing(...rows: string[]): MazeProblem {
  const cells = rows.toReversed().flatMap((row, y) => [...row].map((sign, x) => ({ sign, cell: [x, y] as MazeCell })));
  const at = (sign: string) => cells.filter((found) => found.sign === sign).map(({ cell }) => cell);
  const [width, height] = [rows[0]?.length ?? 0, rows.length];
  return maze.readProblem({ puzzle: "maze", width, height, walls: at("#"), start: at("S")[0], goal: at("G")[0] });
}

const small = drawing("S#G", "...", "#.."); // goal at [2,2], start at [0,2]
const drawn = (index: number, options: object = {}) =>
  maze.generate(Rng.indexed(deriveSeed(7, "maze test"), index), maze.readOptions({ kind: "maze", ...options }));

describe("rules", () => {
  it("moves go up, down, left, right, around walls and within the maze", () => {
    expect(maze.actions(small, [1, 1]).map(({ to }) => to)).toEqual([
      [1, 0],
      [0, 1],
      [2, 1],
    ]);
    expect(maze.actions(small, [0, 2]).map(({ to }) => to)).toEqual([[0, 1]]);
  });

  it("knows the shortest way, dead ends and the Manhattan distance", () => {
    expect(maze.shortestLength(small)).toBe(4);
    expect(maze.statistics(small)).toEqual({ walls: 2, wallShare: 2 / 9, planLength: 4 });
    expect(maze.heuristics.manhattan?.estimate(small, [0, 2])).toBe(2);
    const walled = drawing("S#G", ".##");
    expect(maze.canSolve(walled, [0, 1])).toBe(false);
    expect(maze.shortestLength(walled)).toBe(Number.POSITIVE_INFINITY);
    expect(maze.statistics(walled)).not.toHaveProperty("planLength");
  });

  it.each([
    [[0, 2], [1, 2], /a wall/],
    [[0, 2], [0, 3], /outside the maze of 3 x 3/],
    [[0, 2], [2, 2], /no neighbours/],
    [[1, 1], [1, 2], /begins at \[1,1\]/],
  ] as [MazeCell, MazeCell, RegExp][])("from %j to %j is against the rules", (from, to, message) => {
    const applied = maze.apply(small, [0, 2], { from, to });
    expect(applied).toMatchObject({ ok: false, violation: { kind: "rule" } });
    if (!applied.ok) expect(applied.violation.message).toMatch(message);
    expect(maze.applyAsClaimed?.(small, [0, 2], { from, to })).toEqual(to);
  });

  it("the estimate never exceeds the true distance, and neighbours are mutual", () => {
    for (let index = 0; index < 20; index++) {
      const problem = drawn(index, { size: 7 });
      for (let y = 0; y < 7; y++) {
        for (let x = 0; x < 7; x++) {
          const far = maze.shortestLength({ ...problem, start: [x, y] });
          expect(maze.heuristics.manhattan?.estimate(problem, [x, y])).toBeLessThanOrEqual(far);
          for (const { to } of maze.actions(problem, [x, y])) {
            const [toX, toY] = to;
            const isFree = !problem.walls.some(([wallX, wallY]) => wallX === x && wallY === y);
            expect(maze.actions(problem, [toX, toY]).some(({ to: [backX, backY] }) => backX === x && backY === y)).toBe(isFree);
          }
        }
      }
    }
  });
});

describe("the canonical key", () => {
  const turned = ({ width, height, walls, start, goal }: MazeProblem, flip: boolean): MazeProblem => {
    // A quarter turn, or the mirror image.
    const move = ([x, y]: MazeCell): MazeCell => (flip ? [width - 1 - x, y] : [height - 1 - y, x]);
    const [newWidth, newHeight] = flip ? [width, height] : [height, width];
    return {
      puzzle: "maze",
      width: newWidth,
      height: newHeight,
      walls: walls.map(move).reverse(),
      start: move(start),
      goal: move(goal),
    };
  };

  it("is the same for turned and mirrored mazes and for walls in any order", () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.array(fc.boolean(), { maxLength: 5 }), (index, flips) => {
        const problem = drawn(index, { size: 5 });
        expect(maze.canonicalKey(flips.reduce(turned, problem))).toBe(maze.canonicalKey(problem));
        const oblong = drawing("S#..", "...G");
        expect(maze.canonicalKey(flips.reduce(turned, oblong))).toBe(maze.canonicalKey(oblong));
      }),
      { numRuns: 50 },
    );
  });

  it("is exact: as many keys as orbits of the square's symmetries (Burnside, 2 x 2 cells with any walls)", () => {
    // 12 pairs of start and goal and 4 sets of walls: 48 mazes. A diagonal mirror fixes those with start and goal on its axis: 2 * 2
    // each (the other two cells alike); turns and the other mirrors move the start. (48 + 2 * 4) / 8 = 7.
    const cells: MazeCell[] = [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ];
    const keys = new Set<string>();
    for (const start of cells) {
      for (const goal of cells.filter((cell) => cell !== start)) {
        const rest = cells.filter((cell) => cell !== start && cell !== goal);
        for (const walls of [[], [rest[0]], [rest[1]], rest] as MazeCell[][]) {
          keys.add(maze.canonicalKey({ puzzle: "maze", width: 2, height: 2, walls, start, goal }));
        }
      }
    }
    expect(keys.size).toBe(7);
  });
});

describe("generate", () => {
  it("keeps to Searchformer's walls and plan lengths", () => {
    const counts = new Set<number>();
    for (let index = 0; index < 200; index++) {
      const problem = maze.readProblem(JSON.parse(JSON.stringify(maze.writeProblem(drawn(index)))));
      counts.add(problem.walls.length);
      expect(maze.shortestLength(problem) + 1).toBeGreaterThanOrEqual(10);
      const order = problem.walls.map(([x, y]) => y * 10 + x);
      expect(order).toEqual([...order].sort((a, b) => a - b));
    }
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(30);
    expect(Math.max(...counts)).toBeLessThanOrEqual(50);
    expect(counts.size).toBeGreaterThan(10);
  });

  it("is a function of the stream", () => {
    expect(drawn(3)).toEqual(drawn(3));
    expect(drawn(3)).not.toEqual(drawn(4));
  });

  it("says what was asked for when there is none", () => {
    expect(() => drawn(0, { size: 20, walls: [0.9, 0.9] })).toThrowError(/no plan of 20 cells .*puzzle.walls \[0.9, 0.9\]/);
  });
});

describe("what people may write", () => {
  it.each([
    [{ size: 1 }, /puzzle\.size/],
    [{ walls: [0.5, 0.3] }, /puzzle\.walls/],
    [{ size: 3, walls: [0.4, 0.42] }, /puzzle\.walls.*no number of walls/],
    [{ height: 5 }, /height/],
  ])("options %j are refused by their key", (options, message) => {
    expect(() => maze.readOptions({ kind: "maze", ...options })).toThrowError(message);
  });

  const record = { puzzle: "maze", width: 2, height: 2, walls: [[0, 1]], start: [0, 0], goal: [1, 1] };
  it.each([
    [{ start: [2, 0] }, /"start".*outside/],
    [{ goal: [0, 1] }, /"goal".*wall/],
    [{ goal: [0, 0] }, /"goal".*another cell/],
    [{ walls: [[0, 5]] }, /"walls".*outside/],
    [
      {
        walls: [
          [0, 1],
          [0, 1],
        ],
      },
      /"walls".*twice/,
    ],
    [{ width: 0 }, /"width"/],
    [{ start: "x" }, /"start"/],
    [{ more: 1 }, /more/],
  ])("a record with %j is refused by its field", (change, message) => {
    expect(() => maze.readProblem({ ...record, ...change })).toThrowError(message);
  });
});
