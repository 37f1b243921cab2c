// One training example from settings, a seed and an index, and from nothing else: threads and shards cannot change a byte.
// Direct examples (D_op) hold the canonical solution; backtracking ones (D_back) a right beginning, one wrong action and
// the mark (Self-Backtracking, arXiv 2502.04404, appendix). No files.
import type { SelfBacktrackingData } from "../config/dataSettings.ts";
import { UserError } from "../lib/errors.ts";
import { Rng } from "../lib/rng.ts";
import { type CountdownAction, type CountdownProblem, countdown } from "../puzzle/countdown.ts";
import { canonicalSolution } from "../solver/exhaustive.ts";
import type { AnyFormat, Span } from "../trace/format.ts";
import { findFormat } from "../trace/registry.ts";
import { type Example, trainId } from "./example.ts";
import { exhausted, mostDrawsInVain } from "./exhausted.ts";
import { keyHash } from "./keyHash.ts";
import { KeyTable } from "./keyTable.ts";
import type { Recipe } from "./recipe.ts";
import type { TrainSet } from "./settings.ts";
import { pathEvents } from "./solutions.ts";
import { drawsFor, type Prepared } from "./sources.ts";
import { type WrongKind, wrongAction, wrongKinds } from "./wrongActions.ts";

type Set = TrainSet<SelfBacktrackingData>;

/** How many examples of each kind a dataset has, and on how many questions. */
export interface Counts {
  readonly direct: number;
  readonly backtracking: number;
  readonly questions: number;
}

/** round(size * share) backtracking examples; the rest are direct, one for each question. */
export function exampleCounts(settings: Pick<SelfBacktrackingData, "size" | "backtrackShare">): Counts {
  const backtracking = Math.round(settings.size * settings.backtrackShare);
  const direct = settings.size - backtracking;
  return { direct, backtracking, questions: direct || backtracking };
}

/**
 * Example `index`, 0 to size - 1: first the direct ones, then the backtracking ones.
 * Throws UserError("config") when `depth` lies beyond the last step of a solution, or the puzzle has no such format.
 */
export function selfBacktrackingRecipe(set: Set, prepared: Prepared): Recipe {
  const { train, seed } = set;
  const options = countdown.readOptions(set.puzzle);
  const numSteps = options.numbers - 1;
  if (train.depth !== "uniform" && train.depth >= numSteps) {
    throw new UserError(
      "config",
      `data.train.depth: ${train.depth} is beyond the last step: a solution with ${options.numbers} numbers has steps 0 to ${numSteps - 1}`,
    );
  }
  const draws = drawsFor(set, prepared);
  const questions = prepared.questions ?? questionDraws(set, prepared);
  const counts = exampleCounts(train);
  const writer: Writer = { format: findFormat(set.puzzle.kind, train.format), train, operands: options.operands };
  return {
    size: train.size,
    dropsRepeats: false,
    make: (index) => {
      const back = index >= counts.direct;
      const question = back ? (index - counts.direct) % counts.questions : index;
      // Direct and backtracking examples share a question, the order of its numbers included.
      const problem = draws.problem(questions?.[question] ?? question) as CountdownProblem;
      const solution = canonicalSolution(problem.numbers, problem.target) as CountdownAction[];
      const made = back
        ? backtrackingResponse(writer, problem, solution, Rng.for(seed, "train", index, "wrong action"))
        : directResponse(writer, problem, solution);
      return describe(writer, problem, index, made);
    },
  };
}

/**
 * The draw that gives each question where the settings ask for distinct ones, in shared memory, 8 bytes a question;
 * undefined where question i is draw i. Throws UserError("data-exhausted") when the space holds too few.
 */
export function questionDraws(set: Set, prepared: Prepared): Float64Array | undefined {
  if (!set.train.distinct) return undefined;
  const draws = drawsFor(set, prepared);
  const { questions } = exampleCounts(set.train);
  const found = new Float64Array(new SharedArrayBuffer(8 * questions));
  const seen = new KeyTable();
  let count = 0;
  let inVain = 0;
  for (let draw = 0; count < questions; draw++) {
    const problem = draws.problem(draw);
    const isNew = problem !== undefined && seen.add(...keyHash(draws.puzzle.canonicalKey(problem), 0));
    inVain = isNew ? 0 : inVain + 1;
    if (inVain > mostDrawsInVain) throw exhausted(count, questions);
    if (isNew) found[count++] = draw;
  }
  return found;
}

type Made = Pick<Example, "response" | "spans" | "origin">;

/** What all texts of a set share. */
interface Writer {
  readonly format: AnyFormat;
  readonly train: SelfBacktrackingData;
  readonly operands: readonly [number, number];
}

function describe(writer: Writer, problem: CountdownProblem, index: number, made: Made): Example {
  return {
    id: trainId(index),
    problem: countdown.writeProblem(problem),
    prompt: writer.format.prompt(problem),
    ...made,
    trainEnd: true,
    format: writer.train.format,
    solver: "exhaustive",
  };
}

function directResponse(writer: Writer, problem: CountdownProblem, solution: readonly CountdownAction[]): Made {
  const { text } = writer.format.render(problem, [...pathEvents(solution), { kind: "goal", node: solution.length }]);
  return { response: text, spans: [[0, text.length]], origin: "optimal" };
}

/**
 * Right steps, one wrong action, the mark. Trained: the right steps and the mark, not the wrong line with its newline.
 * When a dead end is asked for and the chosen depth has none, another depth is tried, then another kind; `origin` names
 * the kind that was really put in.
 */
function backtrackingResponse(writer: Writer, problem: CountdownProblem, solution: readonly CountdownAction[], rng: Rng): Made {
  const { errors, depth } = writer.train;
  const first = wrongKinds[rng.weighted(wrongKinds.map((kind) => errors[kind]))] as WrongKind;
  const chosenDepth = depth === "uniform" ? rng.below(solution.length) : depth;
  const otherDepths = rng.shuffled(solution.map((_, index) => index).filter((index) => index !== chosenDepth));
  // Kinds of weight 0 come last: they stand in only where nothing that was asked for exists.
  const others = wrongKinds.filter((kind) => kind !== first).sort((a, b) => errors[b] - errors[a]);
  for (const kind of [first, ...others]) {
    for (const at of [chosenDepth, ...otherDepths]) {
      const action = wrongAction(kind, problem, solution.slice(0, at), rng, writer.operands);
      if (action) return withWrongAction(writer, problem, solution.slice(0, at), action, kind);
    }
  }
  throw new Error(`no wrong action exists for ${countdown.canonicalKey(problem)}`);
}

function withWrongAction(
  writer: Writer,
  problem: CountdownProblem,
  prefix: readonly CountdownAction[],
  wrong: CountdownAction,
  kind: WrongKind,
): Made {
  const node = prefix.length + 1;
  const { text, eventSpans } = writer.format.render(problem, [
    ...pathEvents([...prefix, wrong]),
    { kind: "backtrack", from: node, to: node - 1 },
  ]);
  const wrongLine = eventSpans[2 * prefix.length] as Span;
  const mark = eventSpans.at(-1) as Span;
  const spans: Span[] = wrongLine[0] > 0 ? [[0, wrongLine[0]], mark] : [mark];
  return { response: text, spans, origin: kind };
}
