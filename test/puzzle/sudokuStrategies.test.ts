import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { sudoku } from "../../src/puzzle/sudoku.ts";
import { rateSudoku } from "../../src/puzzle/sudokuDifficulty.ts";
import { SudokuMarks } from "../../src/puzzle/sudokuMarks.ts";
import { sudokuSolution } from "../../src/puzzle/sudokuRules.ts";
import { searchSudoku } from "../../src/puzzle/sudokuSearch.ts";
import { type StrategyName, strategies, strategyNames } from "../../src/puzzle/sudokuStrategies.ts";
import { sudokuStrategies } from "../../src/solver/settings.ts";

const at = (row: number, column: number) => 9 * row + column;
const maskOf = (digits: string) => [...digits].reduce((mask, digit) => mask | (1 << (Number(digit) - 1)), 0);

/** An empty 9x9 board on which some cells hold only the marks given. */
function boardWith(marks: Readonly<Record<number, string>>): SudokuMarks {
  const board = new SudokuMarks(".".repeat(81));
  for (const [cell, digits] of Object.entries(marks)) board.marks[Number(cell)] = maskOf(digits);
  return board;
}

/** What a strategy takes off: cell -> digits. */
function struckBy(name: StrategyName, board: SudokuMarks): Record<number, string> {
  const before = board.marks.slice();
  expect(strategies[name](board)).toBe("struck");
  const struck: Record<number, string> = {};
  for (const [cell, mask] of before.entries()) {
    const gone = mask & ~(board.marks[cell] as number);
    if (gone !== 0) struck[cell] = [..."123456789"].filter((digit) => (gone & maskOf(digit)) !== 0).join("");
  }
  return struck;
}

const filled = (cells: readonly number[], digits: string) => Object.fromEntries(cells.map((cell) => [cell, digits]));

describe("each strategy by hand", () => {
  it("lone single: the first cell with one mark", () => {
    expect(strategies["lone-single"](boardWith({ [at(4, 4)]: "7", [at(2, 8)]: "5" }))).toEqual({ cell: at(2, 8), value: 5 });
    expect(strategies["lone-single"](boardWith({}))).toBe("nothing");
  });

  it("hidden single: the lowest digit with one place in a unit; invalid when it has none", () => {
    const others = [0, 1, 2, 4, 5, 6, 7, 8].map((column) => at(3, column));
    expect(strategies["hidden-single"](boardWith(filled(others, "1235789")))).toEqual({ cell: at(3, 3), value: 4 });
    expect(strategies["hidden-single"](boardWith(filled([...others, at(3, 3)], "12345789")))).toBe("invalid");
  });

  it("naked pair: two cells of a row with the same two marks", () => {
    const pair = boardWith({ [at(0, 1)]: "28", [at(0, 5)]: "28" });
    expect(struckBy("naked-pair", pair)).toEqual(filled([0, 2, 3, 4, 6, 7, 8], "28"));
    expect(strategies["naked-pair"](pair)).toBe("nothing");
  });

  it("naked triplet: three cells of a column with three digits, none of them with all three", () => {
    const triplet = boardWith({ [at(1, 6)]: "14", [at(4, 6)]: "49", [at(8, 6)]: "19" });
    expect(struckBy("naked-triplet", triplet)).toEqual(
      filled(
        [0, 2, 3, 5, 6, 7].map((row) => at(row, 6)),
        "149",
      ),
    );
  });

  it("locked candidate: a digit of a row that fits in one box only leaves the rest of the box", () => {
    const elsewhere = [3, 4, 5, 6, 7, 8].map((column) => at(0, column));
    expect(struckBy("locked-candidate", boardWith(filled(elsewhere, "12345789")))).toEqual(
      filled([at(1, 0), at(1, 1), at(1, 2), at(2, 0), at(2, 1), at(2, 2)], "6"),
    );
  });

  it("locked candidate: a digit of a box that fits in one column only leaves the rest of the column", () => {
    const elsewhere = [0, 1, 2].flatMap((row) => [at(row, 0), at(row, 2)]);
    expect(struckBy("locked-candidate", boardWith(filled(elsewhere, "12345789")))).toEqual(
      filled(
        [3, 4, 5, 6, 7, 8].map((row) => at(row, 1)),
        "6",
      ),
    );
  });

  it("XY-wing: the pivot 12 sees 13 and 23, so who sees both wings is not 3", () => {
    const wing = boardWith({ [at(0, 0)]: "12", [at(0, 4)]: "13", [at(5, 0)]: "23" });
    expect(struckBy("xy-wing", wing)).toEqual({ [at(5, 4)]: "3" });
    // Both wings with the pivot's 1: nothing follows.
    expect(strategies["xy-wing"](boardWith({ [at(0, 0)]: "12", [at(0, 4)]: "13", [at(5, 0)]: "13" }))).toBe("nothing");
  });

  it("unique rectangle: three corners 58 in two boxes forbid 58 in the fourth", () => {
    const corners = { [at(0, 1)]: "58", [at(0, 3)]: "58", [at(2, 1)]: "58", [at(2, 3)]: "3589" };
    expect(struckBy("unique-rectangle", boardWith(corners))).toEqual({ [at(2, 3)]: "58" });
    // In four boxes the digits could not be swapped.
    const apart = { [at(0, 1)]: "58", [at(0, 3)]: "58", [at(6, 1)]: "58", [at(6, 3)]: "3589" };
    expect(strategies["unique-rectangle"](boardWith(apart))).toBe("nothing");
    // With a fourth corner that lacks one of the digits there is no second solution.
    const lacking = { ...corners, [at(2, 3)]: "389" };
    expect(strategies["unique-rectangle"](boardWith(lacking))).toBe("nothing");
  });
});

describe("marks", () => {
  it("are what row, column and box leave, and say when a cell has none", () => {
    const board = new SudokuMarks("1234............");
    expect(board.marks[4]).toBe(maskOf("34"));
    expect(board.emptyCells).toBe(12);
    board.place(4, 3);
    expect(board.marks[5]).toBe(maskOf("4"));
    expect(board.contradiction).toBeUndefined();
    const copy = board.copy();
    copy.strike(5, maskOf("4"));
    expect(copy.contradiction).toBe("nocand");
    expect(board.marks[5]).toBe(maskOf("4"));
    expect(board.contradiction).toBeUndefined();
  });
});

describe("soundness", () => {
  const options = sudoku.readOptions({ kind: "sudoku", empty: [50, 58] });

  it("no strategy that is applied to a right board ever loses the solution", () => {
    const applied = new Set<string>();
    for (let seed = 0; seed < 120; seed++) {
      const problem = sudoku.generate(Rng.for(seed, "sound"), options);
      const solution = sudokuSolution(problem);
      const board = new SudokuMarks(problem.grid);
      // Hardest first, so that the rare ones are used wherever they can be.
      const names = strategyNames.toReversed();
      for (let index = 0; index < names.length && board.emptyCells > 0; ) {
        const name = names[index] as StrategyName;
        const result = strategies[name](board);
        expect(result).not.toBe("invalid");
        index = result === "nothing" ? index + 1 : 0;
        if (result !== "nothing") applied.add(name);
        if (typeof result !== "string") {
          expect(String(result.value)).toBe(solution[result.cell]);
          board.place(result.cell, result.value);
        }
        for (const [cell, mask] of board.marks.entries()) {
          if (board.digits[cell] === 0 && (mask & maskOf(solution[cell] as string)) === 0) expect.fail(`${name} lost ${cell}`);
        }
      }
    }
    expect([...applied].sort()).toEqual([...strategyNames].sort());
  });

  it("the search solves every puzzle with any strategies; without any it guesses more", () => {
    for (let seed = 0; seed < 20; seed++) {
      const problem = sudoku.generate(Rng.for(seed, "search"), options);
      const numGuesses = (names: readonly StrategyName[]) => {
        const steps = [...searchSudoku(problem.grid, names)];
        expect(steps.at(-1)).toEqual({ kind: "solved" });
        return steps.filter((step) => step.kind === "guess").length;
      };
      expect(numGuesses(strategyNames)).toBe(rateSudoku(problem.grid).guesses);
      expect(numGuesses([])).toBeGreaterThan(numGuesses(["lone-single"]));
    }
  });

  it("ends in a contradiction where there is no solution", () => {
    expect([...searchSudoku("123............4", [])].at(-1)?.kind).toBe("contradiction");
    expect([...searchSudoku("123............4", strategyNames)].at(-1)?.kind).toBe("contradiction");
  });
});

describe("rating", () => {
  it("knows no strategy for a full grid, and level 1 where lone singles are enough", () => {
    expect(rateSudoku("1234341221434321")).toEqual({ guesses: 0, level: 0 });
    expect(rateSudoku("......13..3..2..")).toEqual({ guesses: 0, level: 1 });
  });

  it("needs guesses for a puzzle that was made to resist", () => {
    // Arto Inkala's puzzle of 2012.
    const { guesses, level } = rateSudoku("8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4..");
    expect(guesses).toBeGreaterThan(5);
    expect(level).toBeGreaterThan(2);
  });

  it("lists the strategies that the solver's settings know, in the same order", () => {
    expect(strategyNames).toEqual(sudokuStrategies);
  });
});
