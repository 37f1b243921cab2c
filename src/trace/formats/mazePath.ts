// The plan of a maze and nothing else: `plan x y` for each cell, a line each. Knows the grammar and no rule of the puzzle.
import { type MazeAction, type MazeCell, type MazeProblem, sameCell } from "../../puzzle/maze.ts";
import type { SearchEvent, Trace } from "../../solver/events.ts";
import type { Format, Parsed, Span } from "../format.ts";
import { expansionsOf } from "./graphExpansions.ts";
import { wayEvents, waySpans } from "./graphWay.ts";
import { lineError, mazePrompt, mazeVocabulary, readLine, readMazePrompt, writeLine } from "./mazeLines.ts";

function eventsOf(problem: MazeProblem, plan: readonly MazeCell[]): SearchEvent<MazeAction, MazeCell>[] {
  const [first] = plan;
  return wayEvents(plan, first !== undefined && sameCell(first, problem.start));
}

/** The answer of a trace that declares a goal, else nothing. */
function planOf(problem: MazeProblem, trace: Trace<MazeAction, MazeCell>): readonly MazeCell[] {
  return expansionsOf(trace, problem.start).goal?.answer ?? [];
}

function parse(problem: MazeProblem, text: string): Parsed<MazeAction, MazeCell> {
  const plan: MazeCell[] = [];
  const spans: Span[] = [];
  let at = 0;
  while (at < text.length) {
    const read = readLine(text, at);
    if (read?.line.word !== "plan") break;
    plan.push(read.line.cell);
    spans.push([at, read.end]);
    at = read.end;
  }
  const events = eventsOf(problem, plan);
  const errors = at < text.length ? [lineError(text, at, '"plan x y"')] : [];
  return { events, eventSpans: waySpans(events, spans), errors };
}

/**
 * Format `path` of mazes: the cells of the answer, the start first, as the plan of format `astar`. The whole text declares
 * success: that its last cell is the goal. A trace without a goal has no plan, and an empty text.
 */
export const mazePath: Format<MazeProblem, MazeAction, MazeCell> = {
  name: "path",
  puzzle: "maze",
  vocabulary: mazeVocabulary,
  markers: { goal: "plan", goalGoesOn: true, stepDelimiter: "\n" },
  prompt: mazePrompt,
  readPrompt: readMazePrompt,
  project: (problem, trace) => eventsOf(problem, planOf(problem, trace)),
  render: (problem, trace) => {
    const plan = planOf(problem, trace);
    let text = "";
    const spans = plan.map((cell): Span => {
      const from = text.length;
      text += writeLine({ word: "plan", cell });
      return [from, text.length];
    });
    return { text, eventSpans: waySpans(eventsOf(problem, plan), spans) };
  },
  parse,
};
