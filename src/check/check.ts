// All laws of a puzzle, of the solvers on it and of its formats, on drawn problems. What `backtrail check` runs on a user's
// module, and what the house runs on its own.
import { defaultSolver } from "../config/solvers.ts";
import { Rng } from "../lib/rng.ts";
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import type { Trace } from "../solver/events.ts";
import { allSolvers, solve } from "../solver/registry.ts";
import { type SolverSettings, solverSettings } from "../solver/settings.ts";
import type { AnyFormat } from "../trace/format.ts";
import { grade } from "../trace/grader.ts";
import { checkFormat } from "./formatLaws.ts";
import { LawBook, type LawResult, shown } from "./law.ts";
import { checkGenerator, checkPuzzle } from "./puzzleLaws.ts";
import { checkTrace } from "./solverLaws.ts";

export interface CheckRequest {
  readonly puzzle: AnyPuzzle;
  readonly formats: readonly AnyFormat[];
  /** The puzzle's options as a config would give them. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly problems: number;
  readonly seed: number;
  /** Bound on the nodes of each search: laws are about form, not about depth. */
  readonly maxNodes: number;
}

/** Checks every law. Whatever the puzzle or the format throws is reported as a law that is broken. */
export function checkLaws(request: CheckRequest): LawResult[] {
  const { puzzle, formats, seed } = request;
  const book = new LawBook();
  const problems: unknown[] = [];
  book.check(
    "readOptions and generate: problems can be drawn",
    () => shown(request.options),
    () => {
      const options = puzzle.readOptions(request.options);
      for (let index = 0; index < request.problems; index++) {
        problems.push(puzzle.generate(Rng.for(seed, "check", index), options));
        if (index < 5) checkGenerator(book, puzzle, options, seed, index);
      }
      return undefined;
    },
  );
  checkPuzzle(book, puzzle, problems, seed);
  for (const [index, problem] of problems.entries()) {
    for (const settings of solversFor(puzzle, request.maxNodes)) {
      const name = `${settings.kind} on ${shown(puzzle.writeProblem(problem))}`;
      const stream = () => Rng.for(seed, "check", "solve", settings.kind, index);
      let trace: Trace<unknown> = [];
      book.check(
        `solver ${settings.kind}: it runs, and twice the same`,
        () => name,
        () => {
          trace = [...solve(puzzle, problem, settings, stream())];
          const again = [...solve(puzzle, problem, settings, stream())];
          return shown(again, 1e6) === shown(trace, 1e6) ? undefined : "two runs differ";
        },
      );
      checkTrace(book, puzzle, problem, trace, settings, name);
      for (const format of formats) checkOne(book, format, puzzle, problem, trace, name, stream());
    }
  }
  return book.results();
}

/** The solvers that take the puzzle, each with its defaults and the puzzle's own heuristics. */
function solversFor(puzzle: AnyPuzzle, maxNodes: number): SolverSettings[] {
  const [heuristic] = Object.keys(puzzle.heuristics);
  return allSolvers().flatMap(({ name, puzzles }) => {
    if (puzzles !== undefined && !puzzles.includes(puzzle.name)) return [];
    const guided = ["dfs", "beam", "best-first", "astar", "think"].includes(name);
    if (guided && heuristic === undefined) return [];
    const own = guided ? { heuristic, ...(name === "dfs" ? { threshold: "none" } : {}) } : {};
    return [solverSettings.parse({ kind: name, maxNodes, ...own, ...(name === "mcts" ? { simulations: 30 } : {}) })];
  });
}

/** Kinds of error that a search of another order than the format's may show. */
const ofOrder = ["queue", "revisit", "neighbours", "traceback", "not-shortest"];

function checkOne(
  book: LawBook,
  format: AnyFormat,
  puzzle: AnyPuzzle,
  problem: unknown,
  trace: Trace<unknown>,
  name: string,
  rng: Rng,
): void {
  const own = new LawBook();
  checkFormat(own, format, problem, trace, name, rng);
  book.merge(own, `format ${format.name}: `);
  book.check(
    `format ${format.name}: no step of a solver is graded as wrong`,
    () => name,
    () => {
      const { text } = format.render(problem, trace);
      const { errors } = grade(format, puzzle, problem, text);
      // What a format promises of the search's order, the traces of other searches than its own need not keep.
      const ignored = name.startsWith(`${defaultSolver(format.name).kind} on `) ? ["goal-missed"] : ["goal-missed", ...ofOrder];
      const wrong = errors.find(({ kind }) => !ignored.includes(kind));
      return wrong === undefined ? undefined : `${shown(wrong)} in ${shown(text, 600)}`;
    },
  );
}
