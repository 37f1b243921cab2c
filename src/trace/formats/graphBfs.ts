// Breadth-first search in a graph as a text, in two spellings: that of the experiments, `<0,(1,2),1,(2,3),2,(4)-4,2,0>=0,2,4`, and
// that of the article. Exploration, the way back, the way. Knows the grammar, and of the rules only how long a whole list is.
import { type GraphAction, type GraphProblem, graph } from "../../puzzle/graph.ts";
import type { NodeId, SearchEvent, Trace } from "../../solver/events.ts";
import type { Format, Parsed, Rendered, Span, SyntaxError as TextError } from "../format.ts";
import { type Expansion, expansionsOf } from "./graphExpansions.ts";
import { graphPrompt, promptPieces, readGraphPrompt, vertexPieces } from "./graphPrompt.ts";
import { GraphScanner } from "./graphScanner.ts";

/** What stands between the neighbours of a list, before the way back, and before the way. */
interface Spelling {
  readonly comma: string;
  readonly back: string;
  readonly answer: string;
}

type Event = SearchEvent<GraphAction, number>;

/** A part of the text that stands for one event, or for the three at the end. */
type Item =
  | { readonly kind: "expand"; readonly vertex: number }
  | { readonly kind: "list"; readonly vertex: number }
  | { readonly kind: "end"; readonly traceback: readonly number[]; readonly answer: readonly number[] };

/** Items with their places: one span each, three for the end. */
interface Told {
  readonly items: readonly Item[];
  readonly spans: readonly Span[];
}

/**
 * Whether a list of so many children is unfinished. A mark closes every list, so a search that was cut off inside one (by its
 * budget) cannot tell it.
 */
function isUnfinished(problem: GraphProblem, vertex: number, children: number): boolean {
  return children < graph.actions(problem, vertex).length && (children > 0 || vertex !== problem.to);
}

function itemsOf(problem: GraphProblem, trace: Trace<GraphAction, number>): Item[] {
  const { expansions, goal } = expansionsOf(trace, problem.from);
  const items: Item[] = [];
  const isCutOff = ({ place, children }: Expansion<number>) => isUnfinished(problem, place.state, children.length);
  const last = goal ? expansions.length - 1 : expansions.findLastIndex((expansion) => !isCutOff(expansion));
  for (const { place, children } of expansions.slice(0, last + 1)) {
    items.push({ kind: "expand", vertex: place.state });
    for (const { state } of children) items.push({ kind: "list", vertex: state });
  }
  if (goal) items.push({ kind: "end", traceback: goal.traceback, answer: goal.answer });
  return items;
}

/**
 * The events that the items tell. A vertex stands for the node that listed it first (the start: the root); each further
 * listing is a node of its own that nothing refers to. A vertex that was never listed is jumped to; the jump takes the
 * place in the text, and the event behind it an empty one.
 */
function eventsOf(problem: GraphProblem, { items, spans }: Told): { events: Event[]; eventSpans: Span[] } {
  const nodes = new Map<number, NodeId>([[problem.from, 0]]);
  const events: Event[] = [];
  const eventSpans: Span[] = [];
  let next = 1;
  let span = 0;
  let parent = { node: 0, vertex: problem.from };
  const add = (event: Event, at: Span) => {
    events.push(event);
    eventSpans.push(at);
  };
  const enter = (vertex: number, kind: "expand" | "goal") => {
    const at = spans[span++] ?? nowhere;
    const known = nodes.get(vertex);
    const node = known ?? next++;
    if (known === undefined) {
      nodes.set(vertex, node);
      add({ kind: "jump", node, state: vertex }, at);
    }
    add({ kind, node }, known === undefined ? [at[1], at[1]] : at);
    return node;
  };
  for (const item of items) {
    if (item.kind === "expand") parent = { node: enter(item.vertex, "expand"), vertex: item.vertex };
    else if (item.kind === "list") {
      const node = next++;
      if (!nodes.has(item.vertex)) nodes.set(item.vertex, node);
      const action = { from: parent.vertex, to: item.vertex };
      add({ kind: "generate", node, parent: parent.node, action }, spans[span++] ?? nowhere);
    } else {
      enter(item.traceback[0] as number, "goal");
      add({ kind: "traceback", path: item.traceback }, spans[span++] ?? nowhere);
      add({ kind: "answer", path: item.answer }, spans[span++] ?? nowhere);
    }
  }
  return { events, eventSpans };
}

/** Stands for the places of items that are not written down. */
const nowhere: Span = [0, 0];

function write(items: readonly Item[], spelling: Spelling): Told & { readonly text: string } {
  const spans: Span[] = [];
  let text = items.length === 0 ? "" : "<";
  const put = (piece: string) => {
    spans.push([text.length, text.length + piece.length]);
    text += piece;
  };
  for (const [index, item] of items.entries()) {
    const inList = index > 0;
    if (item.kind === "expand") {
      if (inList) text += "),";
      put(String(item.vertex));
      text += ",(";
    } else if (item.kind === "list") {
      if (items[index - 1]?.kind === "list") text += spelling.comma;
      put(String(item.vertex));
    } else {
      if (inList) text += ")";
      put(spelling.back);
      put(item.traceback.join(","));
      text += spelling.answer;
      put(item.answer.join(","));
    }
  }
  if (items.length > 0 && items.at(-1)?.kind !== "end") text += ")";
  return { text, items, spans };
}

/** Reads the items of a text and what keeps it from being read to its end. An unfinished part is not read at all. */
class Reader {
  readonly items: Item[] = [];
  readonly spans: Span[] = [];
  readonly #scan: GraphScanner;
  readonly #spelling: Spelling;

  constructor(text: string, spelling: Spelling) {
    this.#scan = new GraphScanner(text);
    this.#spelling = spelling;
  }

  read(): TextError | undefined {
    const scan = this.#scan;
    if (scan.ended) return undefined;
    if (!scan.take("<")) return scan.error('"<"');
    for (;;) {
      const dash = scan.at;
      if (scan.take(this.#spelling.back)) return this.#end([dash, scan.at]);
      if (this.items.length > 0 && !scan.take(",")) return scan.error(`"," and a vertex, or "${this.#spelling.back}"`);
      const error = this.#expansion();
      if (error) return error;
      if (scan.ended) return undefined;
      scan.begin = scan.at;
    }
  }

  /** `vertex,(list)`. */
  #expansion(): TextError | undefined {
    const scan = this.#scan;
    const from = scan.at;
    const vertex = scan.vertex();
    if (vertex === undefined) return scan.error("a vertex");
    const span: Span = [from, scan.at];
    if (!scan.take(",(")) return scan.error('",("');
    const { list, spans } = scan.vertices(this.#spelling.comma);
    if (!scan.take(")")) return scan.error(`a vertex${list.length > 0 ? ` after "${this.#spelling.comma}"` : ""} or ")"`);
    this.items.push({ kind: "expand", vertex });
    this.spans.push(span);
    for (const [index, listed] of list.entries()) {
      this.items.push({ kind: "list", vertex: listed });
      this.spans.push(spans[index] as Span);
    }
    return undefined;
  }

  /** The way back and the way; they stand or fall together. */
  #end(dash: Span): TextError | undefined {
    const scan = this.#scan;
    const from = scan.at;
    const traceback = scan.vertices(",").list;
    const back: Span = [from, scan.at];
    if (traceback.length === 0) return scan.error("a vertex");
    if (!scan.take(this.#spelling.answer)) return scan.error(`a vertex after "," or "${this.#spelling.answer}"`);
    const start = scan.at;
    const answer = scan.vertices(",").list;
    if (answer.length === 0) return scan.error("a vertex");
    this.items.push({ kind: "end", traceback, answer });
    this.spans.push(dash, back, [start, scan.at]);
    scan.begin = scan.at;
    return scan.ended ? undefined : scan.error('the end, or a vertex after ","');
  }
}

/** The last list of a text that tells no end, where children are missing: no trace is written so. `expand`: its event. */
function unfinishedList(problem: GraphProblem, { items, spans }: Told, expand: number): TextError | undefined {
  const at = items.findLastIndex(({ kind }) => kind === "expand");
  const item = items[at];
  if (item?.kind !== "expand" || items.at(-1)?.kind === "end") return undefined;
  const listed = items.length - 1 - at;
  if (!isUnfinished(problem, item.vertex, listed)) return undefined;
  const span: Span = [(spans[at] as Span)[0], (spans.at(-1) as Span)[1]];
  const all = graph.actions(problem, item.vertex).length;
  return { kind: "neighbours", event: expand, span, message: `the last list, of [${item.vertex}], holds ${listed} of ${all}` };
}

function bfsFormat(name: string, spelling: Spelling): Format<GraphProblem, GraphAction, number> {
  return {
    name,
    puzzle: "graph",
    vocabulary: {
      pieces: [...vertexPieces, ...new Set([...promptPieces, "<", ",", "(", ")", ...Object.values(spelling)])],
      special: [],
    },
    markers: { goal: spelling.answer, goalGoesOn: true, stepDelimiter: ")" },
    discipline: { allChildren: true, frontier: "fifo", noRevisit: true, stopsAtGoal: true },
    prompt: graphPrompt,
    readPrompt: readGraphPrompt,
    /**
     * Expansions with their children, and the end: expansionsOf says how other searches are put in that order. Nodes are
     * numbered anew, see eventsOf. A trace without a goal ends after its last whole list: unfinished ones behind it are not kept.
     */
    project: (problem, trace) => eventsOf(problem, { items: itemsOf(problem, trace), spans: [] }).events,
    /** Spans are the vertices themselves, the dash (goal) and the two ways. */
    render: (problem, trace): Rendered => {
      const told = write(itemsOf(problem, trace), spelling);
      return { text: told.text, eventSpans: eventsOf(problem, told).eventSpans };
    },
    parse: (problem, text): Parsed<GraphAction, number> => {
      const reader = new Reader(text, spelling);
      const error = reader.read();
      const told = eventsOf(problem, reader);
      const lastExpand = told.events.findLastIndex(({ kind }) => kind === "expand");
      const complaint = error ?? unfinishedList(problem, reader, lastExpand);
      return { ...told, errors: complaint ? [complaint] : [] };
    },
  };
}

/**
 * Format `bfs`: `<0,(1,2),1,(2,3),2,(4)-4,2,0>=0,2,4`. Without blanks, as the tokens of the published models know none. Each vertex is
 * followed by all its out-neighbours in ascending order, `()` for none; the search stops after the list that holds its end.
 */
export const graphBfs = bfsFormat("bfs", { comma: ",", back: "-", answer: ">=" });

/** Format `bfs-article`: the same search as the article writes it, `<0,(1, 2),1,(2, 3),2,(4) - 4,2,0> 0,2,4`. */
export const graphBfsArticle = bfsFormat("bfs-article", { comma: ", ", back: " - ", answer: "> " });
