// Training problems of Countdown by way of the bitmap of solvable pairs: the same draws as draws.ts in a fraction of the
// time, or an enumerated space without repeats. Knows no text; who made or keeps the bitmap is not known here.
import { deriveSeed, Rng } from "../../lib/rng.ts";
import { type CountdownProblem, countdown } from "../../puzzle/countdown.ts";
import { type ExactWeighting, exactSpace } from "../../puzzle/countdownExact.ts";
import type { Solvable } from "../../puzzle/countdownExactIndex.ts";
import { type Draws, drawsOf } from "../draws.ts";
import type { TrainSet } from "../settings.ts";
import { type Splitter, splitter } from "../splits.ts";

/**
 * The draws of `drawsOf(set)` to the letter, made by asking the bitmap instead of searching. Self-backtracking sets, which
 * have streams of their own, and problems that the bitmap does not hold are left to `drawsOf`.
 */
export function bitmapDraws(set: TrainSet, solvable: Solvable): Draws {
  const slow = drawsOf(set);
  const options = countdown.readOptions(set.puzzle);
  if (set.train.format === "self-backtracking" || !holds(solvable, options)) return slow;
  const splitting = splitter(options);
  const seed = deriveSeed(set.seed, "train", "problem");
  return { puzzle: countdown, problem: (index) => drawn(splitting, solvable, Rng.indexed(seed, index)) ?? slow.problem(index) };
}

function holds({ options }: Solvable, { numbers, operands, targets, deep }: Splitter["options"]): boolean {
  const same = (one: readonly number[], other: readonly number[]) => one.every((value, index) => value === other[index]);
  return !deep && numbers === options.numbers && same(operands, options.operands) && same(targets, options.targets);
}

// The first round of drawCountdown; where it finds nothing, the caller starts over with the slow way.
const drawsPerTarget = 2000;

function drawn({ options, targets, splitOf }: Splitter, solvable: Solvable, rng: Rng): CountdownProblem | undefined {
  const [low, high] = options.operands;
  const possible = targets("train");
  if (possible.length === 0) return undefined;
  const target = rng.pick(possible);
  const numbers = new Array<number>(options.numbers).fill(0);
  for (let draw = 0; draw < drawsPerTarget; draw++) {
    for (let place = 0; place < numbers.length; place++) numbers[place] = rng.between(low, high);
    if (!solvable.has(numbers, target)) continue;
    const problem: CountdownProblem = { puzzle: "countdown", numbers, target };
    if (splitOf(problem) === "train") return problem;
  }
  return undefined;
}

/**
 * The exact mode: draw i is problem i of the enumerated space of training targets in an order drawn by the set's seed, so no
 * problem comes twice. Draws of problems that the splits keep for tests give none (15 in 100), nor do draws beyond the
 * space: a set of N examples takes about N / 0.85 draws.
 */
export function exactDraws(set: TrainSet, solvable: Solvable, weighting: ExactWeighting = "targets"): Draws {
  const { targets, splitOf } = splitter(countdown.readOptions(set.puzzle));
  const space = exactSpace(solvable, { targets: targets("train"), seed: set.seed, weighting });
  return {
    puzzle: countdown,
    problem: (index) => {
      const problem = index < space.size ? space.problemAt(index) : undefined;
      return problem && splitOf(problem) === "train" ? problem : undefined;
    },
  };
}
