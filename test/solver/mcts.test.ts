import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { type CountdownProblem, countdown } from "../../src/puzzle/countdown.ts";
import type { Puzzle } from "../../src/puzzle/puzzle.ts";
import { mcts } from "../../src/solver/mcts.ts";
import { mctsSettings } from "../../src/solver/settings.ts";
import { lines } from "./lines.ts";
import { exhaustively } from "./searches.ts";
import { type WalkProblem, walk } from "./toys.ts";

const settingsOf = (settings: object) => mctsSettings.parse({ kind: "mcts", ...settings });

function linesOf<Problem, State, Action>(
  puzzle: Puzzle<unknown, Problem, State, Action>,
  problem: Problem,
  settings: object,
  seed = 1,
): string[] {
  return lines(mcts.solve(puzzle, problem, settingsOf(settings), Rng.for(seed, "mcts")));
}

describe("mcts", () => {
  it("tells each simulation as a walk from the root to an end", () => {
    const line: WalkProblem = { edges: { a: ["b"], b: ["c"] }, from: "a", to: "nowhere" };
    expect(linesOf(walk, line, {})).toEqual([
      ...["make 1<0 b", "visit 1", "make 2<1 c", "visit 2", "dead 2", "back 2>0"],
      // Nothing is untried below the root.
      "dead 0",
    ]);
  });

  it("ends at a goal that a rollout comes upon", () => {
    expect(linesOf(walk, { edges: { a: ["b"], b: ["c"] }, from: "a", to: "c" }, {})).toEqual([
      ...["make 1<0 b", "visit 1", "make 2<1 c", "goal 2"],
    ]);
  });

  it("makes every node of a hopeless tree once, then says so", () => {
    const problem: CountdownProblem = { puzzle: "countdown", numbers: [5, 3, 3], target: 1000 };
    const made = (trace: string[]) => trace.filter((line) => line.startsWith("make")).length;
    const trace = linesOf(countdown, problem, { simulations: 10_000 });
    expect(trace.at(-1)).toBe("dead 0");
    expect(made(trace)).toBe(made(lines(exhaustively(countdown, problem))));
  });

  it("stops after its simulations", () => {
    const problem: CountdownProblem = { puzzle: "countdown", numbers: [5, 3, 3], target: 1000 };
    expect(linesOf(countdown, problem, { simulations: 4 }).filter((line) => line.startsWith("dead"))).toHaveLength(4);
  });

  /** Two arms of 64 ends each; ends of the left arm look good, those of the right bad, nothing else tells them apart. */
  const arms: Puzzle<unknown, string, string, string> = {
    name: "arms",
    readOptions: (value) => value,
    generate: () => "",
    canonicalKey: (problem) => problem,
    root: () => "",
    actions: (_problem, word) => (word.length < 7 ? ["l", "r"] : []),
    apply: (_problem, word, letter) => ({ ok: true, state: word + letter }),
    isGoal: () => false,
    stateKey: (word) => word,
    heuristics: {
      ends: { estimate: (_problem, word) => (word.length === 7 && word.startsWith("r") ? 9 : 0) },
      right: { estimate: (_problem, word) => (word === "r" ? 9 : 0) },
    },
    readProblem: String,
    writeProblem: (problem) => problem,
  };

  it("draws actions by how good their states look, uniformly without a heuristic", () => {
    const lefts = (settings: object) =>
      Array.from({ length: 220 }, (_, seed) => linesOf(arms, "", { simulations: 1, ...settings }, seed)[0]).filter(
        (line) => line === "make 1<0 l",
      ).length;
    // Weights 1 and 1/10: 200 of 220 expected, standard deviation 4.3; uniformly 110, standard deviation 7.4.
    expect(Math.abs(lefts({ heuristic: "right" }) - 200)).toBeLessThan(17);
    expect(Math.abs(lefts({}) - 110)).toBeLessThan(30);
  });

  it("comes back to the part of the tree that pays, unless told to explore", () => {
    const first = (settings: object) => {
      const counts = { l: 0, r: 0 };
      const names = new Map<number, string>();
      let here = 0;
      for (const event of mcts.solve(arms, "", settingsOf({ heuristic: "ends", ...settings }), Rng.for(2, "arms"))) {
        if (event.kind === "generate" && event.parent === 0) names.set(event.node, event.action);
        if (event.kind === "visit") {
          const arm = here === 0 ? names.get(event.node) : undefined;
          if (arm === "l" || arm === "r") counts[arm]++;
          here = event.node;
        }
        if (event.kind === "backtrack") here = event.to;
      }
      return counts;
    };
    const greedy = first({ simulations: 40, exploration: 0.05 });
    const curious = first({ simulations: 40, exploration: 1000 });
    expect(greedy.l + greedy.r).toBe(40);
    expect(greedy.l).toBeGreaterThan(30);
    expect(curious).toEqual({ l: 20, r: 20 });
  });
});
