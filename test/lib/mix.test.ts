// What hashes, seeds and permutations are built of: known answers, and that nothing is lost or sent twice.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lowbias32, murmurFinalizer } from "../../src/lib/mix.ts";
import { keyedPermutation } from "../../src/lib/permutation.ts";

describe("mixing 32 bits", () => {
  it("murmurFinalizer is the finalizer of MurmurHash3", () => {
    // Answers of the reference implementation's fmix32.
    expect([0, 1, 2, 0xffffffff].map((word) => murmurFinalizer(word) >>> 0)).toEqual([0, 0x514e28b7, 0x30f4c306, 0x81f16f39]);
  });

  it.each([
    ["lowbias32", lowbias32],
    ["murmurFinalizer", murmurFinalizer],
  ])("%s gives every word another one, signed, and a flipped bit flips about half", (_, mix) => {
    expect(new Set(Array.from({ length: 1 << 16 }, (_, word) => mix(word * 65_537))).size).toBe(1 << 16);
    let flipped = 0;
    for (let word = 0; word < 100; word++) {
      for (let bit = 0; bit < 32; bit++) {
        const mixed = mix(word);
        expect(mixed).toBe(mixed | 0);
        for (let rest = (mixed ^ mix(word ^ (1 << bit))) >>> 0; rest !== 0; rest &= rest - 1) flipped++;
      }
    }
    expect(Math.abs(flipped / 3200 - 16)).toBeLessThan(0.5);
  });
});

describe("keyedPermutation", () => {
  const keys = fc.array(fc.integer(), { minLength: 1, maxLength: 4 }).map((half) => half.flatMap((key) => [key, ~key]));

  it("is a bijection of every range that its halves hold, of equal width or not", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 5 }),
        keys,
        fc.nat(),
        (lowBits, highBits, keys, nat) => {
          const size = 1 + (nat % 2 ** (lowBits + highBits));
          const mixed = (half: number, key: number) => murmurFinalizer(half ^ key);
          const permute = keyedPermutation(size, { lowBits, highBits, keys, mixed });
          const places = Array.from({ length: size }, (_, index) => permute(index));
          expect([...places].sort((a, b) => a - b)).toEqual([...places.keys()]);
        },
      ),
    );
  });

  it("two rounds worked out by hand", () => {
    // Halves of two bits, the round function half + key: 6 = (1, 2); high 1 ^ ((2 + 1) & 3) = 2; low 2 ^ ((2 + 2) & 3) = 2.
    const permute = keyedPermutation(16, { lowBits: 2, highBits: 2, keys: [1, 2], mixed: (half, key) => half + key });
    expect(permute(6)).toBe(10);
  });
});
