// The direct text of a Sudoku solution (after arXiv 2504.07052): the digits that stand in the end, in the order in which the
// search filled them in; no guesses, no contradictions. Knows the grammar and no rule of the puzzle.
import type { SudokuAction, SudokuProblem } from "../../puzzle/sudokuRules.ts";
import type { SearchEvent, Trace } from "../../solver/events.ts";
import type { Format, Parsed, Rendered, Span } from "../format.ts";
import { afterEnd, cellAt, lineError, placement, placementPattern, solvedMark, sudokuFormat } from "./sudokuText.ts";
import { Way, walk } from "./sudokuWalk.ts";

type Event = SearchEvent<SudokuAction>;

/** The way to the first goal, or to where the search stood at the end; nodes numbered anew, candidates left out. */
function project(_problem: SudokuProblem, trace: Trace<SudokuAction>): Event[] {
  const way = new Way();
  const walked = walk(trace);
  for (const event of walked) {
    if (event.kind === "generate") way.down(event.node, event.action);
    else if (event.kind === "backtrack") way.backTo(event.to);
  }
  const events = way.actions.flatMap(({ cell, value }, index): Event[] => [
    { kind: "generate", node: index + 1, parent: index, action: { cell, value } },
    { kind: "visit", node: index + 1 },
  ]);
  if (walked.at(-1)?.kind === "goal") events.push({ kind: "goal", node: way.actions.length });
  return events;
}

/** The span of a `generate` is its line, that of the `visit` after it is the line's newline: spans tile the text. */
function render(problem: SudokuProblem, trace: Trace<SudokuAction>): Rendered {
  let text = "";
  const eventSpans: Span[] = [];
  for (const event of project(problem, trace)) {
    const from = text.length;
    if (event.kind === "generate") text += placement(problem, event.action);
    else text += event.kind === "visit" ? "\n" : solvedMark;
    eventSpans.push([from, text.length]);
  }
  return { text, eventSpans };
}

const linePattern = new RegExp(`${placementPattern}\n`, "y");
const shapes = ["(d, d) = d", solvedMark];
const expected = `a line such as "(0, 1) = 4", or ${solvedMark}`;

function parse(problem: SudokuProblem, text: string): Parsed<SudokuAction> {
  const events: Event[] = [];
  const eventSpans: Span[] = [];
  let node = 0;
  for (let at = 0; at < text.length; at = linePattern.lastIndex) {
    if (text.startsWith(solvedMark, at)) {
      events.push({ kind: "goal", node });
      eventSpans.push([at, at + solvedMark.length]);
      return { events, eventSpans, errors: afterEnd(text, at + solvedMark.length) };
    }
    linePattern.lastIndex = at;
    const match = linePattern.exec(text);
    const cell = match === null ? undefined : cellAt(problem, match[1] as string, match[2] as string);
    if (match === null || cell === undefined) return { events, eventSpans, errors: [lineError(text, at, shapes, expected)] };
    const end = linePattern.lastIndex;
    events.push({ kind: "generate", node: node + 1, parent: node, action: { cell, value: Number(match[3]) } });
    events.push({ kind: "visit", node: ++node });
    eventSpans.push([at, end - 1], [end - 1, end]);
  }
  return { events, eventSpans, errors: [] };
}

/** Format `sudoku-path`, with the vocabulary of the format `sudoku`. */
export const sudokuPath: Format<SudokuProblem, SudokuAction> = {
  ...sudokuFormat,
  name: "sudoku-path",
  project,
  render,
  parse,
};
