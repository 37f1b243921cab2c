// A key of a directed graph with a query that does not depend on how its vertices are named. Numbers only.
import { lowbias32 } from "../lib/mix.ts";

// Enough rounds that vertices of random and layered graphs differ; distances carry what lies further away.
const rounds = 3;
const prefix = "graph:";
const highFactor = 0x1b56c4e9;
const lowFactor = 0x6ac690c5;

/** A graph as the key sees it: vertices 0 to size - 1, edges without repeats, distances from the query's start (-1: none). */
export interface KeyedGraph {
  readonly size: number;
  readonly numEdges: number;
  readonly tails: ArrayLike<number>;
  readonly heads: ArrayLike<number>;
  readonly distance: ArrayLike<number>;
  readonly from: number;
  readonly to: number;
  /** Label of each vertex. */
  readonly labels: ArrayLike<number>;
}

// More than any graph has: 10,000 edges in a problem's record, or all pairs of 200 vertices. That many vertices, so that no
// number of 16 bits can lie outside: compiled code then need not check.
const mostEdges = 1 << 16;
const mostVertices = 1 << 16;
// Room that all calls share: the addresses of a module's large arrays are constants in compiled code, those of an object's
// are loaded at every access, which costs as much again as the work. Only what a graph needs is touched.
const colours = new Int32Array(mostVertices);
const mixed = new Int32Array(mostVertices);
const ofHeads = new Int32Array(mostVertices);
const ofTails = new Int32Array(mostVertices);
/** tail << 16 | head */
const edges = new Int32Array(mostEdges);
const bytes = new Uint8Array(new ArrayBuffer(prefix.length + 16));
for (let index = 0; index < prefix.length; index++) bytes[index] = prefix.charCodeAt(index);

/**
 * A graph's key: "graph:" and 16 hexadecimal digits, equal for graphs that are the same up to the
 * names of their vertices. They hash what three rounds of colour refinement tell apart, which start from the distances to
 * the query's start and from its end (Weisfeiler and Leman). So different problems share a key when refinement cannot
 * tell them apart (no pair among all graphs of four vertices; regular parts far from the query), else by chance of the hashes alone (32-bit
 * colours, 64-bit sums).
 * Chains that leave the query's start, as star graphs are, are the exception: up to names there is but one star of a
 * size, so names count there, and the order of the edges does not.
 */
export function graphKey(graph: KeyedGraph): string {
  return String.fromCharCode(...graphKeyBytes(graph));
}

/** The key's text as ASCII; holds until the next call. Throws RangeError for more than 65,536 edges or vertices. */
export function graphKeyBytes(graph: KeyedGraph): Uint8Array {
  const { size, numEdges, tails, heads } = graph;
  if (size > mostVertices || numEdges > mostEdges) throw new RangeError(`graphKey: ${size} vertices, ${numEdges} edges`);
  for (let edge = 0; edge < numEdges; edge++) edges[edge] = ((tails[edge] as number) << 16) | (heads[edge] as number);
  if (isStar(graph)) {
    for (let vertex = 0; vertex < size; vertex++) colours[vertex] = lowbias32(graph.labels[vertex] as number);
  } else refine(graph);
  putSums(graph);
  return bytes;
}

/** Whether every edge lies on a chain from the start: each vertex is entered once, and none but the start branches. */
function isStar({ size, numEdges, distance, from }: KeyedGraph): boolean {
  if (numEdges >= size) return false;
  const degrees = ofHeads.fill(0, 0, size);
  const entries = ofTails.fill(0, 0, size);
  for (let edge = 0; edge < numEdges; edge++) {
    const tail = (edges[edge] as number) >>> 16;
    const head = (edges[edge] as number) & 0xffff;
    if ((distance[tail] as number) < 0) return false;
    degrees[tail] = (degrees[tail] as number) + 1;
    entries[head] = (entries[head] as number) + 1;
    if ((degrees[tail] as number) > 1 && tail !== from) return false;
    if ((entries[head] as number) > 1) return false;
  }
  return entries[from] === 0;
}

/** Colours that depend on where a vertex stands, not on its number. */
function refine({ size, numEdges, distance, to }: KeyedGraph): void {
  for (let vertex = 0; vertex < size; vertex++) {
    const colour = lowbias32(distance[vertex] as number);
    setColour(vertex, vertex === to ? ~colour : colour);
  }
  for (let round = 0; round < rounds; round++) {
    for (let edge = 0; edge < numEdges; edge++) {
      const tail = (edges[edge] as number) >>> 16;
      const head = (edges[edge] as number) & 0xffff;
      ofHeads[tail] = (ofHeads[tail] as number) + (colours[head] as number);
      ofTails[head] = (ofTails[head] as number) + (mixed[tail] as number);
    }
    // The two directions count in different ways, or an edge and its reverse would be one.
    for (let vertex = 0; vertex < size; vertex++) {
      const gathered = Math.imul(ofHeads[vertex] as number, 0x2c1b3c6d) + Math.imul(ofTails[vertex] as number, 0x297a2d39);
      setColour(vertex, lowbias32(Math.imul(colours[vertex] as number, 0x1b56c4e9) + gathered));
    }
  }
}

/** Gives a vertex its colour of the next round, for which nothing is gathered yet. */
function setColour(vertex: number, colour: number): void {
  colours[vertex] = colour;
  mixed[vertex] = colour ^ (colour >>> 13);
  ofHeads[vertex] = 0;
  ofTails[vertex] = 0;
}

/** Two sums that do not depend on the order of edges. Over edges, not vertices: a text does not show vertices without an edge. */
function putSums({ numEdges, from, to }: KeyedGraph): void {
  const start = colours[from] as number;
  const goal = lowbias32(colours[to] as number);
  let high = Math.imul(start, highFactor) + goal;
  let low = Math.imul(start, lowFactor) + goal;
  for (let edge = 0; edge < numEdges; edge++) {
    const tail = colours[(edges[edge] as number) >>> 16] as number;
    const head = colours[(edges[edge] as number) & 0xffff] as number;
    high = (high + lowbias32(Math.imul(tail, highFactor) + head)) | 0;
    low = (low + lowbias32(Math.imul(tail, lowFactor) + head)) | 0;
  }
  putHex(prefix.length, lowbias32(high));
  putHex(prefix.length + 8, lowbias32(low));
}

const digits = new Uint8Array(new ArrayBuffer(16));
for (let value = 0; value < 16; value++) digits[value] = value.toString(16).charCodeAt(0);

/** Writes eight hexadecimal digits. */
function putHex(at: number, word: number): void {
  for (let digit = 0; digit < 8; digit++) bytes[at + digit] = digits[(word >>> (28 - 4 * digit)) & 15] as number;
}
