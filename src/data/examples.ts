// One training example from settings, a seed and an index, and from nothing else: threads and shards cannot change a byte.
// Direct examples (D_op) hold the canonical solution; backtracking ones (D_back) a right beginning, one wrong action and
// the mark (Self-Backtracking, arXiv 2502.04404, appendix). No files.
import type { TrainDataSettings } from "../config/schema.ts";
import { UserError } from "../lib/errors.ts";
import { Rng } from "../lib/rng.ts";
import { type CountdownAction, type CountdownOptions, type CountdownProblem, countdown } from "../puzzle/countdown.ts";
import type { SearchEvent } from "../solver/events.ts";
import { canonicalSolution } from "../solver/exhaustive.ts";
import type { Span } from "../trace/format.ts";
import { findFormat } from "../trace/registry.ts";
import type { Example } from "./example.ts";
import { drawProblem, type Splitter, splitter } from "./splits.ts";
import { type WrongKind, wrongAction, wrongKinds } from "./wrongActions.ts";

export interface ExampleSettings {
  readonly puzzle: CountdownOptions;
  readonly train: TrainDataSettings;
}

/** How many examples of each kind a dataset has, and on how many questions. */
export interface Counts {
  readonly direct: number;
  readonly backtracking: number;
  readonly questions: number;
}

/** round(size * share) backtracking examples; the rest are direct, one for each question. */
export function exampleCounts(settings: Pick<TrainDataSettings, "size" | "backtrackShare">): Counts {
  const backtracking = Math.round(settings.size * settings.backtrackShare);
  const direct = settings.size - backtracking;
  return { direct, backtracking, questions: direct || backtracking };
}

/** Makes the examples of one dataset. */
export interface ExampleMaker {
  readonly counts: Counts;
  /** Example `index`, 0 to size - 1: first the direct ones, then the backtracking ones. */
  make(index: number): Example;
}

/**
 * Checks the settings and works out what all examples share.
 * Throws UserError("config") when `depth` lies beyond the last step of a solution.
 */
export function exampleMaker(settings: ExampleSettings, seed: number): ExampleMaker {
  const { depth } = settings.train;
  const numSteps = settings.puzzle.numbers - 1;
  if (depth !== "uniform" && depth >= numSteps) {
    throw new UserError(
      "config",
      `data.train.depth: ${depth} is beyond the last step: a solution with ${settings.puzzle.numbers} numbers has steps 0 to ${numSteps - 1}`,
    );
  }
  const splitting = splitter(settings.puzzle);
  const counts = exampleCounts(settings.train);
  return {
    counts,
    make: (index) => {
      const back = index >= counts.direct;
      const question = back ? (index - counts.direct) % counts.questions : index;
      const problem = trainProblem(splitting, seed, question);
      const solution = canonicalSolution(problem.numbers, problem.target) as CountdownAction[];
      const made = back
        ? backtrackingResponse(settings, problem, solution, Rng.for(seed, "train", index, "wrong action"))
        : directResponse(settings, problem, solution);
      return describe(settings, problem, index, made);
    },
  };
}

/** Example `index` of a dataset. For many examples make one `exampleMaker`. */
export function makeExample(settings: ExampleSettings, seed: number, index: number): Example {
  return exampleMaker(settings, seed).make(index);
}

/** Question `question` of the training data: direct and backtracking examples share it, the order of its numbers included. */
export function trainProblem(splitting: Splitter, seed: number, question: number): CountdownProblem {
  return drawProblem(splitting, "train", Rng.for(seed, "train", question, "problem"));
}

type Made = Pick<Example, "response" | "spans" | "origin">;

function describe(settings: ExampleSettings, problem: CountdownProblem, index: number, made: Made): Example {
  return {
    id: `train-${String(index).padStart(7, "0")}`,
    problem: countdown.writeProblem(problem),
    prompt: findFormat(settings.train.format).prompt(problem),
    ...made,
    trainEnd: true,
    format: settings.train.format,
    solver: "exhaustive",
  };
}

/** Events of a path from the root. */
function pathEvents(path: readonly CountdownAction[]): SearchEvent<CountdownAction>[] {
  return path.flatMap((action, index): SearchEvent<CountdownAction>[] => [
    { kind: "generate", node: index + 1, parent: index, action },
    { kind: "visit", node: index + 1 },
  ]);
}

function directResponse(settings: ExampleSettings, problem: CountdownProblem, solution: readonly CountdownAction[]): Made {
  const { text } = findFormat(settings.train.format).render(problem, [
    ...pathEvents(solution),
    { kind: "goal", node: solution.length },
  ]);
  return { response: text, spans: [[0, text.length]], origin: "optimal" };
}

/**
 * Right steps, one wrong action, the mark. Trained: the right steps and the mark, not the wrong line with its newline.
 * When a dead end is asked for and the chosen depth has none, another depth is tried, then another kind; `origin` names
 * the kind that was really put in.
 */
function backtrackingResponse(
  settings: ExampleSettings,
  problem: CountdownProblem,
  solution: readonly CountdownAction[],
  rng: Rng,
): Made {
  const { errors, depth } = settings.train;
  const first = wrongKinds[rng.weighted(wrongKinds.map((kind) => errors[kind]))] as WrongKind;
  const chosenDepth = depth === "uniform" ? rng.below(solution.length) : depth;
  const otherDepths = rng.shuffled(solution.map((_, index) => index).filter((index) => index !== chosenDepth));
  // Kinds of weight 0 come last: they stand in only where nothing that was asked for exists.
  const others = wrongKinds.filter((kind) => kind !== first).sort((a, b) => errors[b] - errors[a]);
  for (const kind of [first, ...others]) {
    for (const at of [chosenDepth, ...otherDepths]) {
      const action = wrongAction(kind, problem, solution.slice(0, at), rng, settings.puzzle.operands);
      if (action) return withWrongAction(settings, problem, solution.slice(0, at), action, kind);
    }
  }
  throw new Error(`no wrong action exists for ${countdown.canonicalKey(problem)}`);
}

function withWrongAction(
  settings: ExampleSettings,
  problem: CountdownProblem,
  prefix: readonly CountdownAction[],
  wrong: CountdownAction,
  kind: WrongKind,
): Made {
  const node = prefix.length + 1;
  const { text, eventSpans } = findFormat(settings.train.format).render(problem, [
    ...pathEvents([...prefix, wrong]),
    { kind: "backtrack", from: node, to: node - 1 },
  ]);
  const wrongLine = eventSpans[2 * prefix.length] as Span;
  const mark = eventSpans.at(-1) as Span;
  const spans: Span[] = wrongLine[0] > 0 ? [[0, wrongLine[0]], mark] : [mark];
  return { response: text, spans, origin: kind };
}
