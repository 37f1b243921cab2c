// The kernel's law: its lines are those of the composable path, byte for byte.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { traceData } from "../../src/config/dataSettings.ts";
import { graphKernel } from "../../src/data/kernel/graphKernel.ts";
import { recipeFor } from "../../src/data/recipe.ts";
import type { TrainSet } from "../../src/data/settings.ts";
import { graph } from "../../src/puzzle/graph.ts";

const setOf = (puzzle: object, train: object, seed: number): TrainSet => ({
  puzzle: { kind: "graph", ...puzzle },
  train: traceData.parse({ size: 1000, ...train }),
  seed,
});

const puzzles = fc.oneof(
  fc.constant({}),
  fc
    .record({
      nodes: fc.integer({ min: 8, max: 70 }),
      labels: fc.integer({ min: 70, max: 1000 }),
      degree: fc.integer({ min: 2, max: 4 }),
    })
    .map(({ nodes, labels, degree }) => ({
      nodes,
      labels,
      edges: Math.min(nodes * (nodes - 1), degree * nodes),
      length: [1, 4],
    })),
  fc.constant({ nodes: 9, labels: 9, edges: 9, length: [1, 3] }),
  fc.record({ family: fc.constant("layered"), layers: fc.integer({ min: 3, max: 6 }), width: fc.integer({ min: 3, max: 7 }) }),
  fc.record({ family: fc.constant("star"), degree: fc.integer({ min: 2, max: 4 }), length: fc.integer({ min: 1, max: 5 }) }),
);

describe("graphKernel", () => {
  it("writes the lines of the composable path, for every family, spelling, seed and index", () => {
    fc.assert(
      fc.property(
        puzzles,
        fc.constantFrom("bfs", "bfs-article"),
        fc.nat(),
        fc.oneof(fc.nat(40), fc.nat(20_000_000)),
        fc.constantFrom("all", "solved"),
        (puzzle, format, seed, index, keep) => {
          const set = setOf(puzzle, { format, keep }, seed);
          const maker = graphKernel(set);
          const recipe = recipeFor(set);
          for (const draw of [index, index + 1]) {
            const example = recipe.make(draw);
            expect(new TextDecoder().decode(maker?.write(draw))).toBe(`${JSON.stringify(example)}\n`);
            expect(maker?.last).toMatchObject({ origin: "trace", solver: "bfs", solved: true });
            expect(maker?.last.key()).toBe(graph.canonicalKey(graph.readProblem(example?.problem)));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("a line does not depend on the lines before it", () => {
    const set = setOf({ family: "layered" }, { format: "bfs" }, 4);
    const text = (maker = graphKernel(set)) => new TextDecoder().decode(maker?.write(9));
    const used = graphKernel(set);
    for (let index = 0; index < 9; index++) used?.write(index);
    expect(text(used)).toBe(text());
  });

  it.each([
    [{ format: "path" }],
    [{ format: "bfs", maxTokens: 50 }],
    [{ format: "bfs", solver: { kind: "bfs", maxNodes: 5 } }],
    [{ format: "bfs", solver: [{ kind: "bfs" }, { kind: "astar", heuristic: "zero" }] }],
  ])("leaves %j to the composable path", (train) => {
    expect(graphKernel(setOf({}, train, 1))).toBeUndefined();
  });

  it("fails as the composable path does where every graph is one and none may be trained on", () => {
    const complete = { nodes: 3, edges: 6, length: [1, 1] };
    const outcome = (make: () => unknown) => {
      try {
        make();
        return "made";
      } catch (error) {
        return String(error);
      }
    };
    for (const puzzle of [complete, { nodes: 4, edges: 12, length: [1, 1] }, { nodes: 5, edges: 20, length: [1, 1] }]) {
      const set = setOf(puzzle, { format: "bfs" }, 2);
      expect(outcome(() => graphKernel(set)?.write(0))).toBe(outcome(() => recipeFor(set).make(0)));
    }
  });
});
