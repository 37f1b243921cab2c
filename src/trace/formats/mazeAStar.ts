// A* through a maze as Searchformer writes it (arXiv 2402.14083): `create x y c<cost> c<estimate>` for a node, `close ...` for its
// expansion, `plan x y` for each cell of the answer. Knows the grammar and no rule of the puzzle but the distances it restates.
import { type MazeAction, type MazeCell, type MazeProblem, manhattan, sameCell } from "../../puzzle/maze.ts";
import type { NodeId, SearchEvent, Trace } from "../../solver/events.ts";
import type { Format, Parsed, Rendered, Span, SyntaxError as TextError } from "../format.ts";
import { expansionsOf, type Place } from "./graphExpansions.ts";
import {
  lineError,
  type MazeLine,
  mazePrompt,
  mazeVocabulary,
  type NodeLine,
  readLine,
  readMazePrompt,
  writeLine,
} from "./mazeLines.ts";

type Event = SearchEvent<MazeAction, MazeCell>;

/** The lines that tell a trace: the start is created first, the goal is closed before the plan. */
function linesOf(problem: MazeProblem, trace: Trace<MazeAction, MazeCell>): MazeLine[] {
  const told = expansionsOf(trace, problem.start, (cell) => manhattan(problem.start, cell));
  const line = (word: "create" | "close", { state, depth }: Pick<Place<MazeCell>, "state" | "depth">): NodeLine => ({
    word,
    cell: state,
    cost: depth,
    estimate: manhattan(state, problem.goal),
  });
  const lines: MazeLine[] = [line("create", { state: problem.start, depth: 0 })];
  for (const { place, children } of told.expansions) {
    lines.push(line("close", place));
    for (const child of children) lines.push(line("create", child));
  }
  if (!told.goal) return told.expansions.length > 0 ? lines : [];
  const { place, answer } = told.goal;
  const last = told.expansions.at(-1)?.place;
  if (!last || last.depth !== place.depth || !sameCell(last.state, place.state)) lines.push(line("close", place));
  return [...lines, ...answer.map((cell): MazeLine => ({ word: "plan", cell }))];
}

interface Closed {
  readonly node: NodeId;
  readonly cell: MazeCell;
  readonly cost: number;
}

/**
 * Reads lines as events. A `close` means the first node of its cell and cost; where there is none, the newest node of its
 * cell (kind `state`: its cost is wrong), or a jump to a cell that was never created.
 */
class Reader {
  readonly events: Event[] = [];
  readonly eventSpans: Span[] = [];
  readonly errors: TextError[] = [];
  readonly #problem: MazeProblem;
  /** Nodes by cell and cost, and the newest by cell. */
  readonly #nodes = new Map<string, NodeId>();
  readonly #newest = new Map<string, { readonly node: NodeId; readonly cost: number }>();
  #next = 0;
  /** What was closed last. */
  #closed: Closed | undefined;
  readonly #plan: MazeCell[] = [];
  #planSpan: Span = [0, 0];

  constructor(problem: MazeProblem) {
    this.#problem = problem;
  }

  /** Takes the line in; false: it may not stand here. `expected` says what may. */
  take(line: MazeLine, span: Span): boolean {
    if (this.#next === 0) return this.#root(line, span);
    if (line.word === "close" && this.#plan.length === 0) this.#close(line, span);
    else if (line.word === "create" && this.#closed && this.#plan.length === 0) this.#create(line, this.#closed, span);
    else if (line.word === "plan" && this.#closed) {
      if (this.#plan.length === 0) this.#planSpan = span;
      this.#plan.push(line.cell);
      this.#planSpan = [this.#planSpan[0], span[1]];
    } else return false;
    return true;
  }

  get expected(): string {
    if (this.#next === 0) return `"create ${this.#problem.start.join(" ")} c<cost> c<estimate>", the start`;
    if (this.#plan.length > 0) return '"plan x y"';
    if (!this.#closed) return '"close x y c<cost> c<estimate>"';
    return '"create x y c<cost> c<estimate>", "close x y c<cost> c<estimate>" or "plan x y"';
  }

  /** Whether the start is created and nothing closed yet. */
  get unfinished(): boolean {
    return this.#next > 0 && !this.#closed;
  }

  /** The events of the whole text: the plan is told when its last line is read. */
  finish(): void {
    if (this.#plan.length === 0 || !this.#closed) return;
    const [from, to] = this.#planSpan;
    this.#add({ kind: "goal", node: this.#closed.node }, [from, from + "plan".length]);
    this.#add({ kind: "answer", path: this.#plan }, [from + "plan".length, to]);
  }

  #add(event: Event, span: Span): void {
    this.events.push(event);
    this.eventSpans.push(span);
  }

  /** The root is there without an event. */
  #root(line: MazeLine, span: Span): boolean {
    if (line.word !== "create" || !sameCell(line.cell, this.#problem.start)) return false;
    this.#check(line, 0, span);
    this.#note(line.cell, line.cost);
    return true;
  }

  #create(line: NodeLine, parent: Closed, span: Span): void {
    this.#check(line, parent.cost + 1, span);
    const action = { from: parent.cell, to: line.cell };
    this.#add({ kind: "generate", node: this.#note(line.cell, line.cost), parent: parent.node, action }, span);
  }

  #close(line: NodeLine, span: Span): void {
    const { cell, cost } = line;
    const newest = this.#newest.get(String(cell));
    const known = this.#nodes.get(`${cell},${cost}`);
    if (newest) this.#check(line, known === undefined ? newest.cost : cost, span);
    else this.#check(line, manhattan(this.#problem.start, cell), span);
    const node = known ?? newest?.node ?? this.#note(cell, cost);
    if (!newest) this.#add({ kind: "jump", node, state: cell }, span);
    this.#add({ kind: "expand", node }, newest ? span : [span[1], span[1]]);
    this.#closed = { node, cell, cost };
  }

  /** Numbers a node that the text names for the first time. */
  #note(cell: MazeCell, cost: number): NodeId {
    const node = this.#next++;
    this.#newest.set(String(cell), { node, cost });
    const key = `${cell},${cost}`;
    if (!this.#nodes.has(key)) this.#nodes.set(key, node);
    return node;
  }

  /** What the line restates: the cost that follows from the lines before, and the distance to the goal. */
  #check(line: NodeLine, cost: number, span: Span): void {
    const estimate = manhattan(line.cell, this.#problem.goal);
    const wrong = [
      ...(line.cost === cost ? [] : [`the cost of [${line.cell}] is ${cost} here, not ${line.cost}`]),
      ...(line.estimate === estimate
        ? []
        : [`the distance of [${line.cell}] to the goal is ${estimate}, not ${line.estimate}`]),
    ];
    if (wrong.length > 0) this.errors.push({ kind: "state", event: this.events.length, span, message: wrong.join("; ") });
  }
}

function eventsOf(problem: MazeProblem, lines: readonly MazeLine[]): { text: string; reader: Reader } {
  const reader = new Reader(problem);
  let text = "";
  for (const line of lines) {
    const from = text.length;
    text += writeLine(line);
    reader.take(line, [from, text.length]);
  }
  reader.finish();
  return { text, reader };
}

function parse(problem: MazeProblem, text: string): Parsed<MazeAction, MazeCell> {
  const reader = new Reader(problem);
  for (let at = 0; at < text.length; ) {
    const read = readLine(text, at);
    if (!read || !reader.take(read.line, [at, read.end])) {
      reader.errors.push({ ...lineError(text, at, reader.expected), event: reader.events.length });
      break;
    }
    at = read.end;
  }
  // The start alone has no event to be written back from.
  if (reader.unfinished && reader.errors.length === 0)
    reader.errors.push(lineError(text, 0, `what follows it: ${reader.expected}`));
  reader.finish();
  return { events: reader.events, eventSpans: reader.eventSpans, errors: reader.errors };
}

/**
 * Format `astar` of mazes. One item a line, each with its line end: the start is created; then closed nodes, each followed by
 * the nodes created below it; the goal is closed; the plan tells the answer cell by cell. `c<cost>` is the number of moves from the
 * start, `c<estimate>` the Manhattan distance to the goal; a wrong one is an error of kind `state`, and reading goes on with
 * what the text says. A cell is created again where a cheaper way to it is found. The creation of the start has no event. A plan
 * declares the node closed last the goal.
 */
export const mazeAStar: Format<MazeProblem, MazeAction, MazeCell> = {
  name: "astar",
  puzzle: "maze",
  vocabulary: mazeVocabulary,
  markers: { goal: "plan", goalGoesOn: true, stepDelimiter: "\n" },
  discipline: { frontier: { astar: "manhattan" }, newChildren: true, noRevisit: true, answerFromTree: true },
  prompt: mazePrompt,
  readPrompt: readMazePrompt,
  /** Expansions with their children, and the answer (expansionsOf puts other searches in that order), closed by the goal's expansion. */
  project: (problem, trace) => eventsOf(problem, linesOf(problem, trace)).reader.events,
  /** A span is a line; the goal's is the first "plan", the answer's what follows it. */
  render: (problem, trace): Rendered => {
    const { text, reader } = eventsOf(problem, linesOf(problem, trace));
    return { text, eventSpans: reader.eventSpans };
  },
  parse,
};
