// Draws directed graphs of three families with a query whose shortest way has a given length. Typed arrays that are used
// again and again, because a dataset draws millions; knows nothing of problem records and texts.
import { UserError } from "../lib/errors.ts";
import type { Rng } from "../lib/rng.ts";

/** Edges drawn uniformly among all pairs; the query's shortest way has `length` edges. */
export interface RandomGraphOptions {
  readonly family: "random";
  readonly nodes: number;
  readonly labels: number;
  readonly edges?: number | undefined;
  readonly length: readonly [number, number];
}

/** `layers` rows of `width` vertices, edges from each row to the next alone; the query leads from the first row to the last. */
export interface LayeredGraphOptions {
  readonly family: "layered";
  readonly layers: number;
  readonly width: number;
  readonly labels: number;
  readonly edges?: number | undefined;
}

/** `degree` chains of `length` edges that leave one centre; the query leads from the centre to the end of one. */
export interface StarGraphOptions {
  readonly family: "star";
  readonly degree: number;
  readonly length: number;
  readonly labels: number;
}

export type GraphShape = RandomGraphOptions | LayeredGraphOptions | StarGraphOptions;

/** Vertices of a shape. */
export function numVertices(shape: GraphShape): number {
  if (shape.family === "random") return shape.nodes;
  return shape.family === "layered" ? shape.layers * shape.width : 1 + shape.degree * shape.length;
}

/** Most edges that a shape has room for, without loops and repeats. */
export function maxEdges(shape: GraphShape): number {
  if (shape.family === "random") return shape.nodes * (shape.nodes - 1);
  return shape.family === "layered" ? (shape.layers - 1) * shape.width ** 2 : shape.degree * shape.length;
}

/** Edges of a shape: those asked for, else two for each vertex that can have one, as far as there is room. */
export function numEdges(shape: GraphShape): number {
  if (shape.family === "star") return maxEdges(shape);
  const starts = shape.family === "random" ? shape.nodes : (shape.layers - 1) * shape.width;
  return shape.edges ?? Math.min(2 * starts, maxEdges(shape));
}

// A graph with a fitting query in one of a thousand draws is still found with certainty for all practical purposes.
const drawsTried = 20_000;

/** Index of the lowest bit that is set. */
export function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/**
 * The graph drawn last. Vertices are numbered 0 to `size` - 1 in ascending order of their labels, so that a walk in order
 * of numbers is a walk in order of labels. Edges stand in the order of drawing, which is random.
 */
export class GraphDraw {
  readonly size: number;
  readonly numEdges: number;
  /** Label of each vertex, ascending. */
  readonly labels: Uint16Array;
  readonly tails: Uint16Array;
  readonly heads: Uint16Array;
  /** 32-bit words of a row of `rows`. */
  readonly numWords: number;
  /** Heads of each tail as bits: bit `head % 32` of [tail * numWords + floor(head / 32)]. */
  readonly rows: Int32Array;
  /** Edges on the shortest way from the query's start to each vertex; -1: there is none. */
  readonly distance: Int16Array;
  /** What a breadth-first walk from the query's start reaches, in its order: neighbours by number. The first `numReached` count. */
  readonly reached: Uint16Array;
  numReached = 0;
  /** Of each vertex that is reached, the one that the walk came from; of the start, itself. */
  readonly parent: Uint16Array;
  from = 0;
  to = 0;

  readonly #shape: GraphShape;
  /** The labels that are taken, as bits. */
  readonly #taken: Int32Array;
  /** Which vertex takes a place of the family's form. */
  readonly #place: Uint16Array;
  /** Tail and head of each pair of vertices, as tail << 16 | head: a table, because divisions cost more. */
  readonly #pairs: Int32Array;
  /** Vertices that a walk has not met, as bits. */
  readonly #unseen: Int32Array;

  constructor(shape: GraphShape) {
    this.#shape = shape;
    this.size = numVertices(shape);
    this.numEdges = numEdges(shape);
    this.labels = new Uint16Array(this.size);
    this.tails = new Uint16Array(this.numEdges);
    this.heads = new Uint16Array(this.numEdges);
    this.numWords = Math.ceil(this.size / 32);
    this.rows = new Int32Array(this.size * this.numWords);
    this.distance = new Int16Array(this.size);
    this.reached = new Uint16Array(this.size);
    this.parent = new Uint16Array(this.size);
    this.#taken = new Int32Array(Math.ceil(shape.labels / 32));
    this.#pairs = shape.family === "random" ? pairsOf(this.size) : new Int32Array(0);
    this.#place = Uint16Array.from({ length: this.size }, (_, index) => index);
    this.#unseen = new Int32Array(this.numWords);
  }

  /** Draws anew until there is a fitting query. Throws UserError("puzzle-empty") after 20,000 graphs without one. */
  draw(rng: Rng): void {
    const shape = this.#shape;
    for (let attempt = 0; attempt < drawsTried; attempt++) {
      const found =
        shape.family === "random"
          ? this.#drawRandom(rng, shape)
          : shape.family === "layered"
            ? this.#drawLayered(rng, shape)
            : this.#drawStar(rng, shape);
      if (!found) continue;
      this.#drawLabels(rng);
      return;
    }
    const asked = JSON.stringify({ ...shape, edges: this.numEdges });
    throw new UserError(
      "puzzle-empty",
      `graph: none of ${drawsTried} graphs drawn has a fitting query: ${asked}. Bring puzzle.length within reach or change puzzle.edges.`,
    );
  }

  /** The start uniformly, then the end uniformly among the vertices at a distance in the range. */
  #drawRandom(rng: Rng, shape: RandomGraphOptions): boolean {
    const low = shape.length[0];
    const high = shape.length[1];
    const { size, numEdges, numWords, rows, tails, heads, distance, reached } = this;
    const pairs = this.#pairs;
    rows.fill(0);
    for (let edge = 0; edge < numEdges; ) {
      const pair = pairs[rng.below(pairs.length)] as number;
      const tail = pair >>> 16;
      const head = pair & 0xffff;
      const at = tail * numWords + (head >>> 5);
      const word = rows[at] as number;
      const bit = 1 << (head & 31);
      if ((word & bit) !== 0) continue;
      rows[at] = word | bit;
      tails[edge] = tail;
      heads[edge] = head;
      edge++;
    }
    this.from = rng.below(size);
    this.#measure();
    // What was reached stands in order of distance: what fits stands together.
    let first = 0;
    let end = this.numReached;
    while (first < end && (distance[reached[first] as number] as number) < low) first++;
    while (end > first && (distance[reached[end - 1] as number] as number) > high) end--;
    if (first === end) return false;
    this.to = reached[first + rng.below(end - first)] as number;
    return true;
  }

  #drawLayered(rng: Rng, { layers, width }: LayeredGraphOptions): boolean {
    const { numEdges } = this;
    const place = this.#place;
    this.rows.fill(0);
    this.#shufflePlaces(rng);
    for (let edge = 0; edge < numEdges; ) {
      const start = rng.below((layers - 1) * width);
      const head = (Math.floor(start / width) + 1) * width + rng.below(width);
      if (this.#add(edge, place[start] as number, place[head] as number)) edge++;
    }
    this.from = place[rng.below(width)] as number;
    this.to = place[(layers - 1) * width + rng.below(width)] as number;
    this.#measure();
    return (this.distance[this.to] as number) >= 0;
  }

  #drawStar(rng: Rng, { degree, length }: StarGraphOptions): boolean {
    const place = this.#place;
    this.rows.fill(0);
    this.#shufflePlaces(rng);
    for (let edge = 0; edge < this.numEdges; edge++) {
      const tail = edge % length === 0 ? 0 : edge;
      this.#add(edge, place[tail] as number, place[edge + 1] as number);
    }
    for (let last = this.numEdges - 1; last > 0; last--) this.#swapEdges(last, rng.below(last + 1));
    this.from = place[0] as number;
    this.to = place[(rng.below(degree) + 1) * length] as number;
    this.#measure();
    return true;
  }

  /** Notes an edge that is not there yet. */
  #add(edge: number, tail: number, head: number): boolean {
    const at = tail * this.numWords + (head >>> 5);
    const word = this.rows[at] as number;
    const bit = 1 << (head & 31);
    if ((word & bit) !== 0) return false;
    this.rows[at] = word | bit;
    this.tails[edge] = tail;
    this.heads[edge] = head;
    return true;
  }

  #swapEdges(a: number, b: number): void {
    for (const ends of [this.tails, this.heads]) {
      const kept = ends[a] as number;
      ends[a] = ends[b] as number;
      ends[b] = kept;
    }
  }

  #shufflePlaces(rng: Rng): void {
    const place = this.#place;
    // From the identity, not from the permutation before: no graph may depend on the one drawn before it.
    for (let index = 0; index < place.length; index++) place[index] = index;
    for (let last = place.length - 1; last > 0; last--) {
      const other = rng.below(last + 1);
      const kept = place[last] as number;
      place[last] = place[other] as number;
      place[other] = kept;
    }
  }

  /** Walks from the start, breadth first. */
  #measure(): void {
    const { numWords, rows, distance, reached, parent } = this;
    const unseen = this.#unseen;
    distance.fill(-1);
    unseen.fill(-1);
    const from = this.from;
    distance[from] = 0;
    unseen[from >>> 5] = ~(1 << (from & 31));
    reached[0] = from;
    parent[from] = from;
    let end = 1;
    for (let first = 0; first < end; first++) {
      const tail = reached[first] as number;
      const next = (distance[tail] as number) + 1;
      for (let word = 0; word < numWords; word++) {
        let fresh = (rows[tail * numWords + word] as number) & (unseen[word] as number);
        unseen[word] = (unseen[word] as number) & ~fresh;
        for (; fresh !== 0; fresh &= fresh - 1) {
          const head = word * 32 + lowestBit(fresh);
          distance[head] = next;
          parent[head] = tail;
          reached[end++] = head;
        }
      }
    }
    this.numReached = end;
  }

  /** A set of labels out of the pool, uniformly; the vertices take them in ascending order. */
  #drawLabels(rng: Rng): void {
    const taken = this.#taken;
    const { labels, size } = this;
    const pool = this.#shape.labels;
    if (size === pool) {
      for (let label = 0; label < size; label++) labels[label] = label;
      return;
    }
    taken.fill(0);
    for (let count = 0; count < size; ) {
      const label = rng.below(pool);
      const word = taken[label >>> 5] as number;
      // Counted without a branch: whether a label is new is chance.
      count += 1 - ((word >>> (label & 31)) & 1);
      taken[label >>> 5] = word | (1 << (label & 31));
    }
    let vertex = 0;
    for (let word = 0; word < taken.length; word++) {
      for (let bits = taken[word] as number; bits !== 0; bits &= bits - 1) labels[vertex++] = word * 32 + lowestBit(bits);
    }
  }
}

/** All pairs of different vertices, by tail and then by head. */
function pairsOf(size: number): Int32Array {
  const pairs = new Int32Array(size * (size - 1));
  let pair = 0;
  for (let tail = 0; tail < size; tail++) {
    for (let head = 0; head < size; head++) if (head !== tail) pairs[pair++] = (tail << 16) | head;
  }
  return pairs;
}
