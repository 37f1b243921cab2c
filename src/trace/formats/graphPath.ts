// A way through a graph and nothing else: `0,2,4`. Knows the grammar and no rule of the puzzle.
import type { GraphAction, GraphProblem } from "../../puzzle/graph.ts";
import type { SearchEvent, Trace } from "../../solver/events.ts";
import type { Format, Parsed, Span } from "../format.ts";
import { expansionsOf } from "./graphExpansions.ts";
import { graphPrompt, promptPieces, readGraphPrompt, vertexPieces } from "./graphPrompt.ts";
import { GraphScanner } from "./graphScanner.ts";
import { wayEvents, waySpans } from "./graphWay.ts";

function eventsOf(problem: GraphProblem, way: readonly number[]): SearchEvent<GraphAction, number>[] {
  return wayEvents(way, way[0] === problem.from);
}

/** The answer of a trace that declares a goal, else nothing. */
function wayOf(problem: GraphProblem, trace: Trace<GraphAction, number>): readonly number[] {
  return expansionsOf(trace, problem.from).goal?.answer ?? [];
}

function parse(problem: GraphProblem, text: string): Parsed<GraphAction, number> {
  const scan = new GraphScanner(text);
  const { list, spans } = scan.vertices(",");
  const events = eventsOf(problem, list);
  // A comma that no vertex follows is cut off with it.
  scan.begin = scan.at;
  const errors = scan.ended ? [] : [scan.error(list.length === 0 ? "a vertex" : 'the end, or "," and a vertex')];
  return { events, eventSpans: waySpans(events, spans), errors };
}

/**
 * Format `path` of graphs: the vertices of the answer, the start first. The whole text declares success: that its last
 * vertex is the end. A trace without a goal has no way, and an empty text.
 */
export const graphPath: Format<GraphProblem, GraphAction, number> = {
  name: "path",
  puzzle: "graph",
  vocabulary: { pieces: [...vertexPieces, ...promptPieces, ","], special: [] },
  markers: { goal: "", goalGoesOn: true, stepDelimiter: "," },
  prompt: graphPrompt,
  readPrompt: readGraphPrompt,
  project: (problem, trace) => eventsOf(problem, wayOf(problem, trace)),
  render: (problem, trace) => {
    const way = wayOf(problem, trace);
    let at = -1;
    const spans = way.map((vertex): Span => {
      const from = at + 1;
      at = from + String(vertex).length;
      return [from, at];
    });
    return { text: way.join(","), eventSpans: waySpans(eventsOf(problem, way), spans) };
  },
  parse,
};
