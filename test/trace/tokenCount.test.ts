import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { countTokens, lengthOfTokens, uncoveredAt } from "../../src/trace/tokenCount.ts";

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

describe("a token budget", () => {
  const vocabulary = { pieces: ["a", "ab", "abc", "1", "12"], special: ["<ab"] };
  it.each([
    ["abcab12", 3, 7],
    ["abcab12", 2, 5],
    ["abcab12", 0, 0],
    ["<abc12", 1, 3],
    ["<abc12", 2, 4],
    ["?\u{1f600}a", 1, 1],
    // A character is never cut in two.
    ["?\u{1f600}a", 2, 3],
    ["", 5, 0],
  ])("of %s: %i tokens take %i characters", (text, tokens, length) => {
    expect(lengthOfTokens(vocabulary, text, tokens)).toBe(length);
  });

  it("takes as many tokens as are counted in what it takes", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "ab", "c", "1", "2", "<", "<ab")), fc.nat(12), (parts, budget) => {
        const text = parts.join("");
        const length = lengthOfTokens(vocabulary, text, budget);
        const all = countTokens(vocabulary, text);
        expect(length < text.length).toBe(all > budget);
        expect(countTokens(vocabulary, text.slice(0, length))).toBe(Math.min(all, budget));
      }),
    );
  });
});

describe("what no piece covers", () => {
  const vocabulary = { pieces: ["a", "ab", "<"], special: ["<b>"] };
  it.each([
    ["", undefined],
    ["ab<b>a<", undefined],
    ["abb", 2],
    ["<b>?<b>", 3],
    ["x", 0],
  ])("%j: at %s", (text, at) => {
    expect(uncoveredAt(vocabulary, text)).toBe(at);
  });
});
