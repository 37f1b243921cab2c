// The kernel of Countdown with Stream of Search traces by depth-first and beam search: the lines of traces.ts,
// made ten times as fast.
import type { TraceData } from "../../config/dataSettings.ts";
import { solverName, solversOf } from "../../config/solvers.ts";
import { type CountdownOptions, type CountdownProblem, countdown } from "../../puzzle/countdown.ts";
import { findFormat } from "../../trace/registry.ts";
import { type DrawnSolver, type Draws, solverDraws } from "../draws.ts";
import type { TrainSet } from "../settings.ts";
import { type Literal, lineBytes, literal } from "./lineBytes.ts";
import type { LineMaker } from "./lineMaker.ts";
import { type ByteBudget, byteBudget } from "./lineTokens.ts";
import { childSlot, type Estimator } from "./sosChildren.ts";
import { putHead, putTail } from "./sosLine.ts";
import { SosSearch } from "./sosSearch.ts";
import { targetTexts } from "./sosText.ts";

const newlineLength = 2;
const backslash = 0x5c;
// What the buffers hold for certain, and numbers that are exact as doubles.
const mostNumbers = 5;
const largestOperand = 999;
const largestTarget = 1000;

type Solver = DrawnSolver["settings"];
type Known = Extract<Solver, { kind: "dfs" | "beam" }>;

function isKnown(solver: Solver): solver is Known {
  const searches = solver.kind === "dfs" || solver.kind === "beam";
  return searches && solver.maxNodes === undefined && (solver.heuristic === "sum" || solver.heuristic === "mult");
}

function isSmall({ numbers, operands, targets, deep }: CountdownOptions): boolean {
  return !deep && numbers <= mostNumbers && operands[1] <= largestOperand && targets[1] <= largestTarget;
}

function isSos(set: TrainSet): set is TrainSet<TraceData> {
  return set.puzzle.kind === countdown.name && set.train.format === "sos";
}

function searcherOf(solver: Known): Searcher {
  return { name: literal(JSON.stringify(solverName(solver))), estimator: estimators(solver) };
}

/** Estimators of one solver. */
function estimators(solver: Known): (target: number) => Estimator {
  const { estimate } = countdown.heuristics[solver.heuristic] as (typeof countdown.heuristics)[string];
  const make = (target: number): Estimator => {
    const problem: CountdownProblem = { puzzle: "countdown", numbers: [], target };
    const threshold = solver.kind === "dfs" ? solver.threshold : "none";
    return {
      distances: Float64Array.from({ length: target }, (_, value) => estimate(problem, [value])),
      target,
      isMean: solver.heuristic === "sum",
      bound: threshold === "target" ? target : threshold === "none" ? Number.POSITIVE_INFINITY : threshold,
      most: solver.kind === "beam" ? Math.min(solver.width, childSlot) : childSlot,
    };
  };
  return perTarget(make);
}

/** Makes what belongs to a target when it first comes up. */
function perTarget<T>(make: (target: number) => T): (target: number) => T {
  const known: (T | undefined)[] = [];
  return (target) => {
    let made = known[target];
    if (made === undefined) known[target] = made = make(target);
    return made;
  };
}

/**
 * The line maker of a set of SoS traces; undefined for other sets and for solvers it does not know. `draws` are the set's, by
 * whichever way they are made.
 */
export function sosKernel(set: TrainSet, draws: Draws): LineMaker | undefined {
  if (!isSos(set) || !isSmall(countdown.readOptions(set.puzzle))) return undefined;
  const { train } = set;
  const solvers = solversOf(train).filter(isKnown);
  if (solvers.length < solversOf(train).length) return undefined;
  return new SosLines(set, solvers, draws);
}

/** What the kernel knows of a solver. */
interface Searcher {
  /** Its name as a JSON string. */
  readonly name: Literal;
  readonly estimator: (target: number) => Estimator;
}

class SosLines implements LineMaker {
  readonly last: { origin: string; solver: string; solved: boolean; key(): string };
  readonly #train: TraceData;
  readonly #draws: Draws;
  readonly #solverOf: (index: number) => DrawnSolver;
  readonly #searchers: ReadonlyMap<string, Searcher>;
  readonly #search = new SosSearch();
  readonly #textsOf = perTarget(targetTexts);
  readonly #budget: ByteBudget | undefined;
  #problem: CountdownProblem = { puzzle: "countdown", numbers: [], target: 0 };

  constructor(set: TrainSet<TraceData>, solvers: readonly Known[], draws: Draws) {
    this.#train = set.train;
    this.#draws = draws;
    this.#solverOf = solverDraws(set);
    this.#searchers = new Map(solvers.map((solver) => [solverName(solver), searcherOf(solver)]));
    const { maxTokens } = set.train;
    const { vocabulary } = findFormat(countdown.name, "sos");
    this.#budget = maxTokens === undefined ? undefined : byteBudget(vocabulary, maxTokens);
    this.last = { origin: "trace", solver: "", solved: false, key: () => countdown.canonicalKey(this.#problem) };
  }

  write(index: number): Uint8Array | undefined {
    const problem = this.#draws.problem(index) as CountdownProblem | undefined;
    if (problem === undefined) return undefined;
    const { numbers, target } = problem;
    const { settings, name, rng } = this.#solverOf(index);
    const searcher = this.#searchers.get(name);
    if (searcher === undefined) throw new Error(`sosKernel: solver ${name} is not among those of the settings`);
    const search = this.#search;
    const begin = search.start(0, numbers, searcher.estimator(target), this.#textsOf(target));
    const response = putHead(begin, index, numbers, target);
    const text = settings.kind === "beam" ? search.beam(response, settings.width, rng) : search.dfs(response);
    const { solved, nodes, lines } = search;
    // The last line has no newline.
    const end = lines > 0 ? text - newlineLength : text;
    const kept = this.#budget?.(response, end) ?? end;
    const { keep, over } = this.#train;
    if ((keep === "solved" && !solved) || (over === "drop" && kept < end)) return undefined;
    this.#problem = problem;
    this.last.solver = name;
    this.last.solved = solved;
    const newlines = kept < end ? newlinesIn(response, kept) : Math.max(0, lines - 1);
    const length = kept - response - newlines;
    const tail = { length, trainEnd: kept === end, solver: searcher.name, solved, nodes };
    return lineBytes.subarray(begin, putTail(kept, numbers, target, tail));
  }
}

/** Newlines are the one escape of the text: two bytes for a character. */
function newlinesIn(from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at++) if (lineBytes[at] === backslash) count++;
  return count;
}
