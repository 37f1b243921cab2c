// Fast hashes of canonical keys: which split a problem belongs to, and whether it was there before. Not cryptographic.
import { murmurFinalizer } from "../lib/mix.ts";

/** The unsigned 32-bit words [high, low] of a text's 64-bit hash; other salts give unrelated hashes. */
export function keyHash(text: string, salt: number): readonly [high: number, low: number] {
  let a = 0x9e3779b9 ^ salt;
  let b = Math.imul(salt, 0x85ebca6b) ^ text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    a = lane(a, unit);
    b = otherLane(b, unit);
  }
  return joined(a, b);
}

/** The same of a text given as ASCII. */
export function keyHashOfBytes(ascii: Uint8Array, salt: number): readonly [high: number, low: number] {
  let a = 0x9e3779b9 ^ salt;
  let b = Math.imul(salt, 0x85ebca6b) ^ ascii.length;
  for (let index = 0; index < ascii.length; index++) {
    const unit = ascii[index] as number;
    a = lane(a, unit);
    b = otherLane(b, unit);
  }
  return joined(a, b);
}

function lane(word: number, unit: number): number {
  return Math.imul(((word << 13) | (word >>> 19)) ^ unit, 0xcc9e2d51);
}

function otherLane(word: number, unit: number): number {
  return Math.imul(((word << 17) | (word >>> 15)) ^ unit, 0x1b873593);
}

/** Every bit of either lane reaches both words. */
function joined(one: number, other: number): readonly [high: number, low: number] {
  const a = murmurFinalizer(one ^ murmurFinalizer(other));
  const b = murmurFinalizer(other + a);
  return [a >>> 0, b >>> 0];
}
