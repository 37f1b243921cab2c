// A key of a directed graph with a query that does not depend on how its vertices are named. Numbers only.

// Enough rounds that vertices of random and layered graphs differ; distances carry what lies further away.
const rounds = 3;

/** A bijection of 32 bits with good avalanche (the constants of "lowbias32", C. Wellons). */
function scrambled(value: number): number {
  let x = value ^ (value >>> 16);
  x = Math.imul(x, 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x ^ (x >>> 15);
}

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

/**
 * Keys of graphs of up to `size` vertices: "graph:" and 16 hexadecimal digits, equal for graphs that are the same up to the
 * names of their vertices. They hash what three rounds of colour refinement tell apart, which start from the distances to
 * the query's start and from its end (Weisfeiler and Leman). So different problems share a key when refinement cannot
 * tell them apart (no pair among all graphs of four vertices; regular parts far from the query), else by chance of the hashes alone (32-bit
 * colours, 64-bit sums).
 * Chains that leave the query's start, as star graphs are, are the exception: up to names there is but one star of a
 * size, so names count there, and the order of the edges does not.
 */
export class GraphKeys {
  readonly #colour: Int32Array;
  readonly #gathered: Int32Array;
  readonly #degrees: Uint16Array;

  constructor(size: number) {
    this.#colour = new Int32Array(size);
    this.#gathered = new Int32Array(size);
    this.#degrees = new Uint16Array(2 * size);
  }

  key(graph: KeyedGraph): string {
    const colour = this.#colour;
    if (this.#isStar(graph)) {
      for (let vertex = 0; vertex < graph.size; vertex++) colour[vertex] = scrambled(graph.labels[vertex] as number);
    } else refine(graph, colour, this.#gathered);
    return `graph:${hex(sumOf(graph, colour, 0x1b56c4e9), sumOf(graph, colour, 0x6ac690c5))}`;
  }

  /** Whether every edge lies on a chain from the start: each vertex is entered once, and none but the start branches. */
  #isStar({ size, numEdges, tails, heads, distance, from }: KeyedGraph): boolean {
    if (numEdges >= size) return false;
    const degrees = this.#degrees.fill(0);
    for (let edge = 0; edge < numEdges; edge++) {
      const tail = tails[edge] as number;
      const entered = size + (heads[edge] as number);
      if ((distance[tail] as number) < 0) return false;
      degrees[tail] = (degrees[tail] as number) + 1;
      degrees[entered] = (degrees[entered] as number) + 1;
      if ((degrees[tail] as number) > 1 && tail !== from) return false;
      if ((degrees[entered] as number) > 1) return false;
    }
    return degrees[size + from] === 0;
  }
}

/** Colours that depend on where a vertex stands, not on its number. `gathered` is room to work in. */
function refine(graph: KeyedGraph, colour: Int32Array, gathered: Int32Array): void {
  const { size, numEdges, tails, heads, distance, to } = graph;
  for (let vertex = 0; vertex < size; vertex++) {
    colour[vertex] = scrambled(distance[vertex] as number);
    gathered[vertex] = 0;
  }
  colour[to] = ~(colour[to] as number);
  for (let round = 0; round < rounds; round++) {
    for (let edge = 0; edge < numEdges; edge++) {
      const tail = tails[edge] as number;
      const head = heads[edge] as number;
      const tailColour = colour[tail] as number;
      // The two directions count in different ways, or an edge and its reverse would be one.
      gathered[tail] = (gathered[tail] as number) + Math.imul(colour[head] as number, 0x2c1b3c6d);
      gathered[head] = (gathered[head] as number) + Math.imul(tailColour ^ (tailColour >>> 13), 0x297a2d39);
    }
    for (let vertex = 0; vertex < size; vertex++) {
      colour[vertex] = scrambled(Math.imul(colour[vertex] as number, 0x1b56c4e9) + (gathered[vertex] as number));
      gathered[vertex] = 0;
    }
  }
}

/** Sums do not depend on the order of edges. Over edges, not vertices: a text does not show vertices without an edge. */
function sumOf({ numEdges, tails, heads, from, to }: KeyedGraph, colour: Int32Array, factor: number): number {
  let sum = Math.imul(colour[from] as number, factor) + scrambled(colour[to] as number);
  for (let edge = 0; edge < numEdges; edge++) {
    const tailColour = Math.imul(colour[tails[edge] as number] as number, factor);
    sum = (sum + scrambled(tailColour + (colour[heads[edge] as number] as number))) | 0;
  }
  return scrambled(sum) >>> 0;
}

const digits = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));

function digit(word: number, shift: number): number {
  return digits[(word >>> shift) & 15] as number;
}

/** 16 hexadecimal digits. One call makes one flat string: a dataset makes millions. */
function hex(high: number, low: number): string {
  return String.fromCharCode(
    digit(high, 28),
    digit(high, 24),
    digit(high, 20),
    digit(high, 16),
    digit(high, 12),
    digit(high, 8),
    digit(high, 4),
    digit(high, 0),
    digit(low, 28),
    digit(low, 24),
    digit(low, 20),
    digit(low, 16),
    digit(low, 12),
    digit(low, 8),
    digit(low, 4),
    digit(low, 0),
  );
}
