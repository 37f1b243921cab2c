// Streams by derivation: known answers, no bias, and items of one stream that share nothing.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deriveSeed, indexedSeed, Rng, type Seed } from "../../src/lib/rng.ts";

const word = fc.integer({ min: 0, max: 0xffffffff });
const seeds = fc.tuple(word, word, word, word) as fc.Arbitrary<Seed>;
const bitsOf = (a: Seed, b: Seed) =>
  a.reduce((sum, value, lane) => {
    let differing = (value ^ (b[lane] as number)) >>> 0;
    let bits = 0;
    for (; differing !== 0; differing &= differing - 1) bits++;
    return sum + bits;
  }, 0);

describe("Rng", () => {
  it("is xoshiro128**: the first draws from the state 1, 2, 3, 4", () => {
    const rng = new Rng([1, 2, 3, 4]);
    // rotl(2 * 5, 7) * 9 = 1280 * 9; then the state's update by hand.
    expect([rng.uint32(), rng.uint32()]).toEqual([11520, 0]);
  });

  it("below: what the remainder of a draw from whole blocks gives", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 2 ** 32 }), (seed, bound) => {
        const plain = new Rng(seed);
        const limit = 2n ** 32n - (2n ** 32n % BigInt(bound));
        let draw = BigInt(plain.uint32());
        while (draw >= limit) draw = BigInt(plain.uint32());
        expect(new Rng(seed).below(bound)).toBe(Number(draw % BigInt(bound)));
      }),
    );
  });
});

describe("indexed streams", () => {
  const seed = deriveSeed(42, "train", "problem");

  it("never give two items one seed, neighbouring roots neither", () => {
    const seen = new Set<string>();
    for (let index = 0; index < 50_000; index++) seen.add(indexedSeed(seed, index).join());
    for (let index = 0; index < 50_000; index++) seen.add(indexedSeed(deriveSeed(43, "train", "problem"), index).join());
    expect(seen.size).toBe(100_000);
  });

  it("one bit of the index or of the seed changes half of the 128 bits", () => {
    const changes: number[] = [];
    for (let bit = 0; bit < 53; bit++) {
      for (let index = 1; index < 40; index++) {
        const flipped = index + (Math.floor(index / 2 ** bit) % 2 === 0 ? 2 ** bit : -(2 ** bit));
        changes.push(bitsOf(indexedSeed(seed, index), indexedSeed(seed, flipped)));
      }
    }
    for (let bit = 0; bit < 128; bit++) {
      const other = seed.map((value, lane) =>
        lane === bit >> 5 ? (value ^ (1 << (bit & 31))) >>> 0 : value,
      ) as unknown as Seed;
      for (let index = 0; index < 20; index++) changes.push(bitsOf(indexedSeed(seed, index), indexedSeed(other, index)));
    }
    const mean = changes.reduce((sum, value) => sum + value, 0) / changes.length;
    // 4,600 comparisons of 128 fair coins: the mean has a standard error of 0.083, a single one of 5.7.
    expect(Math.abs(mean - 64)).toBeLessThan(0.5);
    expect(Math.min(...changes)).toBeGreaterThan(64 - 6 * 5.7);
    expect(Math.max(...changes)).toBeLessThan(64 + 6 * 5.7);
  });

  it("first draws of 99,000 items are uniform on 0 to 98", () => {
    const counts = new Array<number>(99).fill(0);
    for (let index = 0; index < 99_000; index++) {
      const value = Rng.indexed(seed, index).below(99);
      counts[value] = (counts[value] as number) + 1;
    }
    const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    // 98 degrees of freedom: mean 98, standard deviation 14.
    expect(chiSquare).toBeLessThan(98 + 5 * 14);
    expect(chiSquare).toBeGreaterThan(98 - 5 * 14);
  });
});
