// A graph problem's edges as lists of neighbours, with the distances of its query. Worked out once a problem. Pure.
import type { GraphProblem } from "./graph.ts";
import type { KeyedGraph } from "./graphKey.ts";

/** What the rules ask of a problem; vertices are named by their labels. */
export interface GraphView {
  /** All vertices, ascending. */
  readonly vertices: readonly number[];
  /** Number of edges without repeats. */
  readonly numEdges: number;
  /** Heads of a vertex's edges, ascending; empty for a vertex that the problem does not have. */
  neighbours(vertex: number): readonly number[];
  hasEdge(from: number, to: number): boolean;
  /** Edges on the shortest way from a vertex to the query's end; undefined: there is no way. */
  toGoal(vertex: number): number | undefined;
  /** The graph as its key is made of. */
  keyed(): KeyedGraph;
}

type Lists = ReadonlyMap<number, readonly number[]>;
type Sets = ReadonlyMap<number, ReadonlySet<number>>;
const none: readonly number[] = [];

// Problems are immutable and every rule asks for the same lists again and again.
const views = new WeakMap<GraphProblem, GraphView>();

/** The problem's view, made at the first call. */
export function graphView(problem: GraphProblem): GraphView {
  const known = views.get(problem);
  if (known) return known;
  const view = makeView(problem);
  views.set(problem, view);
  return view;
}

function makeView(problem: GraphProblem): GraphView {
  const vertices = [...new Set([problem.from, problem.to, ...problem.edges.flat()])].sort((a, b) => a - b);
  const sets = setsOf(problem.edges);
  const heads = lists(sets);
  let toGoal: ReadonlyMap<number, number> | undefined;
  const numEdges = [...heads.values()].reduce((sum, list) => sum + list.length, 0);
  return {
    vertices,
    numEdges,
    neighbours: (vertex) => heads.get(vertex) ?? none,
    hasEdge: (from, to) => sets.get(from)?.has(to) ?? false,
    toGoal: (vertex) => {
      toGoal ??= distances(lists(setsOf(problem.edges.map(([from, to]) => [to, from]))), problem.to);
      return toGoal.get(vertex);
    },
    keyed: () => keyed(problem, vertices, heads, numEdges),
  };
}

/** Each tail's heads, without repeats. */
function setsOf(edges: readonly (readonly [number, number])[]): Sets {
  const sets = new Map<number, Set<number>>();
  for (const [from, to] of edges) {
    const heads = sets.get(from);
    if (heads) heads.add(to);
    else sets.set(from, new Set([to]));
  }
  return sets;
}

/** The same, ascending. */
function lists(sets: Sets): Lists {
  return new Map([...sets].map(([tail, heads]) => [tail, [...heads].sort((a, b) => a - b)]));
}

/** Breadth-first distances from a vertex along the lists. */
function distances(heads: Lists, start: number): Map<number, number> {
  const found = new Map([[start, 0]]);
  // A map hands out what is added while it is walked: it is its own queue.
  for (const [vertex, distance] of found) {
    for (const head of heads.get(vertex) ?? none) if (!found.has(head)) found.set(head, distance + 1);
  }
  return found;
}

function keyed(problem: GraphProblem, vertices: readonly number[], heads: Lists, numEdges: number): KeyedGraph {
  const index = new Map(vertices.map((vertex, at) => [vertex, at]));
  const at = (vertex: number) => index.get(vertex) as number;
  const edges = [...heads].flatMap(([tail, list]) => list.map((head) => [at(tail), at(head)] as const));
  const distance = distances(heads, problem.from);
  return {
    size: vertices.length,
    numEdges,
    tails: edges.map(([tail]) => tail),
    heads: edges.map(([, head]) => head),
    distance: vertices.map((vertex) => distance.get(vertex) ?? -1),
    from: at(problem.from),
    to: at(problem.to),
    labels: vertices,
  };
}
