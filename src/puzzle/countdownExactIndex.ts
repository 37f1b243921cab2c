// Questions to a bitmap of solvable pairs: is this one in it, how many are there for a target, which is the k-th of them.
import { UserError } from "../lib/errors.ts";
import { type ExactOptions, exactBytes } from "./countdownExactBitmap.ts";
import { Multisets } from "./countdownExactMultisets.ts";

// A count is kept for each block of 1024 bits: 1.5 MB for 48 MB, and at most 32 words are counted for an answer.
const blockWords = 32;

/** Number of ones of a 32-bit word. */
function ones(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** The solvable pairs of a space. Many may share the words of one bitmap, in several threads too. */
export class Solvable {
  readonly options: ExactOptions;
  readonly #words: Uint32Array;
  readonly #multisets: Multisets;
  readonly #wordsPerTarget: number;
  /** For each target and block, the pairs of the target in the blocks before it. */
  readonly #before: readonly Uint32Array[];
  readonly #counts: readonly number[];

  /** `words` as `enumerateSolvable(options)` gives them. Throws UserError("exact-words") when their number is another. */
  constructor(options: ExactOptions, words: Uint32Array) {
    if (words.byteLength !== exactBytes(options)) {
      throw new UserError(
        "exact-words",
        `a bitmap of ${words.byteLength} bytes was given, expected ${exactBytes(options)} for ${JSON.stringify(options)}. Make it anew.`,
      );
    }
    this.options = options;
    this.#words = words;
    this.#multisets = new Multisets(options.numbers, options.operands);
    const [low, high] = options.targets;
    this.#wordsPerTarget = words.length / (high - low + 1);
    const counts: number[] = [];
    this.#before = Array.from({ length: high - low + 1 }, (_, column) => {
      const before = new Uint32Array(Math.ceil(this.#wordsPerTarget / blockWords));
      let count = 0;
      const first = column * this.#wordsPerTarget;
      for (let word = 0; word < this.#wordsPerTarget; word++) {
        if (word % blockWords === 0) before[word / blockWords] = count;
        count += ones(words[first + word] as number);
      }
      counts.push(count);
      return before;
    });
    this.#counts = counts;
  }

  /** Whether all numbers together make the target. False for what lies outside the space. */
  has(numbers: readonly number[], target: number): boolean {
    const [low, high] = this.options.targets;
    if (numbers.length !== this.options.numbers || target < low || target > high) return false;
    const rank = this.#multisets.rank(numbers);
    const word = this.#words[(target - low) * this.#wordsPerTarget + (rank >>> 5)] as number;
    return rank >= 0 && ((word >>> (rank & 31)) & 1) === 1;
  }

  /** How many multisets of numbers make the target. */
  count(target: number): number {
    return this.#counts[target - this.options.targets[0]] ?? 0;
  }

  /** The `index`-th multiset that makes the target, from 0 to count(target) - 1; ascending. */
  select(target: number, index: number): number[] {
    const column = target - this.options.targets[0];
    const before = this.#before[column] as Uint32Array;
    let block = 0;
    for (let end = before.length; end - block > 1; ) {
      const middle = (block + end) >> 1;
      if ((before[middle] as number) <= index) block = middle;
      else end = middle;
    }
    const first = column * this.#wordsPerTarget;
    let rest = index - (before[block] as number);
    let place = block * blockWords;
    for (let here = ones(this.#words[first + place] as number); rest >= here; ) {
      rest -= here;
      place++;
      here = ones(this.#words[first + place] as number);
    }
    let word = this.#words[first + place] as number;
    for (; rest > 0; rest--) word &= word - 1;
    return this.#multisets.unrank(32 * place + 31 - Math.clz32(word & -word));
  }
}
