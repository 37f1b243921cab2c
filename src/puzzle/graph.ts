// Shortest path in a directed graph (experiments of NNHieu, "Learning to search"): options, rules and records. Knows
// nothing of traces; graphDraw.ts draws.
import { z } from "zod";
import { UserError } from "../lib/errors.ts";
import { quote } from "../lib/text.ts";
import { GraphDraw, type GraphShape, maxEdges, numVertices } from "./graphDraw.ts";
import { graphKey } from "./graphKey.ts";
import { graphView } from "./graphView.ts";
import type { Applied, Puzzle } from "./puzzle.ts";
import { readRecord, readWith } from "./read.ts";

const count = z.number().int().positive();
const base = {
  kind: z.literal("graph"),
  labels: count.max(1000).default(50).describe("size of the pool 0, 1, ... out of which the vertices take distinct labels"),
};
const edges = count
  .optional()
  .describe("number of edges; default: two for each vertex that can have one. Statistics show the density.");

/** Issues of a shape as a whole, each by the key to change. */
function checkShape(shape: GraphShape, issue: (key: string, message: string) => void): void {
  const size = numVertices(shape);
  if (size > 200) issue(shape.family === "random" ? "nodes" : "family", `${size} vertices: at most 200 are possible`);
  if (size > shape.labels) issue("labels", `the pool must hold a label for each of the ${size} vertices`);
  if (!("edges" in shape) || shape.edges === undefined) return;
  if (shape.edges > maxEdges(shape)) issue("edges", `there is room for ${maxEdges(shape)} edges`);
}

function checked<Shape extends GraphShape>({ value, issues }: z.core.ParsePayload<Shape>): void {
  checkShape(value, (key, message) => issues.push({ code: "custom", path: [key], message, input: value }));
}

const random = z
  .strictObject({
    ...base,
    family: z.literal("random").optional().default("random").describe("edges drawn uniformly among all pairs"),
    nodes: count.min(2).default(15).describe("number of vertices; one without an edge does not show"),
    edges,
    length: z
      .tuple([count, count])
      .refine(([low, high]) => low <= high, { error: "the first number of a range must not exceed the second" })
      .default([2, 4])
      .describe("range of the shortest way's edges, both ends included"),
  })
  .check(checked)
  .refine(({ nodes, length: [low] }) => low < nodes, { error: "no way is that long in so few nodes", path: ["length"] });

const layered = z
  .strictObject({
    ...base,
    family: z.literal("layered").describe("rows of vertices with edges from each row to the next"),
    layers: count.min(2).default(5).describe("number of rows; the way has one edge less"),
    width: count.default(5).describe("vertices of a row"),
    edges,
  })
  .check(checked);

const star = z
  .strictObject({
    ...base,
    family: z.literal("star").describe("chains that leave one centre, as in Bachmann and Nagarajan"),
    degree: count.default(2).describe("number of chains"),
    length: count.default(5).describe("edges of a chain, and of the way"),
  })
  .check(checked);

/** Options of the generator. Defaults are those of the training set G^15_{2-4}: 15 vertices, labels out of 50, ways of 2 to 4 edges. */
export const graphOptions = z.discriminatedUnion("family", [random, layered, star]);
export type GraphOptions = z.output<typeof graphOptions>;

export interface GraphProblem {
  readonly puzzle: "graph";
  /** [tail, head] in the order of the text. An edge that is there twice counts once. */
  readonly edges: readonly (readonly [from: number, to: number])[];
  readonly from: number;
  readonly to: number;
}

/** A vertex, by its label. */
export type GraphState = number;

/** A walk along the edge `from` -> `to`. */
export interface GraphAction {
  readonly from: number;
  readonly to: number;
}

/** Labels of more digits are no vertices: a model that runs away in digits leaves the grammar. */
const maxVertex = 999_999;

const vertex = z.number().int().min(0).max(maxVertex);
const problemSchema = z
  .strictObject({
    puzzle: z.literal("graph"),
    edges: z
      .array(z.tuple([vertex, vertex]))
      .min(1)
      .max(10_000),
    from: vertex,
    to: vertex,
  })
  .refine(({ from, to }) => from !== to, { error: "the query must lead to another vertex", path: ["to"] });
const textSchema = z.strictObject({ puzzle: z.literal("graph"), text: z.string() });
const expectedProblem =
  '{"puzzle":"graph","text":"1,3|2,4|1,2|0,1|0,2|3,4/0,4"} or {"puzzle":"graph","edges":[[1,3],...],"from":0,"to":4}';

const textPattern = /^\s*((?:\d{1,6},\d{1,6}\|)*\d{1,6},\d{1,6})\/(\d{1,6}),(\d{1,6})\s*$/;

/** "1,3|2,4|1,2|0,1|0,2|3,4/0,4": edges, then the query. */
function readText(text: string): GraphProblem | undefined {
  const match = textPattern.exec(text);
  if (match === null) return undefined;
  const edges = (match[1] as string).split("|").map((edge) => edge.split(",").map(Number));
  const record = { puzzle: "graph", edges, from: Number(match[2]), to: Number(match[3]) };
  return readRecord(problemSchema, record, "graph", expectedProblem);
}

/** The text form of a problem, in the order of its edges. */
export function graphText({ edges, from, to }: Omit<GraphProblem, "puzzle">): string {
  return `${edges.map(([tail, head]) => `${tail},${head}`).join("|")}/${from},${to}`;
}

function readProblem(value: unknown): GraphProblem {
  if (typeof value !== "object" || value === null || !("text" in value)) {
    return readRecord(problemSchema, value, "graph", expectedProblem);
  }
  const { text } = readRecord(textSchema, value, "graph", expectedProblem);
  const problem = readText(text);
  if (problem) return problem;
  throw new UserError("problem", `graph problem: "text": found ${quote(text, 120)}, expected ${expectedProblem}`);
}

function generate(draw: GraphDraw): GraphProblem {
  const label = (index: number) => draw.labels[index] as number;
  const edges = Array.from(draw.tails, (tail, edge): readonly [number, number] => [
    label(tail),
    label(draw.heads[edge] as number),
  ]);
  return { puzzle: "graph", edges, from: label(draw.from), to: label(draw.to) };
}

/** Neighbours for a message, which must not grow with the graph. */
function shownList(vertices: readonly number[]): string {
  const rest = vertices.length - mostShown;
  return `${vertices.slice(0, mostShown).join(", ") || "none"}${rest > 0 ? ` and ${rest} more` : ""}`;
}

const mostShown = 20;

function apply(problem: GraphProblem, state: GraphState, action: GraphAction): Applied<GraphState> {
  if (action.from === state && graphView(problem).hasEdge(state, action.to)) return { ok: true, state: action.to };
  const list = shownList(graphView(problem).neighbours(state));
  const message =
    action.from === state
      ? `${action.to} is not a neighbour of ${state}, whose neighbours are: ${list}`
      : `the edge leaves ${action.from}, but the walk stands at ${state}`;
  return { ok: false, violation: { kind: "neighbours", message } };
}

function statistics(problem: GraphProblem): Record<string, number> {
  const view = graphView(problem);
  const vertices = view.vertices.length;
  const pathLength = view.toGoal(problem.from);
  return {
    vertices,
    edges: view.numEdges,
    edgeDensity: view.numEdges / (vertices * (vertices - 1)),
    ...(pathLength === undefined ? {} : { pathLength }),
  };
}

/**
 * Graph shortest path. A state is a vertex; actions are its edges in ascending order of their heads. Only a shortest way is
 * a right answer. Vertices are those that have an edge or stand in the query; edgeDensity = edges / (vertices * (vertices - 1)).
 */
type GraphPuzzle = Puzzle<GraphOptions, GraphProblem, GraphState, GraphAction>;
export const graph: GraphPuzzle & Required<Pick<GraphPuzzle, "readText" | "shortestLength" | "canSolve" | "statistics">> = {
  name: "graph",
  readOptions: (value) => readWith(graphOptions, value, "config", "puzzle"),
  generate: (rng, options) => {
    const draw = new GraphDraw(options);
    draw.draw(rng);
    return generate(draw);
  },
  canonicalKey: (problem) => graphKey(graphView(problem).keyed()),
  root: (problem) => problem.from,
  actions: (problem, state) =>
    graphView(problem)
      .neighbours(state)
      .map((to) => ({ from: state, to })),
  apply,
  /** A wrong list is judged by what it says: the walk goes on at the vertex that is named. */
  applyAsClaimed: (_problem, _state, action) => action.to,
  isGoal: (problem, state) => state === problem.to,
  canSolve: (problem, state) => graphView(problem).toGoal(state) !== undefined,
  demandsShortest: true,
  /** Infinity where there is no way. */
  shortestLength: (problem) => graphView(problem).toGoal(problem.from) ?? Number.POSITIVE_INFINITY,
  stateKey: String,
  /** `zero` knows nothing: best-first and A* search breadth first. */
  heuristics: { zero: { estimate: () => 0 } },
  readProblem,
  readText,
  writeProblem: (problem) => ({ puzzle: "graph", text: graphText(problem) }),
  statistics,
};
