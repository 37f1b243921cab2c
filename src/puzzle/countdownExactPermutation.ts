// A keyed permutation of 0 .. size - 1 with random access: sampling without repeats and without memory. Knows no puzzle.
import { Rng, type Seed } from "../lib/rng.ts";

// Four rounds give a pseudorandom permutation (Luby and Rackoff); twice as many, because the halves are small.
const numRounds = 8;
// Halves of one or two bits would leave a bias that a test sees; a small range walks a little longer instead.
const fewestBits = 6;

/** The round function: 32 well mixed bits of a half and a key. */
function mixed(half: number, key: number): number {
  let x = Math.imul(half ^ key, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b);
  return x ^ (x >>> 13);
}

/**
 * A bijection of 0 .. size - 1 (size from 1 to 2^32) chosen by the key; about 50 ns a call. A Feistel network whose halves
 * may differ by a bit, on the smallest power of two (from 64 up) that holds the range; what falls outside is sent through
 * again until it falls inside ("cycle walking": fewer than two passes on average for more than 32).
 */
export function keyedPermutation(size: number, key: Seed): (index: number) => number {
  const rng = new Rng(key);
  const keys = Int32Array.from({ length: numRounds }, () => rng.uint32() | 0);
  const bits = Math.max(fewestBits, Math.ceil(Math.log2(size)));
  const lowBits = bits >> 1;
  const lowSize = 2 ** lowBits;
  const lowMask = lowSize - 1;
  const highMask = 2 ** (bits - lowBits) - 1;
  return (index) => {
    let value = index;
    do {
      let low = value & lowMask;
      let high = Math.floor(value / lowSize);
      for (let round = 0; round < numRounds; round += 2) {
        high ^= mixed(low, keys[round] as number) & highMask;
        low ^= mixed(high, keys[round + 1] as number) & lowMask;
      }
      value = high * lowSize + low;
    } while (value >= size);
    return value;
  };
}
