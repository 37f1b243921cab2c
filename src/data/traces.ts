// Examples of the trace formats: a drawn problem, searched by a drawn solver, written in the format. No files.
import type { TraceData } from "../config/dataSettings.ts";
import { solversOf } from "../config/solvers.ts";
import type { SearchEvent } from "../solver/events.ts";
import { checkSolver, solve } from "../solver/registry.ts";
import { findFormat } from "../trace/registry.ts";
import { lengthOfTokens } from "../trace/tokenCount.ts";
import { solverDraws } from "./draws.ts";
import { type Example, trainId } from "./example.ts";
import type { Recipe } from "./recipe.ts";
import type { TrainSet } from "./settings.ts";
import { solutionWriter } from "./solutions.ts";
import { drawsFor, isExact, type Prepared } from "./sources.ts";

/** Everything of a text is trained; one that is cut off has no end to train. Throws UserError as `checkSolver` does. */
export function traceRecipe(set: TrainSet<TraceData>, prepared: Prepared): Recipe {
  const { train, puzzle } = set;
  const format = findFormat(puzzle.kind, train.format);
  const draws = drawsFor(set, prepared);
  for (const solver of solversOf(train)) checkSolver(draws.puzzle, solver);
  const solverOf = solverDraws(set);
  const solutionOf = solutionWriter(draws.puzzle);
  const { maxTokens = Number.POSITIVE_INFINITY } = train;
  return {
    size: train.size,
    dropsRepeats: train.distinct && !isExact(set),
    make: (index): Example | undefined => {
      const problem = draws.problem(index);
      if (problem === undefined) return undefined;
      const solver = solverOf(index);
      const events: SearchEvent<unknown>[] = [];
      let [solved, nodes] = [false, 0];
      for (const event of solve(draws.puzzle, problem, solver.settings, solver.rng)) {
        events.push(event);
        if (event.kind === "generate") nodes++;
        else if (event.kind === "goal") solved = true;
      }
      if (train.keep === "solved" && !solved) return undefined;
      const { text } = format.render(problem, events);
      const length = lengthOfTokens(format.vocabulary, text, maxTokens);
      const isCut = length < text.length;
      if (isCut && train.over === "drop") return undefined;
      const solution = solutionOf(problem, solver.rng);
      return {
        id: trainId(index),
        problem: draws.puzzle.writeProblem(problem),
        prompt: format.prompt(problem),
        response: isCut ? text.slice(0, length) : text,
        spans: [[0, length]],
        trainEnd: !isCut,
        format: train.format,
        solver: solver.name,
        origin: "trace",
        solved,
        nodes,
        ...(solution === undefined ? {} : { solution }),
      };
    },
  };
}
