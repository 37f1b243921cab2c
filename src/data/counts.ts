// Counting training examples by what was done to them and by solver.
import type { LineKind } from "./chunk.ts";

/** JSON as a manifest holds it. */
export interface Counts {
  readonly origins: Record<string, number>;
  readonly solvers: Record<string, number>;
  /** Examples of a search, and those that declared a goal. */
  searches: number;
  solved: number;
}

export function noCounts(): Counts {
  return { origins: {}, solvers: {}, searches: 0, solved: 0 };
}

/** Adds `times` examples of a kind. */
export function count(counts: Counts, { origin, solver, solved }: LineKind, times = 1): void {
  counts.origins[origin] = (counts.origins[origin] ?? 0) + times;
  counts.solvers[solver] = (counts.solvers[solver] ?? 0) + times;
  if (solved !== undefined) counts.searches += times;
  if (solved === true) counts.solved += times;
}

export function addCounts(to: Counts, from: Counts): void {
  for (const name of ["origins", "solvers"] as const) {
    for (const [key, times] of Object.entries(from[name])) to[name][key] = (to[name][key] ?? 0) + times;
  }
  to.searches += from.searches;
  to.solved += from.solved;
}
