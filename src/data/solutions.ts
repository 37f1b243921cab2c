// The reference solution that a trace example carries, where it is cheap to find. Knows solvers and formats, no files.
import type { Rng } from "../lib/rng.ts";
import { type CountdownProblem, countdown } from "../puzzle/countdown.ts";
import { graph } from "../puzzle/graph.ts";
import { maze } from "../puzzle/maze.ts";
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import { sudoku } from "../puzzle/sudoku.ts";
import { type SudokuProblem, sudokuSolution } from "../puzzle/sudokuRules.ts";
import type { SearchEvent } from "../solver/events.ts";
import { canonicalSolution } from "../solver/exhaustive.ts";
import { solve } from "../solver/registry.ts";
import { findFormat } from "../trace/registry.ts";

// With more numbers, canonicalSolution's exact reachability takes longer than the search itself.
const cheapNumbers = 5;

/** Text of a problem's reference solution, or undefined where it would cost too much. */
export function solutionWriter(puzzle: AnyPuzzle): (problem: unknown, rng: Rng) => string | undefined {
  if (puzzle.name === countdown.name) return canonicalText;
  if (puzzle.name === graph.name || puzzle.name === maze.name) {
    const format = findFormat(puzzle.name, "path");
    return (problem, rng) => format.render(problem, [...solve(puzzle, problem, { kind: "optimal" }, rng)]).text;
  }
  if (puzzle.name === sudoku.name) return (problem) => sudokuSolution(problem as SudokuProblem);
  return () => undefined;
}

function canonicalText(problem: unknown): string | undefined {
  const { numbers, target } = problem as CountdownProblem;
  const path = numbers.length <= cheapNumbers ? canonicalSolution(numbers, target) : undefined;
  return (
    path && findFormat(countdown.name, "path").render(problem, [...pathEvents(path), { kind: "goal", node: path.length }]).text
  );
}

/** Events of a path from the root, a node a step, numbered on from `last`. */
export function pathEvents<Action>(path: readonly Action[], last = 0): SearchEvent<Action>[] {
  return path.flatMap((action, index): SearchEvent<Action>[] => [
    { kind: "generate", node: last + index + 1, parent: index === 0 ? 0 : last + index, action },
    { kind: "visit", node: last + index + 1 },
  ]);
}
