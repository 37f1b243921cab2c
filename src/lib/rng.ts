// Random numbers by derivation: every consumer names its purpose and gets a stream of its own, so no result depends on
// the order in which others drew. Pure: never Math.random, never a clock.
import { createHash } from "node:crypto";

/** 128 bits that start a stream: four unsigned 32-bit words. */
export type Seed = readonly [number, number, number, number];

/** What a seed is derived by: a purpose, a problem key, a sample index, ... */
export type SeedPath = readonly (string | number)[];

/**
 * hash(root, path) -> 128-bit seed. Parts are length-prefixed and typed, so ("a", "b") and ("ab") differ, as do 1 and "1".
 * Unlike `root + index`, neighbouring roots share nothing.
 */
export function deriveSeed(root: number | string, ...path: SeedPath): Seed {
  const hash = createHash("sha256");
  for (const part of [root, ...path]) {
    const text = String(part);
    hash.update(`${typeof part === "number" ? "n" : "s"}${text.length}:${text};`);
  }
  const bytes = hash.digest();
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8), bytes.readUInt32LE(12)];
}

/** The first 64 bits of a derived seed as two unsigned 32-bit words [low, high]: what goes over the wire per completion. */
export function deriveSeed64(root: number | string, ...path: SeedPath): readonly [number, number] {
  const seed = deriveSeed(root, ...path);
  return [seed[0], seed[1]];
}

/** xoshiro128** (Blackman and Vigna): 32 bits a draw, period 2^128 - 1. */
export class Rng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: Seed) {
    [this.#a, this.#b, this.#c, this.#d] = seed;
    // The all-zero state is the generator's one fixed point.
    if ((this.#a | this.#b | this.#c | this.#d) === 0) this.#a = 0x9e3779b9;
  }

  /** A stream for a purpose: `Rng.for(42, "train", 17)`. */
  static for(root: number | string, ...path: SeedPath): Rng {
    return new Rng(deriveSeed(root, ...path));
  }

  /** The next unsigned 32-bit integer. */
  uint32(): number {
    const x = Math.imul(this.#b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** A number in [0, 1) with 53 random bits. */
  uniform(): number {
    return ((this.uint32() >>> 5) * 0x4000000 + (this.uint32() >>> 6)) / 0x20000000000000;
  }

  /** An integer in [0, bound), without modulo bias. `bound` is an integer from 1 to 2^32. */
  below(bound: number): number {
    const limit = 0x100000000 - (0x100000000 % bound);
    for (;;) {
      const draw = this.uint32();
      if (draw < limit) return draw % bound;
    }
  }

  /** An integer in [low, high], both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** One of the items. Throws RangeError when there is none. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("Rng.pick: no items to pick from");
    return items[this.below(items.length)] as T;
  }

  /** An index drawn with probability proportional to its weight (weights >= 0, at least one > 0). */
  weighted(weights: readonly number[]): number {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (!(total > 0)) throw new RangeError("Rng.weighted: all weights are zero");
    let rest = this.uniform() * total;
    for (let index = 0; index < weights.length; index++) {
      rest -= weights[index] as number;
      if (rest < 0) return index;
    }
    return weights.findLastIndex((weight) => weight > 0);
  }

  /** A shuffled copy (Fisher-Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  }
}
