// Random numbers by derivation: every consumer names its purpose and gets a stream of its own, so no result depends on
// the order in which others drew. Pure: never Math.random, never a clock.
import { createHash } from "node:crypto";
import { lowbias32 } from "./mix.ts";

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

/**
 * The seed of item `index` of a stream of items: mixes 128 seed bits and 53 index bits by multiplication and shifts. For inner
 * loops, where hashing every item with SHA-256 would cost more than making it; derive `seed` once by purpose.
 */
export function indexedSeed(seed: Seed, index: number): Seed {
  const low = index >>> 0;
  const high = Math.floor(index / 0x100000000) >>> 0;
  const a = seed[0];
  const b = seed[1];
  const c = seed[2];
  const d = seed[3];
  return [
    lane(low, high, a, b, c, d, 0x9e3779b9),
    lane(low, high, b, c, d, a, 0x7f4a7c15),
    lane(low, high, c, d, a, b, 0xf39cc060),
    lane(low, high, d, a, b, c, 0x5cedc834),
  ];
}

/** Each lane takes all six words in an order of its own: one changed bit of any word changes every lane. */
function lane(low: number, high: number, a: number, b: number, c: number, d: number, salt: number): number {
  const ofIndex = lowbias32(lowbias32(lowbias32(salt ^ low) + a) ^ high);
  return lowbias32(lowbias32(lowbias32(ofIndex + b) + c) ^ d) >>> 0;
}

/** xoshiro128** (Blackman and Vigna): 32 bits a draw, period 2^128 - 1. */
export class Rng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: Seed) {
    // Signed, as the updates below leave them: V8 keeps them in the object itself, unsigned words above 2^31 in boxes.
    this.#a = seed[0] | 0;
    this.#b = seed[1] | 0;
    this.#c = seed[2] | 0;
    this.#d = seed[3] | 0;
    // The all-zero state is the generator's one fixed point.
    if ((this.#a | this.#b | this.#c | this.#d) === 0) this.#a = 0x9e3779b9 | 0;
  }

  /** A stream for a purpose: `Rng.for(42, "train", 17)`. */
  static for(root: number | string, ...path: SeedPath): Rng {
    return new Rng(deriveSeed(root, ...path));
  }

  /** The stream of item `index`: for inner loops that make millions of items from one derived seed. */
  static indexed(seed: Seed, index: number): Rng {
    return new Rng(indexedSeed(seed, index));
  }

  /** The next unsigned 32-bit integer. */
  uint32(): number {
    const a = this.#a;
    const b = this.#b;
    const c = this.#c ^ a;
    const d = this.#d ^ b;
    this.#a = a ^ d;
    this.#b = b ^ c;
    this.#c = c ^ (b << 9);
    this.#d = (d << 11) | (d >>> 21);
    const x = Math.imul(b, 5);
    return Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
  }

  /** A number in [0, 1) with 53 random bits. */
  uniform(): number {
    return ((this.uint32() >>> 5) * 0x4000000 + (this.uint32() >>> 6)) / 0x20000000000000;
  }

  /** An integer in [0, bound), without modulo bias. `bound` is an integer from 1 to 2^32. */
  below(bound: number): number {
    // 0 for 2^32: the division below then gives 0, and the draw is its own remainder, as it must.
    const divisor = bound >>> 0;
    for (;;) {
      const draw = this.uint32();
      // draw % bound in whole numbers: the operator is a floating-point remainder here and costs more than the rest of the loop.
      const rest = (draw - Math.imul((draw / divisor) >>> 0, divisor)) >>> 0;
      // Only whole blocks of `bound` values count.
      if (draw - rest <= 0x100000000 - bound) return rest;
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
      const moved = result[i] as T;
      result[i] = result[j] as T;
      result[j] = moved;
    }
    return result;
  }
}
