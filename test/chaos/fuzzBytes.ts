// msgpack written by hand, so that it can be wrong: any key, any bytes in the place of a value. Sealed, or not, by the caller.
import { Packr } from "msgpackr";
import type { Rng } from "../../src/lib/rng.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true, moreTypes: false });

/** Bytes to stand where a value belongs. */
export class RawValue {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

export type Header = Readonly<Record<string, unknown>>;

function packed(value: unknown): Buffer {
  return value instanceof RawValue ? value.bytes : Buffer.from(packr.pack(value));
}

/** A msgpack map of at most 15 entries, in their order; a key may come twice and have any name. */
export function packMap(entries: readonly (readonly [key: unknown, value: unknown])[]): Buffer {
  const parts = entries.flatMap(([key, value]) => [packed(key), packed(value)]);
  return Buffer.concat([Buffer.from([0x80 | entries.length]), ...parts]);
}

export function packHeader(header: Header): Buffer {
  return packMap(Object.entries(header));
}

export function randomBytes(rng: Rng, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = rng.below(256);
  return bytes;
}

/** The bytes with one bit of them flipped. */
export function withFlippedBit(bytes: Buffer, rng: Rng): Buffer {
  const bit = rng.below(8 * bytes.length);
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return copy;
}

/** Lists in lists; 100,000 are deeper than the stack of either side. */
export function nested(depth: number): RawValue {
  return new RawValue(Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]));
}

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

/** None of them is a text, a number, a truth value or a list of the protocol. */
const strange: readonly Buffer[] = [
  hex("c1"), // never used
  hex("dd ffffffff"), // an array of 4 G elements, none there
  hex("df ffffffff"), // a map of so many
  hex("db 7fffffff 61"), // a text of 2 GiB, one byte there
  hex("c6 7fffffff 00"), // bytes likewise
  hex("c9 7fffffff 72"), // an extension likewise
  hex("d4 72 40 92 a1 61 a1 62 01 02"), // msgpackr: defines a record for 0x40 and uses it
  hex("d6 69 00000001 91 01"), // msgpackr: an object with an identity
  hex("d6 70 00000007"), // msgpackr: a reference to an object that is not there
  hex("d4 65 00 93 a4 6576616c a4 312b31 3b c0"), // msgpackr: an error named eval
  hex("d6 62 7fffffff"), // msgpackr: bundled strings, far behind the end
  hex("d6 62 00000002 a1 61 a1 62"), // msgpackr: bundled strings
  hex("d4 73 00 92 01 02"), // msgpackr: a Set
  hex("d4 78 00 92 a5 28612b292b a1 67"), // msgpackr: a RegExp
  hex("d5 74 08 01"), // msgpackr: a typed array
  hex("c7 09 42 ff 0000000000000001"), // msgpackr: a big integer
  hex("d6 ff 5f000000"), // a time
  hex("c4 03 010203"), // bytes
];

/** A value of no use to any field. */
export function strangeValue(rng: Rng): RawValue {
  return new RawValue(rng.pick(strange));
}
