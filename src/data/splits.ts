// Which problems may be trained on and which are kept for tests: a property of the problem and the puzzle's options alone,
// never of a seed, so that the splits of two runs are disjoint as well. Draws problems of a split. No files.
import { UserError } from "../lib/errors.ts";
import { sha256 } from "../lib/hash.ts";
import { Rng } from "../lib/rng.ts";
import { type CountdownOptions, type CountdownProblem, countdown, drawCountdown } from "../puzzle/countdown.ts";
import { reachableValues } from "../puzzle/countdownReach.ts";

/** `unseen`: held-out targets. `seen` and `dev`: targets of training, problems that are not. */
export const splits = ["train", "dev", "seen", "unseen"] as const;
export type Split = (typeof splits)[number];

/** Shares of the problems with targets of training that are kept for `seen` and `dev`. */
export const seenShare = 0.1;
export const devShare = 0.05;
// Part of what a split is: a changed salt makes another benchmark.
const targetSalt = "backtrail target split 1";
const problemSalt = "backtrail problem split 1";

type HoldOut = Pick<CountdownOptions, "targets" | "holdOutTargets">;

/**
 * The target values kept out of training: the round(share * count) values of the range with the lowest SHA-256 of (salt,
 * value).
 */
export function heldOutTargets(options: HoldOut): ReadonlySet<number> {
  const values = targetRange(options.targets).map((value) => ({ value, hash: sha256(`${targetSalt}:${value}`) }));
  values.sort((a, b) => (a.hash < b.hash ? -1 : 1));
  return new Set(values.slice(0, Math.round(options.holdOutTargets * values.length)).map(({ value }) => value));
}

function targetRange([low, high]: readonly [number, number]): number[] {
  return Array.from({ length: high - low + 1 }, (_, index) => low + index);
}

/** The options with their held-out targets worked out: drawing thousands of problems asks for them each time. */
export interface Splitter {
  readonly options: CountdownOptions;
  readonly heldOut: ReadonlySet<number>;
  /** Target values of a split. */
  targets(split: Split): readonly number[];
  splitOf(problem: CountdownProblem): Split;
}

/** Makes the splitter of a puzzle's options. */
export function splitter(options: CountdownOptions): Splitter {
  const heldOut = heldOutTargets(options);
  const values = targetRange(options.targets);
  const held = values.filter((value) => heldOut.has(value));
  const trained = values.filter((value) => !heldOut.has(value));
  return {
    options,
    heldOut,
    targets: (split) => (split === "unseen" ? held : trained),
    splitOf: (problem) => (heldOut.has(problem.target) ? "unseen" : splitOfSeenTarget(problem)),
  };
}

function splitOfSeenTarget(problem: CountdownProblem): Split {
  const place = Number.parseInt(sha256(`${problemSalt}:${countdown.canonicalKey(problem)}`).slice(0, 12), 16) / 2 ** 48;
  if (place < seenShare) return "seen";
  return place < seenShare + devShare ? "dev" : "train";
}

/** The split of a problem under these options. For many problems make one `splitter`. */
export function splitOf(options: CountdownOptions, problem: CountdownProblem): Split {
  return splitter(options).splitOf(problem);
}

/**
 * A solvable problem of a split; repeats are possible. The stream is the caller's, so that problem i does not depend on
 * problem i - 1. Throws UserError("puzzle-empty") when none is found.
 */
export function drawProblem(splitting: Splitter, split: Split, rng: Rng): CountdownProblem {
  return drawCountdown(rng, splitting.options, splitting.targets(split), (problem) => splitting.splitOf(problem) === split);
}

// A space whose last problems must be collected is enumerated up to this many multisets (3 numbers of 1-99: 166,650).
const enumerableMultisets = 200_000;
// After this many repeats in a row, drawing on is slower than enumerating.
const repeatsInARow = 200;

/**
 * `count` problems of a test split with distinct canonical keys, in index order: the first k of them are the same for
 * every count >= k, up to the point where the space is nearly used up. `name` says which of the data's test sets it is, in
 * seeds and errors. Throws UserError("split-too-small") that names how many distinct problems there are.
 */
export function drawDistinct(
  splitting: Splitter,
  split: Split,
  count: number,
  seed: number,
  name: string = split,
): CountdownProblem[] {
  const problems: CountdownProblem[] = [];
  const keys = new Set<string>();
  for (let index = 0; index < count; index++) {
    const problem = drawNew(splitting, split, keys, seed, name, index);
    if (!problem) return fillFromAll(splitting, split, problems, keys, count, seed, name);
    keys.add(countdown.canonicalKey(problem));
    problems.push(problem);
  }
  return problems;
}

function drawNew(
  splitting: Splitter,
  split: Split,
  keys: ReadonlySet<string>,
  seed: number,
  name: string,
  index: number,
): CountdownProblem | undefined {
  for (let attempt = 0; attempt < repeatsInARow; attempt++) {
    const problem = drawProblem(splitting, split, Rng.for(seed, "test", name, index, attempt));
    if (!keys.has(countdown.canonicalKey(problem))) return problem;
  }
  return undefined;
}

function fillFromAll(
  splitting: Splitter,
  split: Split,
  found: readonly CountdownProblem[],
  keys: ReadonlySet<string>,
  count: number,
  seed: number,
  name: string,
): CountdownProblem[] {
  const { numbers, operands } = splitting.options;
  if (numMultisets(numbers, operands[1] - operands[0] + 1) > enumerableMultisets)
    throw tooSmall(splitting, name, count, `about ${found.length}`);
  const rest = [...allProblems(splitting, split)].filter((problem) => !keys.has(countdown.canonicalKey(problem)));
  if (found.length + rest.length < count) throw tooSmall(splitting, name, count, `only ${found.length + rest.length}`);
  const rng = Rng.for(seed, "test", name, "rest");
  const filling = rng.shuffled(rest).slice(0, count - found.length);
  return [...found, ...filling.map((problem) => ({ ...problem, numbers: rng.shuffled(problem.numbers) }))];
}

function tooSmall(splitting: Splitter, name: string, count: number, found: string): UserError {
  const { numbers, operands, targets } = splitting.options;
  return new UserError(
    "split-too-small",
    `data.test.${name} asks for ${count} distinct problems, but there are ${found} with ${numbers} numbers of [${operands.join(", ")}] ` +
      `and targets [${targets.join(", ")}]. Ask for fewer or widen puzzle.operands or puzzle.targets.`,
  );
}

function numMultisets(size: number, values: number): number {
  let ways = 1;
  for (let index = 1; index <= size; index++) ways = (ways * (values - 1 + index)) / index;
  return ways;
}

/** Every solvable problem of a split once, numbers ascending. For small spaces only. */
export function* allProblems(splitting: Splitter, split: Split): Generator<CountdownProblem> {
  const wanted = new Set(splitting.targets(split));
  for (const numbers of multisets(splitting.options.numbers, splitting.options.operands)) {
    for (const target of reachableValues(numbers)) {
      const problem: CountdownProblem = { puzzle: "countdown", numbers, target };
      if (wanted.has(target) && splitting.splitOf(problem) === split) yield problem;
    }
  }
}

function* multisets(size: number, [low, high]: readonly [number, number]): Generator<number[]> {
  if (size === 0) yield [];
  else
    for (let first = low; first <= high; first++) for (const rest of multisets(size - 1, [first, high])) yield [first, ...rest];
}
