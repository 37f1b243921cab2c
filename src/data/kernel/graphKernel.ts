// The kernel of graphs with breadth-first traces: lines of traces.ts, without objects and strings in between.
import type { TraceData } from "../../config/dataSettings.ts";
import { solversOf } from "../../config/solvers.ts";
import { deriveSeed, Rng } from "../../lib/rng.ts";
import { graph } from "../../puzzle/graph.ts";
import { GraphDraw, lowestBit } from "../../puzzle/graphDraw.ts";
import { graphKey, graphKeyBytes } from "../../puzzle/graphKey.ts";
import { drawsOf } from "../draws.ts";

import { hashedSplitOfBytes } from "../problems.ts";
import type { TrainSet } from "../settings.ts";

import { copy, type Literal, lineBytes, literal, put, putNumber } from "./lineBytes.ts";
import type { LineMaker } from "./lineMaker.ts";

/** What stands between the neighbours of a list, before the way back, and before the way: as in trace/formats/graphBfs.ts. */
const spellings = {
  bfs: { comma: ",", back: ")-", answer: ">=" },
  "bfs-article": { comma: ", ", back: ") - ", answer: "> " },
} as const;
type Name = keyof typeof spellings;

const lessMark = 0x3c;
const commaMark = 0x2c;
const barMark = 0x7c;
const slashMark = 0x2f;
const equalsMark = 0x3d;
const openMark = 0x28;
const closeMark = 0x29;
/** Digits of the index in an id, as trainId pads them. */
const idDigits = 7;
// As many as the composable path tries; then its error is ours.
const drawsTried = 2000;

const view = new DataView(lineBytes.buffer);
// Labels are below 1000: with the comma after it, a label is one write of four bytes.
const mostLabels = 1000;
/** Each label and a comma as a little-endian word of bytes, and how many bytes that is. */
const labelWords = new Uint32Array(mostLabels);
const labelLengths = new Uint8Array(mostLabels);
for (let label = 0; label < mostLabels; label++) {
  const length = putNumber(0, label) + 1;
  lineBytes[length - 1] = commaMark;
  labelWords[label] = view.getUint32(0, true);
  labelLengths[label] = length;
}

/** Writes a label and a comma. */
function putLabel(at: number, label: number): number {
  view.setUint32(at, labelWords[label] as number, true);
  return at + (labelLengths[label] as number);
}

function isBfs(set: TrainSet): set is TrainSet<TraceData> {
  return set.puzzle.kind === graph.name && Object.hasOwn(spellings, set.train.format as string);
}

/** The line maker of a set of breadth-first traces in graphs; undefined for other sets, and where the text or the search is bounded. */
export function graphKernel(set: TrainSet): LineMaker | undefined {
  if (!isBfs(set) || set.train.maxTokens !== undefined) return undefined;
  const solvers = solversOf(set.train);
  if (!solvers.every((solver) => solver.kind === "bfs" && solver.maxNodes === undefined)) return undefined;
  return new GraphLines(set);
}

class GraphLines implements LineMaker {
  readonly last = { origin: "trace", solver: "bfs", solved: true, key: () => graphKey(this.#draw) };
  readonly #set: TrainSet<TraceData>;
  readonly #seed;
  readonly #draw: GraphDraw;
  readonly #way: Uint16Array;
  #wayLength = 0;
  #nodes = 0;
  readonly #literals: Record<"comma" | "back" | "answer" | "head" | "tail", Literal>;

  constructor(set: TrainSet<TraceData>) {
    this.#set = set;
    this.#seed = deriveSeed(set.seed, "train", "problem");
    this.#draw = new GraphDraw(graph.readOptions(set.puzzle));
    const { size } = this.#draw;
    this.#way = new Uint16Array(size);
    const name = set.train.format as Name;
    const { comma, back, answer } = spellings[name];
    this.#literals = {
      // The comma itself comes with the label before it.
      comma: literal(comma.slice(1)),
      back: literal(back),
      answer: literal(answer),
      head: literal('","problem":{"puzzle":"graph","text":"'),
      tail: literal(`]],"trainEnd":true,"format":"${name}","solver":"bfs","origin":"trace","solved":true,"nodes":`),
    };
  }

  write(index: number): Uint8Array {
    this.#drawProblem(index);
    const { head, tail } = this.#literals;
    let at = put(0, idWord);
    for (let least = 10 ** (idDigits - 1); least > index && least > 1; least /= 10) lineBytes[at++] = 0x30;
    at = put(putNumber(at, index), head);
    const text = at;
    at = this.#putText(at);
    const textLength = at - text;
    at = copy(put(at, promptWord), text, textLength);
    lineBytes[at++] = equalsMark;
    at = put(at, responseWord);
    const response = at;
    at = this.#putSearch(at);
    const responseLength = at - response;
    at = put(putNumber(put(at, spansWord), responseLength), tail);
    at = put(putNumber(at, this.#nodes), solutionWord);
    at = this.#putWay(at, true);
    return lineBytes.subarray(0, put(at, endWord));
  }

  /** The first graph of the draw's stream that belongs to the training split. */
  #drawProblem(index: number): void {
    const rng = Rng.indexed(this.#seed, index);
    for (let attempt = 0; attempt < drawsTried; attempt++) {
      this.#draw.draw(rng);
      if (hashedSplitOfBytes(graphKeyBytes(this.#draw)) === "train") return;
    }
    drawsOf(this.#set).problem(index);
    throw new Error(`graphKernel: no problem in ${drawsTried} draws, but the composable path has one`);
  }

  /** Edges and query. */
  #putText(from: number): number {
    const { tails, heads, numEdges, labels } = this.#draw;
    let at = from;
    for (let edge = 0; edge < numEdges; edge++) {
      at = putLabel(at, labels[tails[edge] as number] as number);
      at = putLabel(at, labels[heads[edge] as number] as number);
      lineBytes[at - 1] = barMark;
    }
    lineBytes[at - 1] = slashMark;
    at = putLabel(at, labels[this.#draw.from] as number);
    return putLabel(at, labels[this.#draw.to] as number) - 1;
  }

  /** The trace; notes the way and the number of nodes. */
  #putSearch(start: number): number {
    const { numWords, rows, reached, parent, to, labels } = this.#draw;
    const { comma, back, answer } = this.#literals;
    const last = parent[to] as number;
    let nodes = 0;
    let at = start;
    lineBytes[at++] = lessMark;
    for (let first = 0, tail = -1; tail !== last; first++) {
      tail = reached[first] as number;
      at = putLabel(at, labels[tail] as number);
      lineBytes[at++] = openMark;
      const listed = nodes;
      for (let word = 0; word < numWords; word++) {
        for (let bits = rows[tail * numWords + word] as number; bits !== 0; bits &= bits - 1) {
          const head = word * 32 + lowestBit(bits);
          at = put(putLabel(at, labels[head] as number), comma);
          nodes++;
        }
      }
      if (nodes > listed) at -= 1 + comma.length;
      lineBytes[at++] = closeMark;
      lineBytes[at++] = commaMark;
    }
    this.#nodes = nodes;
    at = put(at - 2, back);
    this.#noteWay();
    return this.#putWay(put(this.#putWay(at, false), answer), true);
  }

  /** The way, its end first. */
  #noteWay(): void {
    const { parent, from, to } = this.#draw;
    let length = 0;
    this.#way[length++] = to;
    for (let vertex = to; vertex !== from; ) {
      vertex = parent[vertex] as number;
      this.#way[length++] = vertex;
    }
    this.#wayLength = length;
  }

  #putWay(start: number, isForward: boolean): number {
    const length = this.#wayLength;
    let at = start;
    for (let step = 0; step < length; step++) {
      const vertex = this.#way[isForward ? length - 1 - step : step] as number;
      at = putLabel(at, this.#draw.labels[vertex] as number);
    }
    return at - 1;
  }
}

const idWord = literal('{"id":"train-');
const promptWord = literal('"},"prompt":"');
const responseWord = literal('","response":"');
const spansWord = literal('","spans":[[0,');
const solutionWord = literal(',"solution":"');
const endWord = literal('"}\n');
