// The puzzles there are, by name: an explicit table. Knows each family's Puzzle and nothing of what is done with it.
import { UserError } from "../lib/errors.ts";
import { nearest, quote } from "../lib/text.ts";
import { type CountdownProblem, countdown } from "./countdown.ts";

export const puzzles = { countdown } as const;
export type PuzzleName = keyof typeof puzzles;
export type AnyPuzzle = (typeof puzzles)[PuzzleName];
export type AnyProblem = CountdownProblem;

/** The puzzle of that name. Throws UserError("puzzle-unknown") that offers the nearest name. */
export function findPuzzle(name: string): AnyPuzzle {
  if (Object.hasOwn(puzzles, name)) return puzzles[name as PuzzleName];
  const names = Object.keys(puzzles);
  const near = nearest(name, names);
  const hint = near ? ` Did you mean ${quote(near)}?` : "";
  throw new UserError("puzzle-unknown", `unknown puzzle ${quote(name)}; there is: ${names.join(", ")}.${hint}`);
}

/**
 * A problem and its puzzle from a JSON record with a `puzzle` member. Throws UserError: "puzzle-unknown", or "problem" naming the field.
 */
export function readProblem(value: unknown): { readonly puzzle: AnyPuzzle; readonly problem: AnyProblem } {
  const name = typeof value === "object" && value !== null && "puzzle" in value ? value.puzzle : undefined;
  if (typeof name !== "string") {
    const found = quote(JSON.stringify(value) ?? "nothing", 120);
    throw new UserError(
      "problem",
      `a problem is a JSON object with a text member "puzzle" (${Object.keys(puzzles).join(", ")}); found ${found}`,
    );
  }
  const puzzle = findPuzzle(name);
  return { puzzle, problem: puzzle.readProblem(value) };
}
