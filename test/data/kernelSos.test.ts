import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { trainDataSettings } from "../../src/config/dataSettings.ts";
import { composed } from "../../src/data/chunk.ts";
import { drawsOf } from "../../src/data/draws.ts";
import { bitmapDraws } from "../../src/data/kernel/countdownDraws.ts";
import { sosKernel } from "../../src/data/kernel/sosKernel.ts";
import { recipeFor } from "../../src/data/recipe.ts";
import type { TrainSet } from "../../src/data/settings.ts";
import { enumerateSolvable } from "../../src/puzzle/countdownExactBitmap.ts";
import { Solvable } from "../../src/puzzle/countdownExactIndex.ts";

const dfs = (heuristic: string, threshold?: unknown) => ({
  kind: "dfs",
  heuristic,
  ...(threshold === undefined ? {} : { threshold }),
});
const beam = (heuristic: string, width: number) => ({ kind: "beam", heuristic, width });
const widths = [1, 2, 3, 4, 5];
/** The twelve strategies of Stream of Search. */
const twelve = ["sum", "mult"].flatMap((heuristic) => [dfs(heuristic), ...widths.map((width) => beam(heuristic, width))]);

const setOf = (puzzle: object, train: object, seed: number): TrainSet => ({
  puzzle: { kind: "countdown", ...puzzle },
  train: trainDataSettings.parse({ format: "sos", solver: twelve, ...train }),
  seed,
});

/** Lines `from` to `to` - 1 of a set by the composable path and by the kernel, with what each says of its last line. */
function bothLines(set: TrainSet, from: number, to: number, draws = drawsOf(set)) {
  const makers = [composed(recipeFor(set)), sosKernel(set, draws)] as const;
  return makers.map((maker) => {
    if (maker === undefined) throw new Error("the kernel does not know these settings");
    return Array.from({ length: to - from }, (_, step) => {
      const line = maker.write(from + step);
      if (line === undefined) return undefined;
      const { origin, solver, solved } = maker.last;
      return { text: Buffer.from(line).toString("latin1"), origin, solver, solved, key: maker.last.key() };
    });
  }) as [Line[], Line[]];
}
type Line = { text: string; origin: string; solver: string; solved: boolean | undefined; key: string } | undefined;

function expectEqual(set: TrainSet, from: number, to: number): Line[] {
  const [slow, fast] = bothLines(set, from, to);
  expect(fast).toEqual(slow);
  return fast;
}

describe("the kernel of Countdown with Stream of Search traces", () => {
  it("writes a line worked out by hand", () => {
    // All numbers are 2 and all targets 4, so the root [2, 2] has the children 4 (+), 4 (*), 0 and 1; the first is the goal.
    const set = setOf({ numbers: 2, operands: [2, 2], targets: [4, 4], holdOutTargets: 0 }, { solver: dfs("sum") }, 1);
    const [line] = expectEqual(set, 5, 6);
    const response = "Exploring Operation: 2+2=4, Resulting Numbers: [4]\n4,4 equal: Goal Reached";
    expect(JSON.parse(line?.text ?? "")).toEqual({
      id: "train-0000005",
      problem: { puzzle: "countdown", numbers: [2, 2], target: 4 },
      prompt: "Current State: 4:[2, 2], Operations: []\n",
      response,
      spans: [[0, response.length]],
      trainEnd: true,
      format: "sos",
      solver: "dfs(sum)",
      origin: "trace",
      solved: true,
      nodes: 1,
      solution: response,
    });
    expect(line?.text.endsWith("}\n")).toBe(true);
  });

  it("writes the bytes of the composable path for the twelve strategies, over many seeds", () => {
    const solvers = new Set<string>();
    const outcomes = new Set<boolean | undefined>();
    fc.assert(
      fc.property(fc.nat(), fc.nat(10_000_000), (seed, from) => {
        for (const line of expectEqual(setOf({ numbers: 4 }, {}, seed), from, from + 8)) {
          solvers.add(line?.solver ?? "");
          outcomes.add(line?.solved);
        }
      }),
      { numRuns: 60 },
    );
    expect(solvers.size).toBe(12);
    expect(outcomes).toEqual(new Set([true, false]));
  });

  it("does so for two to five numbers, small ones with many repeats, large ones, and any threshold or width", () => {
    const numbersOf = fc.constantFrom(2, 3, 3, 4, 4);
    const rangesOf = fc.constantFrom(
      { operands: [1, 3], targets: [1, 6] },
      { operands: [1, 12], targets: [1, 20] },
      { operands: [50, 60], targets: [1, 10] },
      { operands: [900, 999], targets: [1, 99] },
    );
    const solverOf = fc.oneof(
      fc.record({
        kind: fc.constant("dfs"),
        heuristic: fc.constantFrom("sum", "mult"),
        threshold: fc.constantFrom("target", "none", 0, 7.5, 400),
      }),
      fc.record({ kind: fc.constant("beam"), heuristic: fc.constantFrom("sum", "mult"), width: fc.constantFrom(1, 6, 24, 70) }),
    );
    fc.assert(
      fc.property(numbersOf, rangesOf, solverOf, fc.nat(), (numbers, ranges, solver, seed) => {
        expectEqual(setOf({ numbers, ...ranges }, { solver }, seed), 0, 4);
      }),
      { numRuns: 60 },
    );
    expectEqual(setOf({ numbers: 4, operands: [90, 99], targets: [500, 1000] }, {}, 2), 0, 12);
    expectEqual(setOf({ numbers: 5 }, { solver: [dfs("mult"), beam("sum", 3), beam("mult", 5)] }, 3), 0, 12);
  });

  it("drops and cuts what the composable path does", () => {
    const settings = fc.record({
      keep: fc.constantFrom("all", "solved"),
      over: fc.constantFrom("cut", "drop"),
      maxTokens: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 60, max: 4096 })),
    });
    let [dropped, cut] = [0, 0];
    fc.assert(
      fc.property(settings, fc.nat(), (train, seed) => {
        for (const line of expectEqual(setOf({ numbers: 3 }, train, seed), 0, 8)) {
          if (line === undefined) dropped++;
          else if (line.text.includes('"trainEnd":false')) cut++;
        }
      }),
      { numRuns: 80 },
    );
    expect(Math.min(dropped, cut)).toBeGreaterThan(20);
  });

  it("gives the same bytes whatever line was written before", () => {
    const set = setOf({ numbers: 4 }, {}, 11);
    const forwards = bothLines(set, 0, 30)[1];
    const maker = sosKernel(set, drawsOf(set));
    for (let index = 29; index >= 0; index--) {
      expect(Buffer.from(maker?.write(index) ?? []).toString("latin1")).toBe(forwards[index]?.text);
    }
  });

  it("writes the same lines with draws by way of the bitmap", () => {
    const puzzle = { numbers: 3, operands: [1, 30], targets: [10, 60] };
    const set = setOf(puzzle, {}, 5);
    const options = { numbers: 3, operands: [1, 30] as [number, number], targets: [10, 60] as [number, number] };
    const solvable = new Solvable(options, enumerateSolvable(options));
    const [slow, fast] = bothLines(set, 0, 300, bitmapDraws(set, solvable));
    expect(fast).toEqual(slow);
  });

  it.each([
    ["another format", setOf({ numbers: 4 }, { format: "path", solver: { kind: "optimal" } }, 1)],
    ["a solver it does not know", setOf({ numbers: 4 }, { solver: [dfs("sum"), { kind: "best-first" }] }, 1)],
    ["a budget of nodes", setOf({ numbers: 4 }, { solver: { kind: "dfs", maxNodes: 9 } }, 1)],
    ["six numbers", setOf({ numbers: 6 }, {}, 1)],
    ["deep problems", setOf({ numbers: 5, deep: true }, {}, 1)],
    ["operands of four digits", setOf({ operands: [1, 1000] }, {}, 1)],
  ])("leaves %s to others", (_, set) => {
    expect(sosKernel(set, drawsOf(set))).toBeUndefined();
  });
});
