// The ways in which a solver can be asked to search a puzzle, so that its laws are checked on traces of every shape.
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import { type SolverSettings, solverSettings } from "../solver/settings.ts";

/** Nodes of a search that is cut off soon after its beginning. */
const fewNodes = 7;
/** Enough to come back to the root often, few enough for large puzzles. */
const simulations = 30;

/**
 * Settings of the solver of that name for a puzzle: with each heuristic of it, random ties and orders, narrow and wide beams, and
 * a budget that ends the search at its beginning. None for a solver that needs a heuristic where the puzzle has none.
 */
export function solverChoices(puzzle: Pick<AnyPuzzle, "heuristics">, name: string, maxNodes: number): SolverSettings[] {
  const guided = Object.keys(puzzle.heuristics).map((heuristic) => ({ heuristic }));
  const drawn = { ties: "random", childOrder: "random" };
  const choices: Readonly<Record<string, readonly object[]>> = {
    dfs: guided.flatMap((own) => [own, { ...own, threshold: "none" }]),
    beam: guided.flatMap((own) => [own, { ...own, width: 1 }]),
    "best-first": guided.flatMap((own) => [own, { ...own, ...drawn }]),
    astar: guided.flatMap((own) => [own, { ...own, ...drawn }]),
    think: guided,
    mcts: [{}, ...guided].map((own) => ({ ...own, simulations })),
    sudoku: [{}, { strategies: ["lone-single"] }],
  };
  const whole = choices[name] ?? [{}];
  const cut = whole.slice(0, 1).map((own) => ({ ...own, maxNodes: Math.min(fewNodes, maxNodes) }));
  return [...whole.map((own) => ({ ...own, maxNodes })), ...cut].map((own) => solverSettings.parse({ kind: name, ...own }));
}
