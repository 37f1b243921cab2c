// Every solvable (numbers, target) pair of a small Countdown space as one bitmap: made once, asked and counted fast. Pure;
// who keeps it on a disk is not known here.
import { UserError } from "../lib/errors.ts";
import type { CountdownOptions } from "./countdown.ts";
import { advance, Multisets } from "./countdownExactMultisets.ts";
import { joinResults } from "./countdownReach.ts";

/** The space: what decides which pairs there are. */
export type ExactOptions = Pick<CountdownOptions, "numbers" | "operands" | "targets">;

/** Largest bitmap that is made: four numbers of 1-99 with targets 10-100 take 48 MB. */
const largestBytes = 64 * 1024 * 1024;
const mostNumbers = 4;

/** Bits of the multisets by rank, one column of 32-bit words for each target. */
interface Layout {
  readonly multisets: Multisets;
  readonly wordsPerTarget: number;
  readonly numTargets: number;
}

function layout({ numbers, operands, targets }: ExactOptions): Layout {
  const multisets = new Multisets(numbers, operands);
  return { multisets, wordsPerTarget: Math.ceil(multisets.count / 32), numTargets: targets[1] - targets[0] + 1 };
}

/** Bytes of the space's bitmap, or undefined when the exact mode does not do it (more than 4 numbers, more than 64 MiB). */
export function exactBytes(options: ExactOptions): number | undefined {
  if (options.numbers > mostNumbers) return undefined;
  const { wordsPerTarget, numTargets } = layout(options);
  const bytes = 4 * wordsPerTarget * numTargets;
  return bytes <= largestBytes ? bytes : undefined;
}

/** The values that each multiset can make from all its numbers: those of rank r are values[starts[r]] to values[starts[r + 1] - 1]. */
interface Reach {
  readonly multisets: Multisets;
  readonly starts: Uint32Array;
  readonly values: Float64Array;
}

/** Reach of 1, 2, ... up to `size` numbers. */
function reaches(size: number, { numbers, operands, targets }: ExactOptions): Reach[] {
  const found: Reach[] = [];
  for (let count = 1; count <= size; count++) {
    // A larger value cannot come down to a target with the numbers that are left: each divides or subtracts by `high` at most.
    let limit = targets[1];
    for (let left = count; left < numbers; left++) limit = Math.max(limit * operands[1], limit + operands[1]);
    found.push(reach(new Multisets(count, operands), found.at(-1), limit));
  }
  return found;
}

function reach(multisets: Multisets, smaller: Reach | undefined, limit: number): Reach {
  const starts = new Uint32Array(multisets.count + 1);
  const values: number[] = [];
  const numbers = new Float64Array(multisets.size).fill(multisets.low);
  for (let rank = 0; rank < multisets.count; rank++, advance(numbers, multisets.low)) {
    for (const value of smaller ? joinsWithRest(numbers, smaller) : numbers) if (value <= limit) values.push(value);
    starts[rank + 1] = values.length;
  }
  return { multisets, starts, values: Float64Array.from(values) };
}

/** Values of one number joined with a value of all the others. For up to three numbers there is no other way to use them all. */
function joinsWithRest(numbers: Float64Array, { multisets, starts, values }: Reach): Set<number> {
  const found = new Set<number>();
  numbers.forEach((number, index) => {
    const rest = multisets.rankWithout(numbers, index);
    for (const value of values.subarray(starts[rest], starts[rest + 1]))
      for (const joined of joinResults(value, number)) found.add(joined);
  });
  return found;
}

/** Sets the bits of one multiset after the other. */
class Marker {
  readonly words: Uint32Array;
  readonly #wordsPerTarget: number;
  readonly #low: number;
  readonly #high: number;
  #word = 0;
  #bit = 1;

  constructor(options: ExactOptions) {
    const { wordsPerTarget, numTargets } = layout(options);
    this.words = new Uint32Array(wordsPerTarget * numTargets);
    this.#wordsPerTarget = wordsPerTarget;
    [this.#low, this.#high] = options.targets;
  }

  moveTo(rank: number): void {
    this.#word = rank >>> 5;
    this.#bit = 1 << (rank & 31);
  }

  /** The targets among the results of a last join. */
  joins(a: number, b: number): void {
    const high = Math.max(a, b);
    const low = Math.min(a, b);
    this.#mark(high + low);
    this.#mark(high * low);
    this.#mark(high - low);
    if (low === 0 || high > low * this.#high) return;
    const quotient = Math.floor(high / low);
    if (quotient * low === high) this.#mark(quotient);
  }

  #mark(value: number): void {
    if (value < this.#low || value > this.#high) return;
    const at = (value - this.#low) * this.#wordsPerTarget + this.#word;
    this.words[at] = (this.words[at] as number) | this.#bit;
  }
}

/**
 * The words of the bitmap of the space's solvable pairs (all numbers used, the rules of puzzle/countdown.ts), target by
 * target; about five seconds for four numbers of 1-99. Throws UserError("exact-too-large") where `exactBytes` is undefined.
 */
export function enumerateSolvable(options: ExactOptions): Uint32Array {
  if (exactBytes(options) === undefined) throw tooLarge(options);
  const { multisets } = layout(options);
  const smaller = reaches(options.numbers - 1, options);
  const rest = smaller.at(-1) as Reach;
  const marker = new Marker(options);
  const numbers = new Float64Array(options.numbers).fill(multisets.low);
  for (let rank = 0; rank < multisets.count; rank++, advance(numbers, multisets.low)) {
    marker.moveTo(rank);
    for (let index = 0; index < numbers.length; index++) {
      if (index > 0 && numbers[index] === numbers[index - 1]) continue;
      markOneWithRest(marker, numbers[index] as number, rest, rest.multisets.rankWithout(numbers, index));
    }
    if (numbers.length === 4) markPairsOfPairs(marker, numbers, smaller[1] as Reach);
  }
  return marker.words;
}

function markOneWithRest(marker: Marker, number: number, { starts, values }: Reach, rest: number): void {
  const end = starts[rest + 1] as number;
  for (let at = starts[rest] as number; at < end; at++) marker.joins(values[at] as number, number);
}

function markPairsOfPairs(marker: Marker, numbers: Float64Array, { multisets, starts, values }: Reach): void {
  const [a, b, c, d] = numbers as unknown as readonly [number, number, number, number];
  for (const [one, other] of [
    [
      [a, b],
      [c, d],
    ],
    [
      [a, c],
      [b, d],
    ],
    [
      [a, d],
      [b, c],
    ],
  ] as const) {
    const [left, right] = [multisets.rankWithout(one, -1), multisets.rankWithout(other, -1)];
    for (let at = starts[left] as number; at < (starts[left + 1] as number); at++) {
      for (let to = starts[right] as number; to < (starts[right + 1] as number); to++)
        marker.joins(values[at] as number, values[to] as number);
    }
  }
}

function tooLarge({ numbers, operands, targets }: ExactOptions): UserError {
  return new UserError(
    "exact-too-large",
    `the exact mode of Countdown takes up to ${mostNumbers} numbers and a bitmap of up to ${largestBytes / 2 ** 20} MiB, found ` +
      `puzzle.numbers ${numbers}, puzzle.operands [${operands.join(", ")}], puzzle.targets [${targets.join(", ")}]. ` +
      "Narrow these, or leave the exact mode off.",
  );
}
