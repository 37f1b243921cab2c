import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deriveSeed, Rng } from "../../src/lib/rng.ts";
import { type GraphProblem, graph } from "../../src/puzzle/graph.ts";

const article = graph.readProblem({ puzzle: "graph", text: "1,3|2,4|1,2|0,1|0,2|3,4/0,4" });
const edgesOnly = (edges: [number, number][], from: number, to: number): GraphProblem => ({ puzzle: "graph", edges, from, to });
const drawn = (index: number, options: object = {}) =>
  graph.generate(Rng.indexed(deriveSeed(7, "graph test"), index), graph.readOptions({ kind: "graph", ...options }));

/** Distance by trying all walks of growing length: an independent way. */
function shortest({ edges, from, to }: GraphProblem): number {
  let reached = new Set([from]);
  for (let length = 0; length <= edges.length; length++) {
    if (reached.has(to)) return length;
    reached = new Set(edges.filter(([tail]) => reached.has(tail)).map(([, head]) => head));
  }
  return Number.POSITIVE_INFINITY;
}

const problemOf = fc
  .record({
    edges: fc.array(fc.tuple(fc.nat(6), fc.nat(6)), { minLength: 1, maxLength: 14 }),
    from: fc.nat(6),
    to: fc.nat(6),
  })
  .filter(({ from, to }) => from !== to)
  .map(({ edges, from, to }) => edgesOnly(edges, from, to));

describe("the article's graph", () => {
  it("is read from text and from edges alike, the order of the edges kept", () => {
    const edges = [
      [1, 3],
      [2, 4],
      [1, 2],
      [0, 1],
      [0, 2],
      [3, 4],
    ];
    expect(article).toEqual({ puzzle: "graph", edges, from: 0, to: 4 });
    expect(graph.readProblem({ puzzle: "graph", edges, from: 0, to: 4 })).toEqual(article);
    expect(graph.readText(" 1,3|2,4|1,2|0,1|0,2|3,4/0,4\n")).toEqual(article);
    expect(graph.writeProblem(article)).toEqual({ puzzle: "graph", text: "1,3|2,4|1,2|0,1|0,2|3,4/0,4" });
  });

  it("has ascending neighbours, the shortest way 0,2,4, and its statistics", () => {
    expect(graph.actions(article, 1)).toEqual([
      { from: 1, to: 2 },
      { from: 1, to: 3 },
    ]);
    expect(graph.actions(article, 4)).toEqual([]);
    expect(graph.shortestLength(article)).toBe(2);
    expect(graph.statistics(article)).toEqual({ vertices: 5, edges: 6, edgeDensity: 6 / 20, pathLength: 2 });
  });
});

describe("rules", () => {
  it("a vertex that is not there is a wrong neighbour, and the walk stands at it", () => {
    const applied = graph.apply(article, 0, { from: 0, to: 4 });
    expect(applied).toEqual({
      ok: false,
      violation: { kind: "neighbours", message: "4 is not a neighbour of 0, whose neighbours are: 1, 2" },
    });
    expect(graph.applyAsClaimed?.(article, 0, { from: 0, to: 4 })).toBe(4);
  });

  it("an edge that leaves another vertex may not be walked", () => {
    expect(graph.apply(article, 0, { from: 1, to: 2 })).toMatchObject({ ok: false, violation: { kind: "neighbours" } });
  });

  it("knows shortest ways and dead ends as trying all walks does", () => {
    fc.assert(
      fc.property(problemOf, (problem) => {
        expect(graph.shortestLength(problem)).toBe(shortest(problem));
        for (let vertex = 0; vertex <= 6; vertex++) {
          const solvable = shortest({ ...problem, from: vertex }) < Number.POSITIVE_INFINITY;
          expect(graph.canSolve(problem, vertex)).toBe(solvable);
        }
      }),
    );
  });

  it("counts an edge that is there twice once", () => {
    const twice = edgesOnly(
      [
        [0, 1],
        [0, 1],
        [1, 2],
      ],
      0,
      2,
    );
    expect(graph.actions(twice, 0)).toEqual([{ from: 0, to: 1 }]);
    expect(graph.statistics(twice)).toMatchObject({ edges: 2, edgeDensity: 2 / 6 });
    expect(graph.canonicalKey(twice)).toBe(
      graph.canonicalKey(
        edgesOnly(
          [
            [0, 1],
            [1, 2],
          ],
          0,
          2,
        ),
      ),
    );
  });
});

describe("the canonical key", () => {
  it("does not depend on labels and the order of edges", () => {
    fc.assert(
      fc.property(
        problemOf,
        fc.shuffledSubarray([3, 9, 14, 0, 27, 5, 41], { minLength: 7 }),
        fc.nat(),
        (problem, labels, turn) => {
          const label = (vertex: number) => labels[vertex] as number;
          // An edge that enters the start: names count in stars alone.
          const entered: GraphProblem = { ...problem, edges: [...problem.edges, [problem.to, problem.from]] };
          const edges = entered.edges.map(([tail, head]): [number, number] => [label(tail), label(head)]);
          const cut = turn % edges.length;
          const turned = [...edges.slice(cut), ...edges.slice(0, cut)];
          const renamed = edgesOnly(turned, label(problem.from), label(problem.to));
          expect(graph.canonicalKey(renamed)).toBe(graph.canonicalKey(entered));
        },
      ),
    );
  });

  it("tells every two different problems of four vertices apart (brute force over all graphs and namings)", () => {
    const pairs = [0, 1, 2, 3].flatMap((tail) =>
      [0, 1, 2, 3].filter((head) => head !== tail).map((head) => [tail, head] as const),
    );
    const namings = [
      [0, 1, 2, 3],
      [0, 1, 3, 2],
    ];
    const keys = new Map<string, string>();
    for (let mask = 1; mask < 1 << pairs.length; mask += 1) {
      const edges = pairs.filter((_, bit) => (mask >> bit) & 1);
      const canonical = namings
        .map((naming) =>
          edges
            .map(([tail, head]) => `${naming[tail]}${naming[head]}`)
            .sort()
            .join(),
        )
        .sort()[0] as string;
      const key = graph.canonicalKey({ puzzle: "graph", edges, from: 0, to: 1 });
      expect(keys.get(key) ?? canonical).toBe(canonical);
      keys.set(key, canonical);
    }
    // As many keys as graphs up to naming, but for stars, whose namings have a key each: 11 stars have two, 0>1 0>2 for one.
    expect(keys.size - new Set(keys.values()).size).toBe(11);
  });

  it("tells the start from the end, and a graph from its reverse", () => {
    const key = (edges: [number, number][], from: number, to: number) => graph.canonicalKey(edgesOnly(edges, from, to));
    expect(key([[0, 1]], 0, 1)).not.toBe(key([[0, 1]], 1, 0));
    expect(
      key(
        [
          [0, 1],
          [0, 2],
        ],
        0,
        1,
      ),
    ).not.toBe(
      key(
        [
          [0, 1],
          [2, 1],
        ],
        0,
        1,
      ),
    );
  });

  it("of a star tells names apart, or there would be one star of a size, but not orders of edges", () => {
    const star = drawn(3, { family: "star" });
    expect(graph.canonicalKey({ ...star, edges: star.edges.toReversed() })).toBe(graph.canonicalKey(star));
    const keys = Array.from({ length: 200 }, (_, index) => graph.canonicalKey(drawn(index, { family: "star" })));
    expect(new Set(keys).size).toBe(200);
    const loop = edgesOnly(
      [
        [0, 1],
        [2, 3],
        [3, 2],
      ],
      0,
      1,
    );
    const renamed = edgesOnly(
      [
        [0, 1],
        [4, 5],
        [5, 4],
      ],
      0,
      1,
    );
    expect(graph.canonicalKey(renamed)).toBe(graph.canonicalKey(loop));
  });

  it("has no repeats among drawn graphs", () => {
    expect(new Set(Array.from({ length: 500 }, (_, index) => graph.canonicalKey(drawn(index)))).size).toBe(500);
  });
});

describe("generate", () => {
  it("keeps to nodes, labels, edges and length", () => {
    const lengths = new Set<number>();
    for (let index = 0; index < 300; index++) {
      const problem = drawn(index, { nodes: 17, edges: 40, length: [2, 5] });
      const { vertices = 0 } = graph.statistics(problem);
      expect(problem.edges).toHaveLength(40);
      expect(new Set(problem.edges.map(String)).size).toBe(40);
      expect(problem.edges.every(([tail, head]) => tail !== head && Math.max(tail, head) < 50)).toBe(true);
      expect(vertices).toBeLessThanOrEqual(17);
      lengths.add(shortest(problem));
    }
    expect([...lengths].sort()).toEqual([2, 3, 4, 5]);
  });

  it("a problem does not depend on those drawn before it", () => {
    for (const options of [{}, { family: "layered" }, { family: "star" }]) {
      const alone = drawn(5, options);
      drawn(6, options);
      expect(drawn(5, options)).toEqual(alone);
    }
  });

  it("draws the labels uniformly", () => {
    const seen = new Map<number, number>();
    for (let index = 0; index < 2000; index++) {
      for (const label of new Set(drawn(index, { nodes: 10, labels: 20, edges: 20 }).edges.flat())) {
        seen.set(label, (seen.get(label) ?? 0) + 1);
      }
    }
    const counts = Array.from({ length: 20 }, (_, label) => seen.get(label) ?? 0);
    // About 980 each, standard deviation 22.
    expect(Math.min(...counts)).toBeGreaterThan(880);
    expect(Math.max(...counts)).toBeLessThan(1080);
  });

  it("draws a complete graph and a pool without a label to spare", () => {
    const problem = drawn(0, { nodes: 6, labels: 6, edges: 30, length: [1, 1] });
    expect(new Set(problem.edges.map(String)).size).toBe(30);
    expect(graph.statistics(problem)).toEqual({ vertices: 6, edges: 30, edgeDensity: 1, pathLength: 1 });
  });

  it("layered: edges lead from row to row, and the way through all rows", () => {
    for (let index = 0; index < 100; index++) {
      const problem = drawn(index, { family: "layered", layers: 4, width: 6 });
      expect(graph.statistics(problem)).toMatchObject({ edges: 36, pathLength: 3 });
      // Every walk from a vertex to the end has one length: that of its row.
      const rows = new Map<number, number>([[problem.from, 0]]);
      for (let pass = 0; pass < 8; pass++) {
        for (const [tail, head] of problem.edges) {
          const row = rows.get(tail);
          if (row !== undefined) expect(rows.get(head) ?? row + 1).toBe(row + 1);
          if (row !== undefined) rows.set(head, row + 1);
        }
      }
    }
  });

  it("star: chains from one centre, their edges in random order", () => {
    const centres = new Set<number>();
    for (let index = 0; index < 50; index++) {
      const problem = drawn(index, { family: "star", degree: 3, length: 4 });
      expect(problem.edges).toHaveLength(12);
      const out = new Map<number, number>();
      for (const [tail] of problem.edges) out.set(tail, (out.get(tail) ?? 0) + 1);
      expect(out.get(problem.from)).toBe(3);
      expect([...out.values()].filter((degree) => degree > 1)).toHaveLength(1);
      expect(shortest(problem)).toBe(4);
      centres.add(problem.from);
    }
    expect(centres.size).toBeGreaterThan(20);
  });

  it("says what was asked for when no query fits", () => {
    expect(() => drawn(0, { nodes: 15, edges: 1, length: [3, 3] })).toThrowError(
      /none of 20000 graphs .*"edges":1.*puzzle.length/,
    );
  });
});

describe("what people may write", () => {
  it.each([
    [{ nodes: 60 }, /puzzle\.labels: .*60 vertices/],
    [{ edges: 211 }, /puzzle\.edges: there is room for 210/],
    [{ length: [15, 16] }, /puzzle\.length/],
    [{ length: [4, 2] }, /puzzle\.length.*must not exceed/],
    [{ family: "tree" }, /puzzle\.family/],
    [{ family: "star", nodes: 9 }, /nodes/],
    [{ family: "layered", layers: 30, width: 30, labels: 1000 }, /900 vertices/],
  ])("options %j are refused by their key", (options, message) => {
    expect(() => graph.readOptions({ kind: "graph", ...options })).toThrowError(message);
  });

  it("options have the defaults of the training set", () => {
    expect(graph.readOptions({ kind: "graph" })).toEqual({
      kind: "graph",
      family: "random",
      nodes: 15,
      labels: 50,
      length: [2, 4],
    });
    expect(drawn(1).edges).toHaveLength(30);
  });

  it.each([
    [{ puzzle: "graph", text: "1,2|3/1,2" }, /"text".*found.*1,2\|3/],
    [{ puzzle: "graph", text: "1,2/1,1" }, /"to".*another vertex/],
    [{ puzzle: "graph", text: 5 }, /"text"/],
    [{ puzzle: "graph", edges: [[1, 2, 3]], from: 1, to: 2 }, /"edges\.0/],
    [{ puzzle: "graph", edges: [[1, 2]], from: -1, to: 2 }, /"from"/],
    [{ puzzle: "graph", edges: [], from: 1, to: 2 }, /"edges"/],
    [null, /graph problem/],
  ])("problem %j is refused by its field", (record, message) => {
    expect(() => graph.readProblem(record)).toThrowError(message);
  });

  it.each(["", "1,2", "1,2/3", "a,b/c,d", "1,2|/1,2", "1234567,2/1,2"])("%j is no text of a graph", (text) => {
    expect(graph.readText(text)).toBeUndefined();
  });

  it("is not to be brought down by a text of any length", () => {
    expect(graph.readText("1,2|".repeat(2_000_000))).toBeUndefined();
  });
});

it("a refused step names the neighbours, at most twenty of them", () => {
  const star = graph.readProblem({
    puzzle: "graph",
    edges: Array.from({ length: 30 }, (_, at) => [0, at + 1]),
    from: 0,
    to: 1,
  });
  const refused = graph.apply(star, 0, { from: 0, to: 99 });
  expect(refused).toMatchObject({ ok: false, violation: { message: expect.stringMatching(/are: 1, 2, .*, 20 and 10 more$/) } });
});
