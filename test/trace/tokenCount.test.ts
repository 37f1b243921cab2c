import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { countTokens } from "../../src/trace/tokenCount.ts";

describe("countTokens", () => {
  const vocabulary = { pieces: ["a", "ab", "abc", "c", "<"], special: ["<b>", "<b>!"] };
  it.each([
    ["", 0],
    ["abc", 1],
    ["abab", 2],
    // Longest first and never back: ab, then d alone.
    ["abd", 2],
    // One character beyond 16 bits is one token.
    ["a😀c", 3],
    ["<b>", 1],
    ["<b>!", 1],
    // A special mark is cut out wherever it stands.
    ["a<b>c", 3],
    ["<b", 2],
  ])("%j is %i tokens", (text, count) => {
    expect(countTokens(vocabulary, text)).toBe(count);
  });

  it("counts a worked example: digits one by one, the goal mark whole", () => {
    expect(countTokens(selfBacktracking.vocabulary, "45-39=6\n<backtrack>Goal Reached!")).toBe(8 + 1 + 1);
  });

  it("is the number of matches of the tokenizer's own pattern", () => {
    const { pieces, special } = selfBacktracking.vocabulary;
    const longestFirst = [...special, ...pieces].sort((a, b) => b.length - a.length);
    const pattern = new RegExp([...longestFirst.map((piece) => piece.replace(/[^\w\s]/g, "\\$&")), "[^]"].join("|"), "g");
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces, ...special, "x", "Goal", "<"), { maxLength: 20 }), (parts) => {
        const text = parts.join("");
        expect(countTokens(selfBacktracking.vocabulary, text)).toBe(text.match(pattern)?.length ?? 0);
      }),
    );
  });
});
