// Exact search through Sudoku grids by bit masks: are there solutions, how many, is there another one. Fast, and blind to how
// people solve: naked and hidden singles, then the cell with fewest digits. Knows no problem records.
import type { Rng } from "../lib/rng.ts";
import { digitOf, geometryOfSize, type SudokuGeometry, type SudokuSize, sizeOfMask, usedDigits } from "./sudokuGeometry.ts";

/** What a search found: solutions up to the limit asked for; undecided: the budget ended before the space did. */
export type Found = "none" | "one" | "several" | "undecided";

/** Guesses after which a search gives up. Proper puzzles need tens, the hardest known ones hundreds. */
const guessLimit = 50_000;

/**
 * Holds the memory of a search, one frame of masks per guess, and is used again and again. In a frame the mask of a cell
 * is the set of digits still possible there; a cell is settled when one is left and its peers know.
 */
class ExactSearch {
  readonly geometry: SudokuGeometry;
  /** Digits of the first solution that the last search found. */
  readonly solution: Uint8Array;
  readonly #frames: Uint16Array;
  /** Cells with one digit left whose peers do not know yet. A cell may wait twice: once told is as good as twice. */
  readonly #queue: Uint8Array;
  #queued = 0;
  #found = 0;
  #limit = 1;
  #guesses = 0;
  #rng: Rng | undefined;

  constructor(geometry: SudokuGeometry) {
    this.geometry = geometry;
    this.solution = new Uint8Array(geometry.cells);
    this.#frames = new Uint16Array(geometry.cells * (geometry.cells + 1));
    this.#queue = new Uint8Array(2 * geometry.cells);
  }

  /** How many solutions extend the clash-free grid, counted up to two. The first is left in `solution`. */
  count(cells: Uint8Array): Found {
    return this.#load(cells, usedDigits(cells, this.geometry)) ? this.#run(2) : "none";
  }

  /** Whether a solution extends the grid in which the empty `cell` takes a digit of `allowed`. `used`: see `usedDigits`. */
  existsWithin(cells: Uint8Array, used: Uint16Array, cell: number, allowed: number): boolean {
    if (!this.#load(cells, used)) return false;
    const mask = (this.#frames[cell] as number) & allowed;
    this.#frames[cell] = mask;
    if (mask === 0) return false;
    if (sizeOfMask[mask] === 1) this.#queue[this.#queued++] = cell;
    return this.#run(1) !== "none";
  }

  /**
   * A full grid in `solution`: the boxes on the diagonal in random order, then search with digits tried in random order.
   * Every grid can come; they are not all equally likely.
   */
  randomGrid(rng: Rng): void {
    const { size, cells, boxRows, boxColumns, full, units } = this.geometry;
    const diagonal = Math.min(size / boxRows, size / boxColumns);
    this.#rng = rng;
    do {
      this.#frames.fill(full, 0, cells);
      this.#queued = 0;
      for (let index = 0; index < diagonal; index++) {
        const box = index * (size / boxColumns) + index;
        let left = full;
        for (let at = 0; at < size; at++) {
          const cell = units[(2 * size + box) * size + at] as number;
          const bit = this.#pick(left);
          left ^= bit;
          this.#frames[cell] = bit;
          this.#queue[this.#queued++] = cell;
        }
      }
    } while (this.#run(1) !== "one");
    this.#rng = undefined;
  }

  /** Frame 0 from a grid: what row, column and box leave possible. False when they leave a cell nothing. */
  #load(cells: Uint8Array, used: Uint16Array): boolean {
    const { size, rowOf, columnOf, boxOf, full } = this.geometry;
    const frames = this.#frames;
    this.#queued = 0;
    for (let cell = 0; cell < cells.length; cell++) {
      const digit = cells[cell] as number;
      if (digit !== 0) {
        frames[cell] = 1 << (digit - 1);
        continue;
      }
      const taken =
        (used[rowOf[cell] as number] as number) |
        (used[size + (columnOf[cell] as number)] as number) |
        (used[2 * size + (boxOf[cell] as number)] as number);
      const mask = full & ~taken;
      if (mask === 0) return false;
      frames[cell] = mask;
      if ((mask & (mask - 1)) === 0) this.#queue[this.#queued++] = cell;
    }
    return true;
  }

  #run(limit: number): Found {
    this.#found = 0;
    this.#limit = limit;
    this.#guesses = 0;
    this.#search(0);
    if (this.#found >= 2) return "several";
    if (this.#guesses > guessLimit) return "undecided";
    return this.#found === 1 ? "one" : "none";
  }

  #search(base: number): void {
    if (!this.#settle(base)) return;
    const frames = this.#frames;
    const cells = this.geometry.cells;
    const cell = this.#fewest(base);
    if (cell < 0) {
      if (this.#found++ === 0) for (let at = 0; at < cells; at++) this.solution[at] = digitOf(frames[base + at] as number);
      return;
    }
    for (let left = frames[base + cell] as number; left !== 0; ) {
      if (++this.#guesses > guessLimit) return;
      const bit = this.#pick(left);
      left ^= bit;
      frames.copyWithin(base + cells, base, base + cells);
      frames[base + cells + cell] = bit;
      this.#queue[0] = cell;
      this.#queued = 1;
      this.#search(base + cells);
      if (this.#found >= this.#limit) return;
    }
  }

  /** One digit of the mask: the lowest, or a random one. */
  #pick(mask: number): number {
    let left = mask;
    if (this.#rng !== undefined)
      for (let skip = this.#rng.below(sizeOfMask[mask] as number); skip > 0; skip--) left &= left - 1;
    return left & -left;
  }

  /** The first cell with the fewest digits, two at least; -1 when every cell is settled. */
  #fewest(base: number): number {
    let best = -1;
    let bestSize = 10;
    for (let cell = 0; cell < this.geometry.cells; cell++) {
      const size = sizeOfMask[this.#frames[base + cell] as number] as number;
      if (size < 2 || size >= bestSize) continue;
      best = cell;
      bestSize = size;
      if (size === 2) break;
    }
    return best;
  }

  /**
   * Naked singles until none is left, and hidden ones below a guess: most questions are settled before the first one, and
   * random grids are full faster without looking. False on a contradiction.
   */
  #settle(base: number): boolean {
    for (;;) {
      if (!this.#tellPeers(base)) return false;
      if (base === 0 || this.#rng !== undefined) return true;
      const hidden = this.#hiddenSingles(base);
      if (hidden !== "found") return hidden === "none";
    }
  }

  /** Works off the queue. False when a cell is left without digits. */
  #tellPeers(base: number): boolean {
    const frames = this.#frames;
    const queue = this.#queue;
    const { peers, numPeers } = this.geometry;
    while (this.#queued > 0) {
      const cell = queue[--this.#queued] as number;
      const bit = frames[base + cell] as number;
      for (let at = cell * numPeers; at < (cell + 1) * numPeers; at++) {
        const peer = peers[at] as number;
        const mask = frames[base + peer] as number;
        if ((mask & bit) === 0) continue;
        const left = mask & ~bit;
        if (left === 0) return false;
        frames[base + peer] = left;
        if ((left & (left - 1)) === 0) queue[this.#queued++] = peer;
      }
    }
    return true;
  }

  /** Queues the digits that have one place left in a unit, for the first unit with such digits. */
  #hiddenSingles(base: number): "none" | "found" | "contradiction" {
    const frames = this.#frames;
    const { size, units, full } = this.geometry;
    for (let unit = 0; unit < 3 * size; unit++) {
      let once = 0;
      let twice = 0;
      let settled = 0;
      for (let at = unit * size; at < (unit + 1) * size; at++) {
        const mask = frames[base + (units[at] as number)] as number;
        twice |= once & mask;
        once |= mask;
        if ((mask & (mask - 1)) === 0) settled |= mask;
      }
      // A digit without a place.
      if (once !== full) return "contradiction";
      const hidden = once & ~twice & ~settled;
      if (hidden === 0) continue;
      for (let at = unit * size; at < (unit + 1) * size; at++) {
        const cell = units[at] as number;
        const bit = (frames[base + cell] as number) & hidden;
        if (bit === 0) continue;
        // Two hidden digits in one cell: the contradiction shows when the second one has no place.
        frames[base + cell] = bit & -bit;
        this.#queue[this.#queued++] = cell;
      }
      return "found";
    }
    return "none";
  }
}

const searches: Partial<Record<SudokuSize, ExactSearch>> = {};

/** The search of a size. One per thread: its memory holds one search at a time. */
export function exactSearch(size: SudokuSize): ExactSearch {
  searches[size] ??= new ExactSearch(geometryOfSize(size));
  return searches[size];
}
