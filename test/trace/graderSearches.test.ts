import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { countdown } from "../../src/puzzle/countdown.ts";
import { graph } from "../../src/puzzle/graph.ts";
import { maze } from "../../src/puzzle/maze.ts";
import { solve } from "../../src/solver/registry.ts";
import { solverSettings } from "../../src/solver/settings.ts";
import { graphBfs, graphBfsArticle } from "../../src/trace/formats/graphBfs.ts";
import { mazeAStar } from "../../src/trace/formats/mazeAStar.ts";
import { think } from "../../src/trace/formats/think.ts";
import { grade } from "../../src/trace/grader.ts";

const seed = 5;

describe("what costs to know", () => {
  it("is asked of the puzzle only so often, however many states a text names", () => {
    let asked = 0;
    const counted = {
      ...countdown,
      canSolve: (problem: never, pool: readonly number[]) => {
        asked++;
        return countdown.canSolve(problem, pool);
      },
      canSolveCost: () => 30,
    };
    const problem = { puzzle: "countdown", numbers: [9, 8, 7], target: 999_983 } as const;
    const line = (result: number) =>
      `Exploring Operation: 9+8=${result}, Resulting Numbers: [7, ${result}]\n[7, ${result}] No Solution`;
    const text = Array.from({ length: 100 }, (_, index) => line(1000 + index)).join("\n");
    expect(grade(think, counted, problem, text).errors.filter(({ kind }) => kind === "dead-end-invented")).toEqual([]);
    expect(asked).toBe(66);
    grade(think, counted, problem, Array.from({ length: 100 }, () => line(1000)).join("\n"));
    expect(asked).toBe(67);
  });

  it("a lost pair that is no pair asserts nothing", () => {
    const problem = { puzzle: "countdown", numbers: [3, 2, 4, 1], target: 9 } as const;
    const text = "Exploring Operation: 3+2=5, Resulting Numbers: [4, 1, 5]\n[4, 1, 5] No Solution";
    const { errors, stats } = grade(think, countdown, problem, text);
    expect(errors.map(({ kind }) => kind)).toEqual(["state", "goal-missed"]);
    expect(stats.deadEnds).toBe(0);
  });

  it("a long list left empty again and again takes no time", () => {
    const edges = Array.from({ length: 9990 }, (_, index) => [0, index + 1]);
    const problem = graph.readProblem({ puzzle: "graph", edges, from: 0, to: 9990 });
    const text = `<${Array.from({ length: 20_000 }, () => "0,()").join(",")}`;
    const begin = performance.now();
    expect(grade(graphBfs, graph, problem, text).errors[0]?.kind).toBe("neighbours");
    // Comparing each with its 9990 neighbours would take most of a minute.
    expect(performance.now() - begin).toBeLessThan(5000);
  });
});

describe("a solver's own traces", () => {
  it.each([
    { kind: "astar" },
    { kind: "astar", ties: "random", childOrder: "random" },
    { kind: "astar", maxNodes: 13 },
    { kind: "astar", maxNodes: 14, ties: "random", childOrder: "random" },
  ])("keep the discipline of astar: %j", (asked) => {
    for (let index = 0; index < 25; index++) {
      const problem = maze.generate(Rng.for(seed, index), maze.readOptions({ kind: "maze", size: 4 + (index % 7) }));
      const trace = [...solve(maze, problem, solverSettings.parse(asked), Rng.for(seed, index))];
      const { errors, solved } = grade(mazeAStar, maze, problem, mazeAStar.render(problem, trace).text);
      const found = trace.some(({ kind }) => kind === "goal");
      expect([solved, errors.map(({ kind }) => kind)]).toEqual([found, found ? [] : ["goal-missed"]]);
    }
  });

  it("keep the discipline of bfs, whatever the budget", () => {
    for (let index = 0; index < 20; index++) {
      const problem = graph.generate(Rng.for(seed, index), graph.readOptions({ kind: "graph" }));
      for (const maxNodes of [undefined, 1, 3, 7, 12]) {
        const trace = [...solve(graph, problem, solverSettings.parse({ kind: "bfs", maxNodes }), Rng.for(seed, index))];
        const found = trace.some(({ kind }) => kind === "goal");
        for (const format of [graphBfs, graphBfsArticle]) {
          const { errors, solved } = grade(format, graph, problem, format.render(problem, trace).text);
          expect([solved, errors.map(({ kind }) => kind)]).toEqual([found, found ? [] : ["goal-missed"]]);
        }
      }
    }
  });
});

describe("broken searches", () => {
  it("breadth-first search ends with the list that holds the goal: what is expanded after it is named once", () => {
    const problem = graph.readProblem({ puzzle: "graph", text: "1,3|2,4|1,2|0,1|0,2|3,4/0,4" });
    const errorsOf = (text: string) =>
      grade(graphBfsArticle, graph, problem, text).errors.map(({ kind, step }) => `${kind}@${step}`);
    expect(errorsOf("<0,(1, 2),1,(2, 3),2,(4) - 4,2,0> 0,2,4")).toEqual([]);
    expect(errorsOf("<0,(1, 2),1,(2, 3),2,(4),3,(4),4,() - 4,2,0> 0,2,4")).toEqual(["queue@5"]);
    expect(errorsOf("<0,(1, 2),1,(2)")).toEqual(["neighbours@2", "goal-missed@3"]);
  });

  // 2 x 2 cells: 0,1 and 1,0 cost the same, either way is a shortest one.
  const base =
    "create 0 0 c0 c2|close 0 0 c0 c2|create 0 1 c1 c1|create 1 0 c1 c1|close 0 1 c1 c1|create 1 1 c2 c0|close 1 1 c2 c0|plan 0 0|plan 0 1|plan 1 1|";
  it.each([
    ["right", "", "", []],
    ["closed again", "close 0 1", "close 0 0 c0 c2|close 0 1", ["revisit@2"]],
    ["never created", "create 1 0 c1 c1|", "", ["neighbours@0"]],
    ["created twice", "create 1 0 c1 c1|", "create 1 0 c1 c1|create 1 0 c1 c1|", ["neighbours@0"]],
    ["created dearer", "create 1 1 c2 c0|", "create 0 0 c2 c2|create 1 1 c2 c0|", ["neighbours@2"]],
    ["a plan that the search did not take", "plan 0 1|", "plan 1 0|", ["traceback@3"]],
  ])("A*: %s", (_name, part, by, expected) => {
    const problem = maze.readProblem({ puzzle: "maze", width: 2, height: 2, walls: [], start: [0, 0], goal: [1, 1] });
    const text = base.replace(part, () => by).replaceAll("|", "\n");
    expect(grade(mazeAStar, maze, problem, text).errors.map(({ kind, step }) => `${kind}@${step}`)).toEqual(expected);
  });
});
