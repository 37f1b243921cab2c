// The order in which the exact mode goes through its space: a keyed permutation whose parameters are part of what a set is.
import { keyedPermutation } from "../lib/permutation.ts";
import { Rng, type Seed } from "../lib/rng.ts";

// Four rounds would do for large halves; twice as many, because these are small.
const numRounds = 8;
// Halves of one or two bits would leave a bias that a test sees; a small range walks a little longer instead.
const fewestBits = 6;

function mixed(half: number, key: number): number {
  let x = Math.imul(half ^ key, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b);
  return x ^ (x >>> 13);
}

/** A bijection of 0 .. size - 1 (size from 1 to 2^32) chosen by the key; about 50 ns a call. */
export function exactPermutation(size: number, key: Seed): (index: number) => number {
  const rng = new Rng(key);
  const keys = Int32Array.from({ length: numRounds }, () => rng.uint32() | 0);
  const bits = Math.max(fewestBits, Math.ceil(Math.log2(size)));
  const lowBits = bits >> 1;
  return keyedPermutation(size, { lowBits, highBits: bits - lowBits, keys, mixed });
}
