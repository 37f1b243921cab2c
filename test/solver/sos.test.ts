// The two searches of Stream of Search: traces worked out by hand, and a naive restatement of the published loops.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { type CountdownProblem, countdown, equation } from "../../src/puzzle/countdown.ts";
import { beam } from "../../src/solver/beam.ts";
import { dfs } from "../../src/solver/dfs.ts";
import { beamSettings, dfsSettings } from "../../src/solver/settings.ts";
import { lines } from "./lines.ts";
import { walk } from "./toys.ts";

const problemOf = (numbers: readonly number[], target: number): CountdownProblem => ({ puzzle: "countdown", numbers, target });
const rng = () => Rng.for(1, "sos");

/** Shuffles nothing, so that a trace can be worked out by hand. */
class Unshuffled extends Rng {
  override shuffled<T>(items: readonly T[]): T[] {
    return [...items];
  }
}

function dfsLines(numbers: readonly number[], target: number, settings: object = {}): string[] {
  const resolved = dfsSettings.parse({ kind: "dfs", ...settings });
  return lines(dfs.solve(countdown, problemOf(numbers, target), resolved, rng()), equation);
}

function beamLines(numbers: readonly number[], target: number, settings: object = {}, random: Rng = rng()): string[] {
  const resolved = beamSettings.parse({ kind: "beam", ...settings });
  return lines(beam.solve(countdown, problemOf(numbers, target), resolved, random), equation);
}

describe("dfs", () => {
  it("takes children by their estimate, ties in the order of actions, and checks leaves without a visit", () => {
    // |x - 7|: 3+1=4 is 3 away, 3*1=3 and 3/1=3 are 4 away, 3-1=2 is 5 away.
    expect(dfsLines([3, 1], 7)).toEqual([
      "expand 0",
      ...["make 1<0 3+1=4", "dead 1", "back 1>0"],
      ...["make 2<0 3*1=3", "dead 2", "back 2>0"],
      ...["make 3<0 3/1=3", "dead 3", "back 3>0"],
      ...["make 4<0 3-1=2", "dead 4"],
    ]);
  });

  // Pools of 6, 3, 2 and their mean distance to 7: [6,6] 1, [6,5] 1.5, [8,3] 2.5, [9,2] [4,3] [6,1] 3.5, ...
  it("leaves a node whose children have failed for the nearest ancestor with a child left", () => {
    expect(dfsLines([6, 3, 2], 7)).toEqual([
      ...["expand 0", "make 1<0 3*2=6", "visit 1", "expand 1"],
      ...["make 2<1 6+6=12", "dead 2", "back 2>1", "make 3<1 6/6=1", "dead 3", "back 3>1", "make 4<1 6-6=0", "dead 4"],
      ...["back 4>0", "make 5<0 3+2=5", "visit 5", "expand 5"],
      ...["make 6<5 6+5=11", "dead 6", "back 6>5", "make 7<5 6-5=1", "dead 7"],
      ...["back 7>0", "make 8<0 6+2=8", "visit 8", "expand 8"],
      ...["make 9<8 8-3=5", "dead 9", "back 9>8", "make 10<8 8+3=11", "dead 10"],
      ...["back 10>0", "make 11<0 6+3=9", "visit 11", "expand 11", "make 12<11 9-2=7", "goal 12"],
    ]);
  });

  it("drops children above the threshold, leaves too; a node left without any is visited and left", () => {
    expect(dfsLines([6, 3, 2], 7, { threshold: 2.5 })).toEqual([
      ...["expand 0", "make 1<0 3*2=6", "visit 1"],
      ...["back 1>0", "make 2<0 3+2=5", "visit 2"],
      ...["back 2>0", "make 3<0 6+2=8", "visit 3", "expand 3", "make 4<3 8-3=5", "dead 4"],
    ]);
  });

  it("says nothing when every child of the root is dropped", () => {
    expect(dfsLines([3, 1], 7, { threshold: 2 })).toEqual([]);
  });

  it("ranks by the distance to factors of the target with heuristic mult", () => {
    // Factors of 9 from 2 up: 3, 9. 4+2=6 is 3 away, 4*2=8 is 1, 4-2=2 and 4/2=2 are 1.
    expect(dfsLines([4, 2], 9, { heuristic: "mult" }).filter((line) => line.startsWith("make"))).toEqual([
      "make 1<0 4*2=8",
      "make 2<0 4-2=2",
      "make 3<0 4/2=2",
      "make 4<0 4+2=6",
    ]);
  });

  it("has no bound called target where problems have no target", () => {
    const problem = { edges: { a: ["b"], b: ["c"] }, from: "a", to: "c", estimates: { b: 1e9 } };
    const settings = dfsSettings.parse({ kind: "dfs", heuristic: "given" });
    expect(lines(dfs.solve(walk, problem, settings, rng()))).toEqual([
      ...["expand 0", "make 1<0 b", "visit 1", "expand 1", "make 2<1 c", "goal 2"],
    ]);
  });

  it("searches as the published recursion does", () => {
    const number = fc.integer({ min: 1, max: 30 });
    const heuristic = fc.constantFrom("sum", "mult");
    const arbitrary = fc.record({
      numbers: fc.array(number, { minLength: 2, maxLength: 4 }),
      target: fc.integer({ min: 2, max: 60 }),
      heuristic,
    });
    fc.assert(
      fc.property(arbitrary, ({ numbers, target, heuristic }) => {
        const searched = dfsLines(numbers, target, { heuristic }).filter((line) => !line.startsWith("expand"));
        expect(searched).toEqual(naiveDfs(problemOf(numbers, target), heuristic));
      }),
      { numRuns: 60 },
    );
  });
});

describe("beam", () => {
  it("keeps the best children of each node, takes out batches, drops leaves, and says when all is spent", () => {
    expect(beamLines([6, 3, 2], 7, { width: 2 }, new Unshuffled([1, 2, 3, 4]))).toEqual([
      ...["expand 0", "make 1<0 3*2=6", "make 2<0 3+2=5"],
      ...["visit 1", "expand 1", "make 3<1 6+6=12", "dead 3", "make 4<1 6/6=1", "dead 4"],
      ...["visit 2", "expand 2", "make 5<2 6+5=11", "dead 5", "make 6<2 6-5=1", "dead 6"],
      "dead 0",
    ]);
  });

  it("ends at the first goal", () => {
    // Four children of the root; then 6+6 6*6 6-6 6/6, 6+5 6*5 6-5 and 8+3 8*3 8-3 below three of them, then 9-2 below the fourth.
    expect(beamLines([6, 3, 2], 7, { width: 4 }, new Unshuffled([1, 2, 3, 4])).slice(-4)).toEqual([
      ...["visit 4", "expand 4", "make 15<4 9-2=7", "goal 15"],
    ]);
  });

  it("shuffles what it keeps by the rng alone", () => {
    const orders = new Set(
      Array.from({ length: 40 }, (_, seed) => beamLines([6, 3, 2], 7, { width: 2 }, Rng.for(seed, "beam"))[1]),
    );
    expect(orders).toEqual(new Set(["make 1<0 3*2=6", "make 1<0 3+2=5"]));
    expect(beamLines([9, 6, 3, 2], 70)).toEqual(beamLines([9, 6, 3, 2], 70));
  });

  it("searches as the published loop does", () => {
    const number = fc.integer({ min: 1, max: 30 });
    const arbitrary = fc.record({
      numbers: fc.array(number, { minLength: 2, maxLength: 4 }),
      target: fc.integer({ min: 2, max: 60 }),
      heuristic: fc.constantFrom("sum", "mult"),
      width: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(arbitrary, ({ numbers, target, heuristic, width }) => {
        const searched = beamLines(numbers, target, { heuristic, width }).filter((line) => !line.startsWith("expand"));
        expect(searched).toEqual(naiveBeam(problemOf(numbers, target), heuristic, width, rng()));
      }),
      { numRuns: 60 },
    );
  });
});

interface NaiveNode {
  readonly pool: readonly number[];
  readonly estimate: number;
  readonly made: string;
  id: number;
}

/** The children of a pool, sorted by estimate. */
function naiveChildren(problem: CountdownProblem, pool: readonly number[], heuristic: string): NaiveNode[] {
  const nodes: NaiveNode[] = [];
  for (const action of countdown.actions(problem, pool)) {
    const applied = countdown.apply(problem, pool, action);
    if (!applied.ok) throw new Error(applied.violation.message);
    const estimate = countdown.heuristics[heuristic]?.estimate(problem, applied.state) ?? Number.NaN;
    nodes.push({ pool: applied.state, estimate, made: equation(action), id: -1 });
  }
  return nodes.sort((a, b) => a.estimate - b.estimate);
}

/** Recursion with a line for every move that the published code writes; moves in a row to no new child collapse into one. */
function naiveDfs(problem: CountdownProblem, heuristic: string): string[] {
  const out: string[] = [];
  let count = 0;
  const below = (pool: readonly number[], id: number): boolean => {
    const kept = naiveChildren(problem, pool, heuristic).filter((child) => child.estimate <= problem.target);
    for (const [index, child] of kept.entries()) {
      if (index > 0) out.push(`back ${count}>${id}`);
      const made = ++count;
      out.push(`make ${made}<${id} ${child.made}`);
      if (child.pool.length > 1) {
        out.push(`visit ${made}`);
        if (below(child.pool, made)) return true;
      } else if (child.pool[0] === problem.target) {
        out.push(`goal ${made}`);
        return true;
      } else out.push(`dead ${made}`);
    }
    return false;
  };
  below(countdown.root(problem), 0);
  return out;
}

/** The published level loop, with a sorted list for the heap and without its fault of putting leaves back. */
function naiveBeam(problem: CountdownProblem, heuristic: string, width: number, random: Rng): string[] {
  const out: string[] = [];
  let open: NaiveNode[] = [{ pool: countdown.root(problem), estimate: 0, made: "", id: 0 }];
  let count = 0;
  while (open.length > 0) {
    open.sort((a, b) => a.estimate - b.estimate || a.id - b.id);
    const batch = open.slice(0, width);
    open = open.slice(width);
    for (const node of batch) {
      if (node.id > 0) out.push(`visit ${node.id}`);
      for (const child of random.shuffled(naiveChildren(problem, node.pool, heuristic).slice(0, width))) {
        child.id = ++count;
        out.push(`make ${child.id}<${node.id} ${child.made}`);
        if (child.pool.length > 1) open.push(child);
        else if (child.pool[0] === problem.target) return [...out, `goal ${child.id}`];
        else out.push(`dead ${child.id}`);
      }
    }
  }
  return [...out, "dead 0"];
}
