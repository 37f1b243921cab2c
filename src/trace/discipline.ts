// Whether the traces of a solver keep what a format promises of its searches (Discipline): asked of a config before anything is made.
import type { SolverSettings } from "../solver/settings.ts";
import type { AnyFormat } from "./format.ts";

/**
 * Why texts of the format from traces of the solver would break the format's discipline, with what to name instead; undefined:
 * they keep it. Whole lists of children, oldest first, are breadth-first search's; an A* order is that of `astar` with the
 * discipline's heuristic.
 */
export function keepsDiscipline(
  { name, discipline }: Pick<AnyFormat, "name" | "discipline">,
  settings: SolverSettings,
): string | undefined {
  const { allChildren, frontier, stopsAtGoal } = discipline ?? {};
  if (typeof frontier === "object") {
    const asked = `solver {kind: astar, heuristic: ${frontier.astar}}`;
    if (settings.kind !== "astar")
      return `format ${name} tells an A* search, and solver ${settings.kind} is none: name ${asked}`;
    if (settings.heuristic === frontier.astar) return undefined;
    return `format ${name} expands by the heuristic ${frontier.astar}, not by ${settings.heuristic}: name ${asked}`;
  }
  if ((frontier ?? allChildren ?? stopsAtGoal) && settings.kind !== "bfs") {
    return `format ${name} tells a breadth-first search, and solver ${settings.kind} is none: name solver {kind: bfs}`;
  }
  return undefined;
}
