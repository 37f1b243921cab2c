// The Sudoku solver: seven strategies, else a guess, taken back on a contradiction. Makes events of the steps of
// puzzle/sudokuSearch.ts; the rules and the strategies are there.
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { SudokuAction, SudokuProblem } from "../puzzle/sudokuRules.ts";
import { searchSudoku } from "../puzzle/sudokuSearch.ts";
import type { NodeId, SearchEvent } from "./events.ts";
import type { SettingsOf } from "./settings.ts";
import type { Solver } from "./solver.ts";

/**
 * Each digit filled in is a node, generated and visited; a guess carries its candidates. A contradiction is a dead end
 * with its reason, from which the search goes back to the node where the last guess was made. A guess that has no candidate left
 * makes that node a dead end ("nocand") in turn.
 */
function* events(problem: SudokuProblem, settings: SettingsOf<"sudoku">): Generator<SearchEvent<SudokuAction>, void> {
  const maxNodes = settings.maxNodes ?? Number.POSITIVE_INFINITY;
  let nodes = 0;
  let current: NodeId = 0;
  /** Nodes at which the guesses that stand were made. */
  const guessedAt: NodeId[] = [];
  for (const step of searchSudoku(problem.grid, settings.strategies)) {
    switch (step.kind) {
      case "place":
      case "guess": {
        if (nodes >= maxNodes) return;
        const { cell, value } = step;
        if (step.kind === "guess") guessedAt.push(current);
        const action = step.kind === "guess" ? { cell, value, candidates: step.candidates } : { cell, value };
        yield { kind: "generate", node: ++nodes, parent: current, action };
        yield { kind: "visit", node: nodes };
        current = nodes;
        break;
      }
      case "contradiction":
        yield { kind: "deadEnd", node: current, reason: step.reason };
        break;
      case "revert": {
        const to = guessedAt.pop() as NodeId;
        yield { kind: "backtrack", from: current, to };
        current = to;
        break;
      }
      case "solved":
        yield { kind: "goal", node: current };
    }
  }
}

/** Solver `sudoku` (arXiv 2504.07052, section on Sudoku data; the strategies are those of its repository's solver). */
export const sudokuSolver: Solver<SettingsOf<"sudoku">> = {
  name: "sudoku",
  puzzles: ["sudoku"],
  solve<Options, Problem, State, Action>(
    _puzzle: Puzzle<Options, Problem, State, Action>,
    problem: Problem,
    settings: SettingsOf<"sudoku">,
  ) {
    // `puzzles` says that nothing but a Sudoku problem comes here, which the generic signature cannot.
    const steps: unknown = events(problem as unknown as SudokuProblem, settings);
    return steps as Iterable<SearchEvent<Action, State>>;
  },
};
