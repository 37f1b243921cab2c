import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { editDistance, nearest, quote } from "../../src/lib/text.ts";

describe("editDistance", () => {
  it.each([
    ["", "", 0],
    ["abc", "", 3],
    ["kitten", "sitting", 3],
    ["form", "from", 1],
    ["countdown", "coutndown", 1],
    ["ca", "abc", 3],
  ])("%s to %s is %i", (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  it("is symmetric, and zero for equal words alone", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });
});

describe("nearest", () => {
  it("offers the word that was meant", () => {
    expect(nearest("learningrate", ["epochs", "learningRate", "schedule"])).toBe("learningRate");
    expect(nearest("coutndown", ["sudoku", "countdown"])).toBe("countdown");
    expect(nearest("seeds", ["speed", "seed"])).toBe("seed");
  });

  it("offers nothing when no word is near", () => {
    expect(nearest("maze", ["countdown", "sudoku"])).toBeUndefined();
    expect(nearest("x", [])).toBeUndefined();
  });
});

describe("quote", () => {
  it("escapes control characters and cuts long texts", () => {
    expect(quote("a\nb")).toBe('"a\\nb"');
    expect(quote("abcdef", 3)).toBe('"abc..."');
  });
});
