// The Sudoku traces of arXiv 2504.07052 (sudoku/solver.py of its repository) as events. Knows that text and no rule of the puzzle.
import { UserError } from "../lib/errors.ts";
import { quote } from "../lib/text.ts";
import type { SudokuAction } from "../puzzle/sudokuRules.ts";
import type { NodeId, SearchEvent } from "../solver/events.ts";

type Event = SearchEvent<SudokuAction, string>;

const cellPattern = "\\(([0-8]), ([0-8])\\)";
const linePattern = new RegExp(
  `^(?:(invalid|nocand: ${cellPattern})|(revert: ${cellPattern} \\[[1-9, ]*\\] = \\w+)|(guess: )?${cellPattern} (?:\\[([1-9, ]*)\\] )?= ([1-9]))$`,
);

/**
 * The search that a published text tells. A guess is followed by the line of its digit, which says nothing new; the cell of
 * a contradiction is told once more on the way back; a revert takes back the last guess; a text that ends has found the
 * solution. Wrong digits stay as they are: judging is the grader's. Throws UserError("record") at a line that is none of these.
 */
export function sudokuEvents(text: string): Event[] {
  const events: Event[] = [];
  const guesses: NodeId[] = [];
  let here: NodeId = 0;
  let nodes = 0;
  let guessed = "";
  for (const [index, line] of text
    .trim()
    .split(/\s*\n\s*/)
    .entries()) {
    const match = linePattern.exec(line.trim());
    if (match === null)
      throw new UserError(
        "record",
        `line ${index + 1} of the trace: expected a digit filled in, guess, nocand, invalid or revert; found ${quote(line)}`,
      );
    const [, contradiction, , , revert, , , guess, row, column, candidates, digit] = match;
    if (contradiction !== undefined) {
      const reason = contradiction === "invalid" ? "invalid" : "nocand";
      if (events.at(-1)?.kind !== "deadEnd") events.push({ kind: "deadEnd", node: here, reason });
      continue;
    }
    if (revert !== undefined) {
      const to = guesses.pop();
      if (to === undefined)
        throw new UserError("record", `line ${index + 1} of the trace: there is no guess left to take back`);
      events.push({ kind: "backtrack", from: here, to });
      here = to;
      continue;
    }
    const cell = Number(row) * 9 + Number(column);
    const fill = `${cell}=${digit}`;
    if (guess === undefined && fill === guessed) {
      guessed = "";
      continue;
    }
    guessed = guess === undefined ? "" : fill;
    if (guess !== undefined) guesses.push(here);
    const listed = guess === undefined ? {} : { candidates: (candidates ?? "").split(",").map(Number) };
    const node = ++nodes;
    events.push(
      { kind: "generate", node, parent: here, action: { cell, value: Number(digit), ...listed } },
      { kind: "visit", node },
    );
    here = node;
  }
  return [...events, { kind: "goal", node: here }];
}
