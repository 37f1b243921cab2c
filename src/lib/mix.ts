// Bijections of 32 bits that mix well: what hashes, seeds and permutations are built of. Signed results, which engines keep
// as small integers; `>>> 0` makes them unsigned. Not cryptographic.

/** The constants of "lowbias32" (C. Wellons): good avalanche. Takes any number that ToInt32 does. */
export function lowbias32(value: number): number {
  let x = value ^ (value >>> 16);
  x = Math.imul(x, 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x ^ (x >>> 15);
}

/** The finalizer of MurmurHash3 (A. Appleby): every input bit reaches every output bit. */
export function murmurFinalizer(value: number): number {
  let x = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
