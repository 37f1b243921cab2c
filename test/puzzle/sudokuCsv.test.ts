import { describe, expect, it } from "vitest";
import { ratedSudokuHeader, readRatedSudoku } from "../../src/puzzle/sudokuCsv.ts";

const puzzle = "1..5.37..6.3..8.9......98...1.......8761..........6...........7.8.9.76.47...6.312";
const solution = "198543726643278591527619843914735268876192435235486179462351987381927654759864312";
const line = `1,${puzzle},${solution},27,2.2`;

describe("readRatedSudoku", () => {
  it("reads a line of the set", () => {
    expect(readRatedSudoku(line)).toEqual({ id: 1, problem: { puzzle: "sudoku", grid: puzzle }, solution, rating: 2.2 });
    expect(readRatedSudoku(`${line}\r`)).toMatchObject({ rating: 2.2 });
    expect(readRatedSudoku(line.replace(/2\.2$/, "0"))).toMatchObject({ rating: 0 });
  });

  it.each([
    ["the header", ratedSudokuHeader, /^id: expected a whole number, found "id"/],
    ["an empty line", "", /^1 fields, expected 5/],
    ["a field too many", `${line},x`, /^6 fields, expected 5/],
    ["another difficulty", line.replace(/2\.2$/, "easy"), /^difficulty: expected a number such as 2\.2, found "easy"/],
    ["a puzzle cut off", `1,${puzzle.slice(1)},${solution},27,2.2`, /^puzzle: expected 81 characters, found 80/],
    ["a clash", `1,11${puzzle.slice(2)},${solution},28,2.2`, /^puzzle: sudoku problem: "grid": \(0, 0\) = 1: \(0, 1\)/],
    ["several solutions", `1,${puzzle.slice(0, 72)}.........,${solution},22,2.2`, /^puzzle: .*several solutions/],
    ["a wrong number of clues", line.replace(",27,", ",26,"), /^clues: the puzzle has 27, the field says "26"/],
    ["a foreign solution", `1,${puzzle},${solution.slice(0, 80)}3,27,2.2`, /^solution: expected 198543726.*312, found "1985/],
  ])("says what is wrong with %s", (_name, text, message) => {
    expect(readRatedSudoku(text)).toEqual({ error: expect.stringMatching(message) });
  });
});
