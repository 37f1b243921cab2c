// The puzzles there are, by name: an explicit table, and what a user's module adds. Knows nothing of what is done with them.
import { UserError } from "../lib/errors.ts";
import { nearest, quote } from "../lib/text.ts";
import { countdown } from "./countdown.ts";
import { graph } from "./graph.ts";
import { maze } from "./maze.ts";
import type { AnyPuzzle } from "./puzzle.ts";
import { sudoku } from "./sudoku.ts";

const builtIn: readonly AnyPuzzle[] = [countdown, sudoku, graph, maze];
const puzzles = new Map(builtIn.map((puzzle) => [puzzle.name, puzzle]));

/** Adds a user's puzzle. Throws UserError("module") when its name is taken. */
export function registerPuzzle(puzzle: AnyPuzzle, source: string): void {
  if (puzzles.has(puzzle.name)) {
    throw new UserError("module", `${source}: there is a puzzle ${quote(puzzle.name)} already. Give yours another name.`);
  }
  puzzles.set(puzzle.name, puzzle);
}

/** All puzzles, the house's own first. */
export function allPuzzles(): readonly AnyPuzzle[] {
  return [...puzzles.values()];
}

/** The puzzle of that name. Throws UserError("puzzle-unknown") that offers the nearest name. */
export function findPuzzle(name: string): AnyPuzzle {
  const found = puzzles.get(name);
  if (found) return found;
  const names = [...puzzles.keys()];
  const near = nearest(name, names);
  const hint = near ? ` Did you mean ${quote(near)}?` : "";
  throw new UserError("puzzle-unknown", `unknown puzzle ${quote(name)}; there is: ${names.join(", ")}.${hint}`);
}

/**
 * A problem and its puzzle from a JSON record with a `puzzle` member. Throws UserError: "puzzle-unknown", or "problem" naming the field.
 */
export function readProblem(value: unknown): { readonly puzzle: AnyPuzzle; readonly problem: unknown } {
  const name = typeof value === "object" && value !== null && "puzzle" in value ? value.puzzle : undefined;
  if (typeof name !== "string") {
    const found = quote(JSON.stringify(value) ?? "nothing", 120);
    throw new UserError(
      "problem",
      `a problem is a JSON object with a text member "puzzle" (${[...puzzles.keys()].join(", ")}); found ${found}`,
    );
  }
  const puzzle = findPuzzle(name);
  return { puzzle, problem: puzzle.readProblem(value) };
}
