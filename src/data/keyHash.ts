// Fast hashes of canonical keys: which split a problem belongs to, and whether it was there before. Not cryptographic.

/** The unsigned 32-bit words [high, low] of a text's 64-bit hash; other salts give unrelated hashes. */
export function keyHash(text: string, salt: number): readonly [high: number, low: number] {
  let a = 0x9e3779b9 ^ salt;
  let b = Math.imul(salt, 0x85ebca6b) ^ text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    a = Math.imul(((a << 13) | (a >>> 19)) ^ unit, 0xcc9e2d51);
    b = Math.imul(((b << 17) | (b >>> 15)) ^ unit, 0x1b873593);
  }
  // Every bit of either lane reaches both words.
  a = finished(a ^ finished(b));
  b = finished(b + a);
  return [a >>> 0, b >>> 0];
}

/** The finalizer of MurmurHash3 (A. Appleby): a bijection of 32 bits. */
function finished(value: number): number {
  let x = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
