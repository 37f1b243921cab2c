// The searches of ways: bfs, best-first, astar, optimal, and what keeps tree searches finite. Traces worked out by hand.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { countdown } from "../../src/puzzle/countdown.ts";
import { canonicalSolution } from "../../src/solver/exhaustive.ts";
import { solve } from "../../src/solver/registry.ts";
import { solverSettings } from "../../src/solver/settings.ts";
import { lines } from "./lines.ts";
import { distance, type WalkProblem, walk } from "./toys.ts";

function linesOf(problem: WalkProblem, settings: object, seed = 1): string[] {
  return lines(solve(walk, problem, solverSettings.parse(settings), Rng.for(seed, "walks")));
}

/** The seed article's graph: 1,3|2,4|1,2|0,1|0,2|3,4/0,4. */
const article: WalkProblem = { edges: { 0: ["1", "2"], 1: ["2", "3"], 2: ["4"], 3: ["4"] }, from: "0", to: "4" };
/** There and back between a, b and c; the goal hangs on c; d is an end. */
const circle: WalkProblem = { edges: { a: ["b", "c"], b: ["a", "c", "d"], c: ["b", "goal"] }, from: "a", to: "goal" };
const hopeless: WalkProblem = { edges: { a: ["b", "c"], b: ["a", "c"], c: ["a"] }, from: "a", to: "goal" };

/** The orders in which 40 seeds make and visit two places with an end behind each: "ab 1,2". */
function ordersOf(kind: string, settings: object): Set<string> {
  const fork = { edges: { s: ["a", "b"], a: ["x"], b: ["y"] }, from: "s", to: "nowhere" };
  const orders = Array.from({ length: 40 }, (_, seed) => {
    const trace = linesOf(fork, { kind, heuristic: "zero", ...settings }, seed);
    const made = trace.slice(1, 3).map((line) => line.at(-1));
    const visited = trace.filter((line) => /^visit [12]$/.test(line)).map((line) => line.slice(6));
    return `${made.join("")} ${visited}`;
  });
  return new Set(orders);
}

describe("bfs", () => {
  it("lists all children, known ones too, ends after the list with the goal, tells the way back and forth", () => {
    expect(linesOf(article, { kind: "bfs" })).toEqual([
      ...["expand 0", "make 1<0 1", "make 2<0 2"],
      ...["visit 1", "expand 1", "make 3<1 2", "make 4<1 3"],
      ...["visit 2", "expand 2", "make 5<2 4"],
      ...["goal 5", "traceback 4 2 0", "answer 0 2 4"],
    ]);
  });

  it("passes over states that were expanded, and says when the space is spent", () => {
    expect(linesOf(hopeless, { kind: "bfs" })).toEqual([
      ...["expand 0", "make 1<0 b", "make 2<0 c"],
      ...["visit 1", "expand 1", "make 3<1 a", "make 4<1 c"],
      ...["visit 2", "expand 2", "make 5<2 a"],
      "dead 0",
    ]);
  });

  it("finishes the list that holds the goal", () => {
    const problem = { edges: { a: ["goal", "b"] }, from: "a", to: "goal" };
    expect(linesOf(problem, { kind: "bfs" }).slice(0, 4)).toEqual(["expand 0", "make 1<0 goal", "make 2<0 b", "goal 1"]);
  });

  it("takes the first of several goals in a list", () => {
    const problem = { puzzle: "countdown" as const, numbers: [2, 2], target: 4 };
    const trace = solve(countdown, problem, solverSettings.parse({ kind: "bfs" }), Rng.for(1, "walks"));
    // 2+2 and 2*2 both make it.
    expect([...trace].find((event) => event.kind === "goal")).toEqual({ kind: "goal", node: 1 });
  });
});

describe("best-first", () => {
  const problem = { ...circle, estimates: { b: 2, c: 5, d: 1 } };
  it("expands what looks nearest and makes each state once", () => {
    expect(linesOf(problem, { kind: "best-first", heuristic: "given" })).toEqual([
      ...["expand 0", "make 1<0 b", "make 2<0 c"],
      // a and c are known; d has no way on.
      ...["visit 1", "expand 1", "make 3<1 d", "dead 3"],
      ...["visit 2", "expand 2", "make 4<2 goal", "goal 4"],
    ]);
    const other = linesOf({ ...problem, estimates: { b: 5, c: 2 } }, { kind: "best-first", heuristic: "given" });
    expect(other.slice(3, 6)).toEqual(["visit 2", "expand 2", "make 3<2 goal"]);
  });

  it("takes the node made first of equals, or draws one; draws the order of children when asked", () => {
    expect(ordersOf("best-first", {})).toEqual(new Set(["ab 1,2"]));
    expect(ordersOf("best-first", { ties: "random" })).toEqual(new Set(["ab 1,2", "ab 2,1"]));
    expect(ordersOf("best-first", { childOrder: "random" })).toEqual(new Set(["ab 1,2", "ba 1,2"]));
  });
});

describe("astar", () => {
  // x and y look near, z does not, so c is reached in three steps before the way of two is found.
  const problem: WalkProblem = {
    edges: { s: ["x", "z"], x: ["y"], y: ["c"], z: ["c"], c: ["u"], u: ["goal"] },
    from: "s",
    to: "goal",
    estimates: { z: 1.9, c: 5, u: 20 },
  };

  it("makes a node again when a cheaper way is found, and passes over the dear one", () => {
    expect(linesOf(problem, { kind: "astar", heuristic: "given" })).toEqual([
      ...["expand 0", "make 1<0 x", "make 2<0 z"],
      ...["visit 1", "expand 1", "make 3<1 y"],
      ...["visit 3", "expand 3", "make 4<3 c"],
      ...["visit 2", "expand 2", "make 5<2 c"],
      ...["visit 5", "expand 5", "make 6<5 u"],
      ...["visit 6", "expand 6", "make 7<6 goal"],
      ...["visit 7", "goal 7", "answer s z c u goal"],
    ]);
  });

  it("opens a closed state again when a cheaper way is found", () => {
    const trace = linesOf({ ...problem, estimates: { z: 9, u: 20 } }, { kind: "astar", heuristic: "given" });
    expect(trace).toContain("make 4<3 c");
    expect(trace).toContain("expand 4");
    expect(trace.filter((line) => line.endsWith(" c"))).toHaveLength(2);
    expect(trace.at(-1)).toBe("answer s z c u goal");
  });

  it("takes the node made first of equals, or draws one; draws the order of children when asked", () => {
    expect(ordersOf("astar", {})).toEqual(new Set(["ab 1,2"]));
    expect(ordersOf("astar", { ties: "random" })).toEqual(new Set(["ab 1,2", "ab 2,1"]));
    expect(ordersOf("astar", { childOrder: "random" })).toEqual(new Set(["ab 1,2", "ba 1,2"]));
  });

  it("makes a node once where two ways cost the same", () => {
    const diamond = { edges: { s: ["a", "b"], a: ["c"], b: ["c"] }, from: "s", to: "nowhere" };
    const trace = linesOf(diamond, { kind: "astar", heuristic: "zero" });
    expect(trace.filter((line) => line.endsWith(" c"))).toEqual(["make 3<1 c"]);
  });
});

describe("optimal", () => {
  it("tells the steps of the shortest way alone", () => {
    expect(linesOf(article, { kind: "optimal" })).toEqual([
      ...["make 1<0 2", "visit 1", "make 2<1 4", "visit 2", "goal 2", "answer 0 2 4"],
    ]);
    expect(linesOf(hopeless, { kind: "optimal" })).toEqual([]);
  });

  it("counts the nodes that it does not tell, too", () => {
    // 1, 2, then 3 below 1, then 4 below 2: four new states.
    expect(linesOf(article, { kind: "optimal", maxNodes: 3 })).toEqual([]);
    expect(linesOf(article, { kind: "optimal", maxNodes: 4 })).toHaveLength(6);
  });

  it("is the canonical solution on Countdown", () => {
    const rng = Rng.for(3, "optimal");
    const options = countdown.readOptions({ kind: "countdown" });
    for (let draw = 0; draw < 40; draw++) {
      const problem = countdown.generate(rng, options);
      const trace = [...solve(countdown, problem, solverSettings.parse({ kind: "optimal" }), rng)];
      const actions = trace.flatMap((event) => (event.kind === "generate" ? [event.action] : []));
      expect(actions).toEqual(canonicalSolution(problem.numbers, problem.target));
    }
  });
});

const place = fc.constantFrom("a", "b", "c", "d", "e", "f", "g");
const anyWalk: fc.Arbitrary<WalkProblem> = fc.record({
  edges: fc.dictionary(place, fc.uniqueArray(place, { maxLength: 3 })),
  from: place,
  to: place,
  estimates: fc.dictionary(place, fc.integer({ min: 0, max: 4 })),
});

describe("on any graph", () => {
  it("bfs, optimal, and astar with an estimate that never exceeds the truth answer with a shortest way", () => {
    fc.assert(
      fc.property(anyWalk, (drawn) => {
        const estimates = Object.entries(drawn.estimates ?? {}).map(([from, estimate]) => [
          from,
          Math.min(estimate, distance({ ...drawn, from }) ?? estimate),
        ]);
        const problem = { ...drawn, estimates: Object.fromEntries(estimates) };
        const expected = distance(problem);
        for (const settings of [
          { kind: "bfs" },
          { kind: "optimal" },
          { kind: "astar", heuristic: "zero" },
          { kind: "astar", heuristic: "given" },
          { kind: "astar", heuristic: "given", ties: "random", childOrder: "random" },
        ]) {
          const answer = linesOf(problem, settings).find((line) => line.startsWith("answer"));
          expect(answer?.split(" ").length).toBe(expected === undefined ? undefined : expected + 2);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("every complete search finds a goal exactly where there is a way", () => {
    fc.assert(
      fc.property(anyWalk, (problem) => {
        const reachable = distance(problem) !== undefined;
        for (const settings of [
          { kind: "exhaustive" },
          { kind: "dfs", heuristic: "given", threshold: "none" },
          { kind: "beam", heuristic: "given", width: 7 },
          { kind: "best-first", heuristic: "given", ties: "random" },
          { kind: "astar", heuristic: "given" },
          { kind: "mcts", simulations: 2000 },
        ]) {
          const trace = linesOf(problem, settings);
          expect(trace.some((line) => line.startsWith("goal"))).toBe(reachable);
          if (!reachable && settings.kind !== "dfs") expect(trace.at(-1)).toBe("dead 0");
        }
      }),
      { numRuns: 60 },
    );
  });

  it("tree searches end soon in a space with a great many ways round", () => {
    // A complete graph of 30 places without the goal: 30! ways, 29 states to expand.
    const places = Array.from({ length: 30 }, (_, index) => `p${index}`);
    const edges = Object.fromEntries(places.map((from) => [from, places.filter((to) => to !== from)]));
    const problem = { edges, from: "p0", to: "nowhere" };
    for (const settings of [
      { kind: "exhaustive" },
      { kind: "dfs", heuristic: "zero" },
      { kind: "beam", heuristic: "zero", width: 30 },
    ]) {
      const trace = linesOf(problem, settings);
      expect(trace.filter((line) => line.startsWith("expand")).length).toBeLessThanOrEqual(30);
    }
  });
});
