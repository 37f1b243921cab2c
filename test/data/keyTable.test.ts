// Hashes of keys and the table of those that were there.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyHash, keyHashOfBytes } from "../../src/data/keyHash.ts";
import { KeyTable } from "../../src/data/keyTable.ts";

describe("KeyTable", () => {
  const word = fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 0xffffffff }));

  it("is a set of pairs of words, zeros included", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word), { maxLength: 200 }), (pairs) => {
        const table = new KeyTable();
        const known = new Set<string>();
        for (const [high, low] of pairs) {
          expect(table.add(high, low)).toBe(!known.has(`${high},${low}`));
          known.add(`${high},${low}`);
        }
      }),
    );
  });

  it("keeps everything when it grows", () => {
    const table = new KeyTable();
    const hashes = Array.from({ length: 50_000 }, (_, index) => keyHash(`countdown:${index}`, 0));
    expect(hashes.every(([high, low]) => table.add(high, low))).toBe(true);
    expect(hashes.some(([high, low]) => table.add(high, low))).toBe(false);
  });
});

describe("keyHash", () => {
  const texts = Array.from({ length: 20_000 }, (_, index) => `toy:${index}`);

  it("spreads near texts evenly over every byte, whatever the salt", () => {
    for (const salt of [0, 1, 0x5e7a11]) {
      for (const word of [0, 1] as const) {
        for (const shift of [0, 8, 16, 24]) {
          const counts = new Array<number>(256).fill(0);
          for (const text of texts) {
            const byte = (keyHash(text, salt)[word] >>> shift) & 255;
            counts[byte] = (counts[byte] as number) + 1;
          }
          const mean = texts.length / 256;
          const chiSquare = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
          // 255 degrees of freedom: mean 255, standard deviation 22.6; five of them.
          expect(Math.abs(chiSquare - 255)).toBeLessThan(113);
        }
      }
    }
  });

  it("tells apart what differs in one character, in order or in length, and salts", () => {
    const similar = ["", "a", "b", "ab", "ba", "aa", "aaa", "aaaa", "\u0000", "\u0000\u0000", "\u0100", "\u0001"];
    const hashes = similar.flatMap((text) => [0, 1, 2].map((salt) => keyHash(text, salt).join()));
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it("is the same of a text and of its bytes", () => {
    const ascii = fc.array(fc.integer({ min: 0, max: 127 }), { maxLength: 40 });
    fc.assert(
      fc.property(ascii, fc.nat(), (codes, salt) => {
        expect(keyHashOfBytes(Uint8Array.from(codes), salt)).toEqual(keyHash(String.fromCharCode(...codes), salt));
      }),
    );
  });
});
