// Canonical keys of records: what splits, repeats and overlaps are judged by.
import { readProblem } from "../puzzle/registry.ts";

/** Canonical key of a record's problem. Throws UserError naming what is wrong with it. */
export function keyOf(record: { readonly problem: unknown }): string {
  const { puzzle, problem } = readProblem(record.problem);
  return puzzle.canonicalKey(problem);
}
