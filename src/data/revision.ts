// Examples of the revision chain: some wrong answers, then the right one (Meta-CoT's variable-length revision). How wrong
// answers are made is not published: here they are plays of legal steps, each to its end, that miss the goal. No files.
import type { RevisionData } from "../config/dataSettings.ts";
import { deriveSeed, Rng } from "../lib/rng.ts";
import { type CountdownAction, type CountdownProblem, type CountdownState, countdown } from "../puzzle/countdown.ts";
import type { SearchEvent } from "../solver/events.ts";
import { canonicalSolution } from "../solver/exhaustive.ts";
import { findFormat } from "../trace/registry.ts";
import { trainId } from "./example.ts";
import type { Recipe } from "./recipe.ts";
import type { TrainSet } from "./settings.ts";
import { pathEvents } from "./solutions.ts";
import { drawsFor, isExact, type Prepared } from "./sources.ts";

/** The wrong answers are not told apart from the right one in training: the whole text is trained, and the end after it. */
export function revisionRecipe(set: TrainSet<RevisionData>, prepared: Prepared): Recipe {
  const { train, puzzle } = set;
  const format = findFormat(puzzle.kind, train.format);
  const draws = drawsFor(set, prepared);
  const seed = deriveSeed(set.seed, "train", "wrong answers");
  const [fewest, most] = train.wrongAnswers;
  return {
    size: train.size,
    dropsRepeats: train.distinct && !isExact(set),
    make: (index) => {
      const problem = draws.problem(index) as CountdownProblem | undefined;
      const solution = problem && canonicalSolution(problem.numbers, problem.target);
      if (problem === undefined || solution === undefined) return undefined;
      const rng = Rng.indexed(seed, index);
      const wrong = wrongAnswers(problem, rng.between(fewest, most), rng);
      if (wrong === undefined) return undefined;
      const { text } = format.render(problem, chain(wrong, solution));
      return {
        id: trainId(index),
        problem: countdown.writeProblem(problem),
        prompt: format.prompt(problem),
        response: text,
        spans: [[0, text.length]],
        trainEnd: true,
        format: train.format,
        solver: "exhaustive",
        origin: "revision",
      };
    },
  };
}

/** Each wrong path from the root to its dead end and back, then the solution. */
function chain(
  wrong: readonly (readonly CountdownAction[])[],
  solution: readonly CountdownAction[],
): SearchEvent<CountdownAction>[] {
  const events: SearchEvent<CountdownAction>[] = [];
  let last = 0;
  for (const path of wrong) {
    events.push(...pathEvents(path, last));
    last += path.length;
    events.push({ kind: "deadEnd", node: last }, { kind: "backtrack", from: last, to: 0 });
  }
  return [...events, ...pathEvents(solution, last), { kind: "goal", node: last + solution.length }];
}

// Most problems have hundreds of plays that miss; one whose plays hardly ever do is dropped.
const playsTried = 200;

/** `count` different wrong answers, or undefined when that many were not found. */
function wrongAnswers(problem: CountdownProblem, count: number, rng: Rng): CountdownAction[][] | undefined {
  const found = new Map<string, CountdownAction[]>();
  for (let attempt = 0; attempt < playsTried && found.size < count; attempt++) {
    const play = randomPlay(problem, rng);
    if (play) found.set(JSON.stringify(play), play);
  }
  return found.size < count ? undefined : [...found.values()];
}

/** Legal steps until none is left; undefined when the target turned up on the way: whichever way it is graded, it is wrong. */
function randomPlay(problem: CountdownProblem, rng: Rng): CountdownAction[] | undefined {
  const path: CountdownAction[] = [];
  let pool: CountdownState = countdown.root(problem);
  for (;;) {
    if (countdown.isGoal(problem, pool)) return undefined;
    const actions = countdown.actions(problem, pool);
    if (actions.length === 0) return path;
    const action = rng.pick(actions);
    const applied = countdown.apply(problem, pool, action);
    if (!applied.ok) throw new Error(`countdown: a listed action is refused: ${applied.violation.message}`);
    path.push(action);
    pool = applied.state;
  }
}
