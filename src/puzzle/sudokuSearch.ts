// How a person solves a Sudoku: strategies as long as one helps, else a guess, taken back on a contradiction. Yields steps,
// never text and no tree: the solver makes events of them, the rating counts them.
import { digitsOf } from "./sudokuGeometry.ts";
import { SudokuMarks } from "./sudokuMarks.ts";
import { type StrategyName, strategies } from "./sudokuStrategies.ts";

/**
 * - place: a strategy found the digit of a cell
 * - strike: a strategy took marks off
 * - guess: `value` out of `candidates`, the marks of the first cell with the fewest, ascending
 * - contradiction: "nocand" when a cell is left without candidates (none was left, or all were tried), "invalid" when a
 *   unit could only be filled with two equal digits
 * - revert: the last guess that stands is taken back, with all that followed from it
 * - solved: the grid is full
 */
export type SudokuStep =
  | { readonly kind: "place"; readonly cell: number; readonly value: number; readonly strategy: StrategyName }
  | { readonly kind: "strike"; readonly strategy: StrategyName }
  | { readonly kind: "guess"; readonly cell: number; readonly value: number; readonly candidates: readonly number[] }
  | { readonly kind: "contradiction"; readonly reason: "nocand" | "invalid" }
  | { readonly kind: "revert" }
  | { readonly kind: "solved" };

/** A guess that stands: the board before it and which of its candidates was taken. */
interface Guess {
  readonly before: SudokuMarks;
  readonly cell: number;
  readonly candidates: readonly number[];
  taken: number;
}

/**
 * The steps that solve a grid with one solution. The strategies are tried in the order given, from the first one again
 * after each success; where none helps, the first cell with the fewest marks is guessed, its marks ascending. Ends with
 * `solved`, or, on a grid without solution, with a contradiction.
 */
export function* searchSudoku(grid: string, names: readonly StrategyName[]): Generator<SudokuStep, void> {
  let board = new SudokuMarks(grid);
  const guesses: Guess[] = [];
  for (;;) {
    for (let step = nextStep(board, names); step !== undefined; step = nextStep(board, names)) yield step;
    if (board.emptyCells === 0) return yield { kind: "solved" };
    const contradiction = board.contradiction;
    if (contradiction !== undefined) {
      yield { kind: "contradiction", reason: contradiction };
      // A guess without further candidates falls with its last one.
      for (let last = guesses.at(-1); last !== undefined && last.taken === last.candidates.length - 1; last = guesses.at(-1)) {
        yield { kind: "revert" };
        yield { kind: "contradiction", reason: "nocand" };
        guesses.pop();
      }
      const last = guesses.at(-1);
      if (last === undefined) return;
      yield { kind: "revert" };
      last.taken++;
    } else {
      const cell = board.fewest();
      guesses.push({ before: board, cell, candidates: digitsOf(board.marks[cell] as number), taken: 0 });
    }
    const guess = guesses.at(-1) as Guess;
    const value = guess.candidates[guess.taken] as number;
    yield { kind: "guess", cell: guess.cell, value, candidates: guess.candidates };
    board = guess.before.copy();
    board.place(guess.cell, value);
  }
}

/**
 * Applies the first strategy that helps. Undefined when none does, the grid is full, or a contradiction shows, which is
 * left on the board.
 */
function nextStep(board: SudokuMarks, names: readonly StrategyName[]): SudokuStep | undefined {
  if (board.contradiction !== undefined || board.emptyCells === 0) return undefined;
  for (const strategy of names) {
    const applied = strategies[strategy](board);
    if (applied === "nothing") continue;
    if (applied === "struck") return { kind: "strike", strategy };
    if (applied === "invalid") {
      board.contradiction = "invalid";
      return undefined;
    }
    board.place(applied.cell, applied.value);
    return { kind: "place", cell: applied.cell, value: applied.value, strategy };
  }
  return undefined;
}
