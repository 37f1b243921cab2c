// All laws of a puzzle, of the solvers on it and of its formats, on drawn problems. What `backtrail check` runs on a user's
// module, and what the house runs on its own.
import { isDeepStrictEqual } from "node:util";
import { defaultSolver, solverName } from "../config/solvers.ts";
import { Rng } from "../lib/rng.ts";
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import type { Trace } from "../solver/events.ts";
import { solve, solversFor } from "../solver/registry.ts";
import type { SolverSettings } from "../solver/settings.ts";
import type { AnyFormat } from "../trace/format.ts";
import { grade } from "../trace/grader.ts";
import { checkFormat } from "./formatLaws.ts";
import { LawBook, type LawResult, shown } from "./law.ts";
import { checkGenerator, checkPuzzle } from "./puzzleLaws.ts";
import { solverChoices } from "./solverChoices.ts";
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
  const { puzzle, seed } = request;
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
  for (const [index, problem] of problems.entries()) {
    book.check(
      "nothing throws on a drawn problem",
      () => `problem ${index} of seed ${seed}`,
      () => {
        checkPuzzle(book, puzzle, problem, seed, index);
        checkSearches(book, request, problem, index);
        return undefined;
      },
    );
  }
  return book.results();
}

/** One search by each solver that takes the puzzle, another choice of its settings for each problem, and its text in each format. */
function checkSearches(book: LawBook, request: CheckRequest, problem: unknown, index: number): void {
  const { puzzle, formats, seed, maxNodes } = request;
  for (const solver of solversFor(puzzle.name)) {
    const choices = solverChoices(puzzle, solver, maxNodes);
    const settings = choices[index % choices.length];
    if (settings === undefined) continue;
    const name = `${solverName(settings)} on ${shown(puzzle.writeProblem(problem))}`;
    const about = () => name;
    const stream = () => Rng.for(seed, "check", "solve", solver, index);
    let trace: Trace<unknown> = [];
    book.check(`solver ${solver}: it runs, and twice the same`, about, () => {
      trace = [...solve(puzzle, problem, settings, stream())];
      const again = [...solve(puzzle, problem, settings, stream())];
      return shown(again, 1e6) === shown(trace, 1e6) ? undefined : "two runs differ";
    });
    checkTrace(book, puzzle, problem, trace, settings, name);
    for (const format of formats) {
      const own = new LawBook();
      checkFormat(own, format, problem, trace, name, stream());
      book.merge(own, `format ${format.name}: `);
      book.check(`format ${format.name}: no step of a solver is graded as wrong`, about, () =>
        misjudged(puzzle, format, problem, trace, settings),
      );
    }
  }
}

/** Kinds of error that a search of another order than the format's may show. */
const ofOrder = ["queue", "revisit", "neighbours", "traceback", "not-shortest"];

/** What the grader holds against a solver's trace in a format; undefined when it finds nothing. */
function misjudged(
  puzzle: AnyPuzzle,
  format: AnyFormat,
  problem: unknown,
  trace: Trace<unknown>,
  settings: SolverSettings,
): string | undefined {
  const { text } = format.render(problem, trace);
  const { errors, solved } = grade(format, puzzle, problem, text);
  const hasGoal = trace.some(({ kind }) => kind === "goal");
  const ignored = [...(hasGoal ? [] : ["goal-missed"]), ...(isOwnSearch(format, settings) ? [] : ofOrder)];
  const wrong = errors.find(({ kind }) => !ignored.includes(kind));
  if (wrong !== undefined) return `${shown(wrong)} in ${shown(text, 600)}`;
  return hasGoal && errors.length === 0 && !solved ? `it is not solved: ${shown(text, 600)}` : undefined;
}

/** Whether the settings are those of the format's usual search: it must keep all that the format promises of a search's order. */
function isOwnSearch(format: AnyFormat, settings: SolverSettings): boolean {
  const { share: _share, ...usual } = defaultSolver(format.name);
  return isDeepStrictEqual({ ...usual, maxNodes: undefined }, { ...settings, maxNodes: undefined });
}
