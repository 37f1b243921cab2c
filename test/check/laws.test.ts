// The laws of every puzzle x solver x format of the house, and that the checker finds what is broken.
import { describe, expect, it } from "vitest";
import { type CheckRequest, checkLaws } from "../../src/check/check.ts";
import type { LawResult } from "../../src/check/law.ts";
import { countdown } from "../../src/puzzle/countdown.ts";
import type { AnyPuzzle } from "../../src/puzzle/puzzle.ts";
import { allPuzzles } from "../../src/puzzle/registry.ts";
import type { AnyFormat } from "../../src/trace/format.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { formatsOf } from "../../src/trace/registry.ts";

/** Options small enough that every solver meets its goal sometimes and its budget sometimes. */
const sizes: Readonly<Record<string, readonly object[]>> = {
  countdown: [
    { numbers: 2 },
    { numbers: 3, operands: [1, 20], targets: [1, 40] },
    { numbers: 4, operands: [1, 9], targets: [1, 20] },
  ],
  sudoku: [{ size: 4, empty: [4, 10] }, { size: 6 }, { size: 9 }],
  graph: [{ nodes: 6, length: [1, 3] }, { nodes: 15 }],
  maze: [{ size: 4 }, { size: 6 }],
};

const broken = (results: readonly LawResult[]) => results.filter((result) => result.broken !== undefined);
const request = (puzzle: AnyPuzzle, options: object): CheckRequest => ({
  puzzle,
  formats: formatsOf(puzzle.name),
  options: { kind: puzzle.name, ...options },
  problems: 6,
  seed: 7,
  maxNodes: 150,
});

describe.each(allPuzzles().map((puzzle) => [puzzle.name, puzzle] as const))("%s", (name, puzzle) => {
  it.each(sizes[name] ?? [{}])("keeps every law with %o", (options) => {
    const results = checkLaws(request(puzzle, options));
    expect(broken(results)).toEqual([]);
    for (const format of formatsOf(name))
      expect(results.map(({ law }) => law).join()).toContain(`format ${format.name}: parse`);
    expect(results.every(({ checked }) => checked > 0)).toBe(true);
  });
});

describe("the checker", () => {
  const check = (puzzle: object, format: object = {}) =>
    broken(
      checkLaws({
        ...request({ ...(countdown as AnyPuzzle), ...puzzle }, { numbers: 3, operands: [1, 9], targets: [1, 20] }),
        formats: [{ ...(selfBacktracking as AnyFormat), ...format }],
      }),
    ).map(({ law }) => law);

  it.each<[string, object, object, RegExp]>([
    ["a generator with a clock of its own", { generate: neverTwice() }, {}, /equal streams give equal problems/],
    ["a key that changes", { canonicalKey: neverTwice() }, {}, /canonicalKey/],
    [
      "an action that apply refuses",
      { apply: () => ({ ok: false, violation: { kind: "rule", message: "no" } }) },
      {},
      /takes every action/,
    ],
    ["a reader that takes anything", { readProblem: (value: unknown) => value }, {}, /refuses what is no problem/],
    ["a heuristic below zero", { heuristics: { sum: { estimate: () => -1 } } }, {}, /heuristics\.sum/],
    [
      "a parser that throws",
      {},
      {
        parse: () => {
          throw new Error("no");
        },
      },
      /parse/,
    ],
    ["a parser that forgives", {}, { parse: () => ({ events: [], eventSpans: [], errors: [] }) }, /back to the letter/],
    ["a vocabulary with a hole", {}, { vocabulary: { pieces: ["1"], special: [] } }, /vocabulary/],
    ["a prompt that is not read", {}, { readPrompt: () => undefined }, /readPrompt/],
  ])("finds %s", (_what, puzzle, format, law) => {
    expect(check(puzzle, format).join("\n")).toMatch(law);
  });
});

/** A function that never answers twice the same. */
function neverTwice() {
  let calls = 0;
  return () =>
    calls++ % 2 === 0
      ? { puzzle: "countdown", numbers: [1, 2, calls], target: 6 }
      : { puzzle: "countdown", numbers: [1, calls, 3], target: 7 };
}
