// Multisets of a few numbers as consecutive integers: the rows of the exact mode's bitmap. Knows no rules of Countdown.

/** C(n, k) as a double; exact while it is below 2^53. */
function choose(n: number, k: number): number {
  let ways = 1;
  for (let index = 1; index <= k; index++) ways = (ways * (n - k + index)) / index;
  return ways;
}

/**
 * The multisets of `size` numbers of low..high, numbered from 0 in colexicographic order: by the largest number, then by
 * the second largest, and so on. The multiset a_0 <= a_1 <= ... (counted from `low`) has the rank sum of C(a_k + k, k + 1).
 */
export class Multisets {
  readonly size: number;
  readonly low: number;
  readonly high: number;
  /** How many there are: C(high - low + size, size). */
  readonly count: number;
  /** steps[k][a]: what the value low + a at place k (0 = smallest) adds to the rank. */
  readonly #steps: readonly Float64Array[];
  readonly #sorted: Float64Array;

  constructor(size: number, [low, high]: readonly [number, number]) {
    const values = high - low + 1;
    this.size = size;
    this.low = low;
    this.high = high;
    this.count = choose(values + size - 1, size);
    this.#steps = Array.from({ length: size }, (_, place) =>
      Float64Array.from({ length: values }, (_, value) => choose(value + place, place + 1)),
    );
    this.#sorted = new Float64Array(size);
  }

  /** The rank of `size` numbers in any order. Numbers outside low..high have none: NaN. */
  rank(numbers: readonly number[]): number {
    const sorted = this.#sorted;
    for (let count = 0; count < this.size; count++) {
      const value = numbers[count] as number;
      let place = count;
      for (; place > 0 && (sorted[place - 1] as number) > value; place--) sorted[place] = sorted[place - 1] as number;
      sorted[place] = value;
    }
    return this.rankWithout(sorted, -1);
  }

  /** The rank of ascending numbers, the one at `leftOut` not counted: of a multiset of one more number than this size. */
  rankWithout(ascending: ArrayLike<number>, leftOut: number): number {
    let rank = 0;
    let place = 0;
    for (let index = 0; place < this.size; index++) {
      if (index === leftOut) continue;
      rank += (this.#steps[place] as Float64Array)[(ascending[index] as number) - this.low] as number;
      place++;
    }
    return rank;
  }

  /** The multiset of a rank, ascending. */
  unrank(rank: number): number[] {
    const numbers = new Array<number>(this.size);
    let rest = rank;
    for (let place = this.size - 1; place >= 0; place--) {
      const steps = this.#steps[place] as Float64Array;
      const value = lastNotAbove(steps, rest);
      rest -= steps[value] as number;
      numbers[place] = this.low + value;
    }
    return numbers;
  }
}

/** Index of the last of ascending values that is not above the limit; the first one never is. */
function lastNotAbove(ascending: Float64Array, limit: number): number {
  let from = 0;
  let to = ascending.length;
  while (to - from > 1) {
    const middle = (from + to) >> 1;
    if ((ascending[middle] as number) <= limit) from = middle;
    else to = middle;
  }
  return from;
}

/** The next ascending multiset in colexicographic order, in place; after the last one, the first of a larger range. */
export function advance(ascending: Float64Array, low: number): void {
  let place = 0;
  while (place + 1 < ascending.length && ascending[place] === ascending[place + 1]) place++;
  ascending[place] = (ascending[place] as number) + 1;
  ascending.fill(low, 0, place);
}
