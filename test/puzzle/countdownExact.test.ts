import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deriveSeed } from "../../src/lib/rng.ts";
import { countdown } from "../../src/puzzle/countdown.ts";
import { exactSpace } from "../../src/puzzle/countdownExact.ts";
import { type ExactOptions, enumerateSolvable, exactBytes } from "../../src/puzzle/countdownExactBitmap.ts";
import { Solvable } from "../../src/puzzle/countdownExactIndex.ts";
import { Multisets } from "../../src/puzzle/countdownExactMultisets.ts";
import { exactPermutation } from "../../src/puzzle/countdownExactPermutation.ts";
import { canReach } from "../../src/puzzle/countdownReach.ts";

const optionsOf = fc
  .record({
    numbers: fc.integer({ min: 2, max: 4 }),
    low: fc.integer({ min: 1, max: 12 }),
    span: fc.integer({ min: 0, max: 7 }),
    target: fc.integer({ min: 1, max: 60 }),
    targets: fc.integer({ min: 0, max: 40 }),
  })
  .map(
    ({ numbers, low, span, target, targets }): ExactOptions => ({
      numbers,
      operands: [low, low + span],
      targets: [target, target + targets],
    }),
  );

/** All ascending lists of `size` numbers of the range, in no special order. */
function multisets(size: number, low: number, high: number): number[][] {
  if (size === 0) return [[]];
  const found: number[][] = [];
  for (let first = low; first <= high; first++)
    for (const rest of multisets(size - 1, first, high)) found.push([first, ...rest]);
  return found;
}

const make = (options: ExactOptions) => new Solvable(options, enumerateSolvable(options));
const range = (count: number) => Array.from({ length: count }, (_, index) => index);
const targetsOf = ({ targets: [low, high] }: ExactOptions) => range(high - low + 1).map((step) => low + step);

describe("multisets by rank", () => {
  it("are numbered by the largest number first", () => {
    const pairs = new Multisets(2, [3, 5]);
    expect(range(pairs.count).map((rank) => pairs.unrank(rank))).toEqual([
      [3, 3],
      [3, 4],
      [4, 4],
      [3, 5],
      [4, 5],
      [5, 5],
    ]);
    expect(pairs.rank([5, 4])).toBe(4);
    expect(pairs.rank([2, 4])).toBeNaN();
    expect(pairs.rank([4, 6])).toBeNaN();
  });

  it("count 4,249,575 for four numbers of 1-99, and the last rank is four times 99", () => {
    const four = new Multisets(4, [1, 99]);
    expect(four.count).toBe(4_249_575);
    expect(four.unrank(four.count - 1)).toEqual([99, 99, 99, 99]);
    fc.assert(fc.property(fc.nat(four.count - 1), (rank) => four.rank(four.unrank(rank).reverse()) === rank));
  });
});

describe("the keyed permutation", () => {
  it("is a bijection of every range", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), fc.integer(), (size, seed) => {
        const permuted = exactPermutation(size, deriveSeed(seed));
        const values = range(size).map(permuted);
        expect(new Set(values).size).toBe(size);
        expect(values.every((value) => Number.isInteger(value) && value >= 0 && value < size)).toBe(true);
      }),
    );
  });

  it("scatters: over many keys, where 0 and 1 go is near to uniform and independent", () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 6000; seed++) {
      const permuted = exactPermutation(5, deriveSeed(seed));
      const pair = `${permuted(0)},${permuted(1)}`;
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
    // 20 pairs, 300 expected of each: chi-squared of 19 degrees stays below 43.8 in 999 of 1000 cases.
    const squares = [...counts.values()].reduce((sum, count) => sum + (count - 300) ** 2 / 300, 0);
    expect(counts.size).toBe(20);
    expect(squares).toBeLessThan(43.8);
  });

  it("works up to 2^32", () => {
    const permuted = exactPermutation(2 ** 32, deriveSeed(1));
    const values = range(2000).map((index) => permuted(2 ** 32 - 1 - index));
    expect(new Set(values).size).toBe(2000);
    expect(Math.max(...values)).toBeGreaterThan(2 ** 31);
  });
});

describe("the bitmap of solvable pairs", () => {
  it("says of every pair what the search says", () => {
    fc.assert(
      fc.property(optionsOf, (options) => {
        const solvable = make(options);
        for (const numbers of multisets(options.numbers, ...options.operands))
          for (const target of targetsOf(options))
            expect(solvable.has(numbers, target), `${numbers} -> ${target}`).toBe(canReach(numbers, target));
      }),
      { numRuns: 30 },
    );
  });

  it("knows the pairs of two numbers of 2 and 3 by heart", () => {
    const solvable = make({ numbers: 2, operands: [2, 3], targets: [1, 9] });
    // 2,2: 4 (+ and *), 0, 1; 2,3: 5, 6, 1; 3,3: 6, 9, 0, 1
    expect(targetsOf(solvable.options).map((target) => solvable.count(target))).toEqual([3, 0, 0, 1, 1, 2, 0, 0, 1]);
    expect([0, 1, 2].map((index) => solvable.select(1, index))).toEqual([
      [2, 2],
      [2, 3],
      [3, 3],
    ]);
    expect([0, 1].map((index) => solvable.select(6, index))).toEqual([
      [2, 3],
      [3, 3],
    ]);
    expect(solvable.has([3, 2], 6)).toBe(true);
    expect(solvable.has([3, 4], 7)).toBe(false);
    expect(solvable.has([3, 3, 1], 9)).toBe(false);
    expect(solvable.has([3, 3], 0)).toBe(false);
    expect(solvable.count(10)).toBe(0);
  });

  it("selects all pairs of a target in order of rank, over many blocks", () => {
    const solvable = make({ numbers: 3, operands: [1, 40], targets: [24, 25] });
    const all = range(solvable.count(24)).map((index) => solvable.select(24, index));
    expect(all.length).toBeGreaterThan(1000);
    const expected = multisets(3, 1, 40).filter((numbers) => canReach(numbers, 24));
    const order = new Multisets(3, [1, 40]);
    expect(all).toEqual(expected.sort((a, b) => order.rank(a) - order.rank(b)));
  });

  it("refuses what is too large, and words of another space", () => {
    expect(exactBytes({ numbers: 4, operands: [1, 99], targets: [10, 100] })).toBe(48_339_200);
    expect(exactBytes({ numbers: 5, operands: [1, 3], targets: [1, 2] })).toBeUndefined();
    expect(() => enumerateSolvable({ numbers: 4, operands: [1, 120], targets: [10, 100] })).toThrow(
      /puzzle\.operands \[1, 120\]/,
    );
    const words = enumerateSolvable({ numbers: 2, operands: [1, 9], targets: [1, 9] });
    expect(() => new Solvable({ numbers: 2, operands: [1, 9], targets: [1, 8] }, words)).toThrow(/bytes/);
  });
});

describe("the exact space", () => {
  const options: ExactOptions = { numbers: 3, operands: [1, 8], targets: [20, 40] };
  const solvable = make(options);
  const targets = [20, 23, 24, 37, 40];
  const expected = multisets(3, 1, 8)
    .flatMap((numbers) => targets.filter((target) => canReach(numbers, target)).map((target) => ({ numbers, target })))
    .map(({ numbers, target }) => countdown.canonicalKey({ puzzle: "countdown", numbers, target }));

  it.each(["targets", "pairs"] as const)("holds every solvable problem of its targets once (%s)", (weighting) => {
    for (const seed of [1, 2, 3]) {
      const space = exactSpace(solvable, { targets, seed, weighting });
      const keys = range(space.size).map((index) => countdown.canonicalKey(space.problemAt(index)));
      expect([...keys].sort()).toEqual([...expected].sort());
      expect(() => space.problemAt(space.size)).toThrow(RangeError);
    }
  });

  it("gives the same problem for the same seed whatever was asked before, another order for another seed", () => {
    const space = (seed: number) => exactSpace(solvable, { targets, seed });
    const forwards = range(40).map((index) => space(7).problemAt(index));
    const one = space(7);
    expect(range(40).map((index) => one.problemAt(39 - index))).toEqual([...forwards].reverse());
    expect(range(40).map((index) => space(8).problemAt(index))).not.toEqual(forwards);
  });

  it("gives each target once in a round while it has problems left", () => {
    const space = exactSpace(solvable, { targets, seed: 3 });
    const fewest = Math.min(...targets.map((target) => solvable.count(target)));
    expect(fewest).toBeGreaterThan(1);
    for (let round = 0; round < fewest; round++) {
      const seen = range(targets.length).map((slot) => space.problemAt(round * targets.length + slot).target);
      expect([...seen].sort((a, b) => a - b)).toEqual(targets);
    }
  });

  it("is empty where no target can be made", () => {
    const space = exactSpace(make({ numbers: 2, operands: [1, 2], targets: [90, 91] }), { targets: [90, 91], seed: 1 });
    expect(space.size).toBe(0);
  });
});
