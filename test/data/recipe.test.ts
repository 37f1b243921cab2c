// Recipes of trace formats: what is drawn, kept, cut, dropped; which problems are to train on.
import { beforeAll, describe, expect, it } from "vitest";
import { testDataSettings, traceData, type WeightedSolver } from "../../src/config/dataSettings.ts";
import { loadModule } from "../../src/config/moduleLoader.ts";
import { solverName, solversOf } from "../../src/config/solvers.ts";
import { solverDraws } from "../../src/data/draws.ts";
import { testProblems, trainExamples } from "../../src/data/make.ts";
import { problemSpace } from "../../src/data/problems.ts";
import { recipeFor } from "../../src/data/recipe.ts";
import { Rng } from "../../src/lib/rng.ts";
import { toy, toyModule } from "./datasets.ts";

beforeAll(async () => {
  await loadModule(toyModule);
});

describe("a trace example", () => {
  it("is the search of its problem, told whole", () => {
    // Steps of 2, then the overshoot is taken back: 5 is 2, 4, 6, back, 5.
    const examples = [...trainExamples(toy({ size: 200 }, 9), 1)];
    const five = examples.find(({ prompt }) => prompt === "5?");
    expect(five).toMatchObject({
      problem: { puzzle: "toy", goal: 5 },
      response: "222<1!",
      spans: [[0, 6]],
      trainEnd: true,
      format: "climb",
      solver: "exhaustive",
      origin: "trace",
      solved: true,
      nodes: 4,
    });
    const keys = "id problem prompt response spans trainEnd format solver origin solved nodes";
    expect(Object.keys(five ?? {}).join(" ")).toBe(keys);
  });

  it("that is too long is cut, without its end, or dropped", () => {
    const settings = (over: string) => toy({ size: 200, maxTokens: 4, over }, 9);
    const cut = [...trainExamples(settings("cut"), 1)];
    expect(cut.find(({ prompt }) => prompt === "5?")).toMatchObject({
      response: "222<",
      spans: [[0, 4]],
      trainEnd: false,
      solved: true,
      nodes: 4,
    });
    expect(cut.find(({ prompt }) => prompt === "6?")).toMatchObject({ response: "222!", trainEnd: true });
    const kept = [...trainExamples(settings("drop"), 1)];
    expect(kept).toHaveLength(200);
    expect(new Set(kept.map(({ prompt }) => prompt))).toEqual(
      new Set(cut.filter(({ trainEnd }) => trainEnd).map(({ prompt }) => prompt)),
    );
  });

  it("of a search that ends without a goal is kept, or another one drawn", () => {
    const solver = { kind: "exhaustive", maxNodes: 3 };
    const all = [...trainExamples(toy({ size: 100, solver }, 9), 1)];
    // 2, 4, 6 are three nodes: goals up to 6 but 5 are reached.
    const unsolved = new Set(all.filter(({ solved }) => !solved).map(({ prompt }) => prompt));
    expect([...unsolved].sort()).toEqual(
      ["5?", "7?", "8?", "9?"].filter((prompt) => all.some((example) => example.prompt === prompt)),
    );
    const solved = [...trainExamples(toy({ size: 100, solver, keep: "solved" }, 9), 1)];
    expect(solved).toHaveLength(100);
    expect(solved.every((example) => example.solved)).toBe(true);
    // Ids tell the draw, so they leave numbers out.
    expect(Number(solved.at(-1)?.id.slice("train-".length))).toBeGreaterThan(99);
  });
});

describe("problems of any puzzle", () => {
  it("are split by their key in the shares 85, 10 and 5 in a hundred, whatever the options", () => {
    const space = problemSpace({ kind: "toy" });
    const counts = { train: 0, seen: 0, dev: 0, unseen: 0 };
    for (let goal = 1; goal <= 20_000; goal++) counts[space.splitOf({ puzzle: "toy", goal })]++;
    // Four standard deviations.
    expect(Math.abs(counts.seen - 2000)).toBeLessThan(170);
    expect(Math.abs(counts.dev - 1000)).toBeLessThan(125);
    expect(counts.unseen).toBe(0);
    const other = problemSpace(toy({}, 50).puzzle);
    for (let goal = 1; goal <= 100; goal++)
      expect(other.splitOf({ puzzle: "toy", goal })).toBe(space.splitOf({ puzzle: "toy", goal }));
  });

  it("are drawn of the split asked for; the first test problems do not depend on how many follow", () => {
    const space = problemSpace({ kind: "toy" });
    for (const split of ["train", "seen", "dev"] as const) {
      for (let index = 0; index < 50; index++) expect(space.splitOf(space.draw(split, Rng.for(1, split, index)))).toBe(split);
    }
    const many = space.distinct("seen", 40, 3, "seen");
    expect(new Set(many.map((problem) => space.puzzle.canonicalKey(problem))).size).toBe(40);
    expect(space.distinct("seen", 10, 3, "seen")).toEqual(many.slice(0, 10));
    expect(() => space.distinct("seen", 200, 3, "seen")).toThrow(
      /seen asks for 200 distinct problems of toy, but about \d+ were found/,
    );
  });

  it("make test sets of other distributions, disjoint from training, by name", () => {
    const settings = toy({ size: 500 });
    const sets = { wide: { size: 20, puzzle: { most: 3000 } } };
    const test = testDataSettings.parse({ seen: 5, unseen: 50, dev: 3, sets });
    const problems = testProblems({ puzzle: settings.puzzle, test, format: "climb" }, 7);
    const count = (split: string) => problems.filter((problem) => problem.split === split).length;
    expect([count("seen"), count("unseen"), count("dev"), count("wide")]).toEqual([5, 0, 3, 20]);
    const goals = problems.flatMap(({ split, prompt }) => (split === "wide" ? [Number(prompt.slice(0, -1))] : []));
    expect(Math.max(...goals)).toBeGreaterThan(1000);
    const trained = new Set([...trainExamples(settings, 7)].map(({ prompt }) => prompt));
    expect(problems.filter(({ prompt }) => trained.has(prompt))).toEqual([]);
  });
});

describe("solvers", () => {
  const parse = (train: object) => traceData.parse({ format: "sos", ...train });
  const named = (solver: object | string) => solverName((parse({ solver }).solver as WeightedSolver[])[0] as WeightedSolver);

  it("are the format's own where none is named, with all their defaults", () => {
    expect(solversOf(parse({})).map(solverName)).toEqual(["dfs(sum)", "dfs(mult)"]);
    expect(solversOf(parse({}))[0]).toMatchObject({ threshold: "target", share: 1 });
    expect(solversOf(parse({ solver: "mcts" })).map(({ kind }) => kind)).toEqual(["mcts"]);
    expect(solversOf(parse({ format: "path" })).map(solverName)).toEqual(["optimal"]);
  });

  it.each([
    [{ kind: "beam", heuristic: "mult", width: 3 }, "beam(mult,3)"],
    [{ kind: "dfs", threshold: "none", maxNodes: 50 }, "dfs(sum,threshold=none,maxNodes=50)"],
    ["astar", "astar(manhattan)"],
    [{ kind: "astar", ties: "random" }, "astar(manhattan,ties=random)"],
    ["bfs", "bfs"],
    ["sudoku", "sudoku"],
    [{ kind: "sudoku", strategies: ["lone-single"] }, "sudoku(strategies=lone-single)"],
  ])("%j is called %s", (solver, name) => {
    expect(named(solver)).toBe(name);
  });

  it("are drawn by their shares, by index alone", () => {
    const train = parse({ solver: [{ kind: "exhaustive", share: 3 }, "bfs"] });
    const solverOf = solverDraws({ puzzle: { kind: "toy" }, train, seed: 7 });
    const drawn = Array.from({ length: 4000 }, (_, index) => solverOf(index).name);
    const share = drawn.filter((name) => name === "exhaustive").length / drawn.length;
    expect(Math.abs(share - 0.75)).toBeLessThan(0.03);
    expect([3999, 17].map((index) => solverOf(index).name)).toEqual([drawn[3999], drawn[17]]);
  });

  it("that do not fit the puzzle are refused by name", () => {
    expect(() => recipeFor(toy({ solver: "sudoku" }))).toThrow(/sudoku works on sudoku, not on toy/);
  });
});
