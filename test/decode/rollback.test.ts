import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rollBack } from "../../src/decode/rollback.ts";

const marks = { backtrack: "<back>", stepDelimiter: "\n" };
/** Ends of tokens given as texts. */
const endsOf = (tokens: readonly string[]) => {
  let end = 0;
  return tokens.map((token) => {
    end += token.length;
    return end;
  });
};
const cut = (tokens: readonly string[], steps = 1) => rollBack(tokens.join(""), endsOf(tokens), marks, steps);

describe("rollBack", () => {
  test("takes the last line and the mark away, at the token that ends the line before", () => {
    expect(cut(["1", "+", "2", "\n", "3", "\n", "<back>"])).toEqual({ tokens: 4, text: "1+2\n" });
  });

  test("several steps", () => {
    expect(cut(["a", "\n", "b", "\n", "c", "\n", "<back>"], 2)).toEqual({ tokens: 2, text: "a\n" });
  });

  test("never into the prompt: one step, no step, more steps asked than there are", () => {
    expect(cut(["a", "\n", "<back>"])).toEqual({ tokens: 0, text: "" });
    expect(cut(["<back>"])).toEqual({ tokens: 0, text: "" });
    expect(cut(["a", "\n", "b", "\n", "<back>"], 5)).toEqual({ tokens: 0, text: "" });
  });

  test("an unfinished line before the mark is a step", () => {
    expect(cut(["a", "\n", "b", "<back>"])).toEqual({ tokens: 2, text: "a\n" });
  });

  test("where a token spans the delimiter, the cut is at the boundary before it", () => {
    expect(cut(["a", "\nb", "\n", "<back>"])).toEqual({ tokens: 1, text: "a" });
    expect(cut(["a\nb", "\n", "<back>"])).toEqual({ tokens: 0, text: "" });
  });

  test("tokens that end inside the next character are not kept", () => {
    // The character after the newline is two tokens, the first of which ends before it.
    expect(rollBack("a\nü\n<back>", [1, 2, 2, 3, 4, 10], marks, 1)).toEqual({ tokens: 2, text: "a\n" });
  });

  test("for any tokens: kept text is a prefix at a token boundary, no longer than the steps allow", () => {
    const piece = fc.constantFrom("a", "b\n", "\n", "c\nd", "\n\n");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.integer({ min: 1, max: 4 }), (body, steps) => {
        const tokens = [...body, "<back>"];
        const kept = cut(tokens, steps);
        expect(kept.text).toBe(tokens.slice(0, kept.tokens).join(""));
        const lines = body
          .join("")
          .split(/(?<=\n)/)
          .filter((line) => line !== "");
        const allowed = lines.slice(0, Math.max(0, lines.length - steps)).join("");
        expect(allowed.startsWith(kept.text)).toBe(true);
        // No later boundary would do.
        expect(kept.tokens === body.length || `${kept.text}${tokens[kept.tokens]}`.length > allowed.length).toBe(true);
      }),
    );
  });
});
