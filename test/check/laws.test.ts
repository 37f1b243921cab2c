// The laws of every puzzle x solver x format of the house.
import { describe, expect, it } from "vitest";
import { type CheckRequest, checkLaws } from "../../src/check/check.ts";
import type { LawResult } from "../../src/check/law.ts";
import type { AnyPuzzle } from "../../src/puzzle/puzzle.ts";
import { allPuzzles } from "../../src/puzzle/registry.ts";
import { formatsOf } from "../../src/trace/registry.ts";

/** Options small enough that every solver meets its goal sometimes and its budget sometimes. */
const sizes: Readonly<Record<string, readonly object[]>> = {
  countdown: [
    { numbers: 2 },
    { numbers: 3, operands: [1, 20], targets: [1, 40] },
    { numbers: 4, operands: [1, 9], targets: [1, 20] },
  ],
  sudoku: [{ size: 4, empty: [4, 10] }, { size: 6 }, { size: 9 }],
  graph: [{ nodes: 6, edges: 9, length: [1, 3] }, { nodes: 15 }, { family: "layered" }, { family: "star" }],
  maze: [{ size: 4 }, { size: 6 }, { size: 10 }],
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
