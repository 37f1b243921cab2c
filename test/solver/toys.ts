// Small made-up puzzles for the solvers' tests: spaces with cycles, dead ends and any estimates one likes.
import type { Puzzle } from "../../src/puzzle/puzzle.ts";

/** A walk along named edges. `estimates` may lie: a solver must live with any. */
export interface WalkProblem {
  readonly edges: Readonly<Record<string, readonly string[]>>;
  readonly from: string;
  readonly to: string;
  readonly estimates?: Readonly<Record<string, number>>;
}

/** States are places, actions the names of neighbouring places. */
export const walk: Puzzle<unknown, WalkProblem, string, string> = {
  name: "walk",
  readOptions: (value) => value,
  generate: () => ({ edges: { a: ["b"] }, from: "a", to: "b" }),
  canonicalKey: (problem) => JSON.stringify(problem),
  root: (problem) => problem.from,
  actions: (problem, place) => problem.edges[place] ?? [],
  apply: (problem, place, next) =>
    problem.edges[place]?.includes(next)
      ? { ok: true, state: next }
      : { ok: false, violation: { kind: "neighbours", message: `${next} is no neighbour of ${place}` } },
  isGoal: (problem, place) => place === problem.to,
  stateKey: (place) => place,
  heuristics: {
    zero: { estimate: () => 0 },
    given: { estimate: (problem, place) => problem.estimates?.[place] ?? 0 },
  },
  readProblem: (value) => value as WalkProblem,
  writeProblem: (problem) => JSON.parse(JSON.stringify(problem)),
};

/** Steps of a shortest walk, by relaxing all edges until nothing changes; undefined when there is none. */
export function distance(problem: WalkProblem): number | undefined {
  const steps = new Map([[problem.from, 0]]);
  for (let changed = true; changed; ) {
    changed = false;
    for (const [from, neighbours] of Object.entries(problem.edges)) {
      const at = steps.get(from);
      if (at === undefined) continue;
      for (const to of neighbours) {
        if ((steps.get(to) ?? Number.POSITIVE_INFINITY) <= at + 1) continue;
        steps.set(to, at + 1);
        changed = true;
      }
    }
  }
  return steps.get(problem.to);
}
