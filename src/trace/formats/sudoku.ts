// The text of a Sudoku search (after arXiv 2504.07052): digits filled in, guesses with their candidates, contradictions,
// guesses taken back. Knows the grammar and no rule of the puzzle.
import type { SudokuAction, SudokuProblem } from "../../puzzle/sudokuRules.ts";
import type { SearchEvent, Trace } from "../../solver/events.ts";
import type { Format, Parsed, Rendered, Span, SyntaxError as TextError } from "../format.ts";
import {
  afterEnd,
  cellAt,
  cellText,
  deadEnds,
  lineError,
  placement,
  placementPattern,
  solvedMark,
  sudokuFormat,
  words,
} from "./sudokuText.ts";
import { Way, walk } from "./sudokuWalk.ts";

type Event = SearchEvent<SudokuAction>;

/** `(0, 1) = 4`, or `guess: (0, 1) [4, 7] = 4`. */
function fillText(problem: SudokuProblem, action: SudokuAction): string {
  const { cell, value, candidates } = action;
  if (candidates === undefined) return placement(problem, action);
  return words.guess + cellText(problem, cell) + words.list + candidates.join(words.comma) + words.chosen + value;
}

/** The span of a `generate` is its line, that of the `visit` after it is the line's newline: spans tile the text. */
function render(problem: SudokuProblem, trace: Trace<SudokuAction>): Rendered {
  let text = "";
  const eventSpans: Span[] = [];
  const way = new Way();
  for (const event of walk(trace)) {
    const from = text.length;
    if (event.kind === "generate") {
      text += fillText(problem, event.action);
      way.down(event.node, event.action);
    } else if (event.kind === "visit") text += "\n";
    else if (event.kind === "deadEnd") text += `${event.reason}\n`;
    else if (event.kind === "backtrack") {
      text += `${words.revert}${placement(problem, way.backTo(event.to)[0] as SudokuAction)}\n`;
    } else text += solvedMark;
    eventSpans.push([from, text.length]);
  }
  return { text, eventSpans };
}

const guessPattern = placementPattern.replace(" = ", " \\[([1-9](?:, [1-9]){0,8})\\] = ");
const fillPattern = new RegExp(`(?:${placementPattern}|guess: ${guessPattern})\n`, "y");
const revertPattern = new RegExp(`revert: ${placementPattern}\n`, "y");
const deadEndPattern = new RegExp(`(${deadEnds.join("|")})\n`, "y");

const shapes = [
  ...deadEnds,
  solvedMark,
  "(d, d) = d",
  "revert: (d, d) = d",
  ...Array.from({ length: 9 }, (_, more) => `guess: (d, d) [d${", d".repeat(more)}] = d`),
];
const expected = `a line such as "(0, 1) = 4", "guess: (0, 1) [4, 7] = 4", "nocand", "invalid" or "revert: (0, 1) = 4", or ${solvedMark}`;

/** One number for a digit in a cell. */
const placeOf = ({ cell, value }: SudokuAction) => cell * 10 + value;

/** Reads a text line by line; where it stands is in `way`. */
class Reader {
  readonly events: Event[] = [];
  readonly eventSpans: Span[] = [];
  readonly errors: TextError[] = [];
  readonly #problem: SudokuProblem;
  readonly #text: string;
  readonly #way = new Way();
  /** By cell and digit: the depths at which it stands on the way, since a text may fill in the same one over and over. */
  readonly #filledAt: number[][] = [];
  #at = 0;
  #nodes = 0;

  constructor(problem: SudokuProblem, text: string) {
    this.#problem = problem;
    this.#text = text;
  }

  read(): Parsed<SudokuAction> {
    while (this.#at < this.#text.length) {
      if (this.#text.startsWith(solvedMark, this.#at)) {
        this.#add({ kind: "goal", node: this.#way.node }, this.#at + solvedMark.length);
        this.errors.push(...afterEnd(this.#text, this.#at));
        break;
      }
      if (this.#fill() || this.#deadEnd() || this.#revert()) continue;
      this.errors.push(lineError(this.#text, this.#at, shapes, expected));
      break;
    }
    return { events: this.events, eventSpans: this.eventSpans, errors: this.errors };
  }

  #add(event: Event, to: number): void {
    this.events.push(event);
    this.eventSpans.push([this.#at, to]);
    this.#at = to;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text);
  }

  #fill(): boolean {
    const match = this.#match(fillPattern);
    if (match === null) return false;
    const [, row, column, digit, guessRow, guessColumn, list, guessDigit] = match;
    const cell = cellAt(this.#problem, (row ?? guessRow) as string, (column ?? guessColumn) as string);
    if (cell === undefined) return false;
    const value = Number(digit ?? guessDigit);
    const action = list === undefined ? { cell, value } : { cell, value, candidates: list.split(words.comma).map(Number) };
    const end = this.#at + match[0].length;
    const node = ++this.#nodes;
    this.#add({ kind: "generate", node, parent: this.#way.node, action }, end - 1);
    this.#add({ kind: "visit", node }, end);
    const place = placeOf(action);
    this.#filledAt[place] ??= [];
    this.#filledAt[place].push(this.#way.depth);
    this.#way.down(node, action);
    return true;
  }

  #deadEnd(): boolean {
    const match = this.#match(deadEndPattern);
    if (match === null) return false;
    this.#add({ kind: "deadEnd", node: this.#way.node, reason: match[1] as string }, this.#at + match[0].length);
    return true;
  }

  /** To the node before the digit was filled in. A digit that does not stand on the way is an error, and the search stays where it is. */
  #revert(): boolean {
    const match = this.#match(revertPattern);
    if (match === null) return false;
    const cell = cellAt(this.#problem, match[1] as string, match[2] as string);
    if (cell === undefined) return false;
    const action = { cell, value: Number(match[3]) };
    const depth = this.#filledAt[placeOf(action)]?.at(-1);
    const end = this.#at + match[0].length;
    if (depth === undefined) {
      const message = `${placement(this.#problem, action)} is taken back, but was not filled in on the way to this point`;
      this.errors.push({ kind: "jump", span: [this.#at, end], message });
      this.#at = end;
      return true;
    }
    const to = this.#way.nodeAt(depth);
    this.#add({ kind: "backtrack", from: this.#way.node, to }, end);
    for (const taken of this.#way.backTo(to)) this.#filledAt[placeOf(taken)]?.pop();
    return true;
  }
}

/**
 * Format `sudoku`. A guess names its candidates; `nocand` and `invalid` declare the state hopeless; `revert` names the digit that is
 * taken back, with all that was filled in after it: the last guess in a solver's text, any digit of the way in a model's.
 */
export const sudokuTrace: Format<SudokuProblem, SudokuAction> = {
  ...sudokuFormat,
  name: "sudoku",
  discipline: { assertsDeadEnds: true },
  project: (_problem, trace) => walk(trace),
  render,
  parse: (problem, text) => new Reader(problem, text).read(),
};
