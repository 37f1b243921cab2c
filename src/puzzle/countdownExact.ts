// The exact mode of Countdown: the solvable problems of a small space in a keyed order, with random access. A set made from
// it holds no problem twice, by construction and without memory. Pure; who made or keeps the bitmap is not known here.
import { deriveSeed, Rng } from "../lib/rng.ts";
import type { CountdownProblem } from "./countdown.ts";
import type { Solvable } from "./countdownExactIndex.ts";
import { exactPermutation } from "./countdownExactPermutation.ts";

/**
 * How often each target occurs. `targets`: equally often, as in Stream of Search, for as long as it has problems left.
 * `pairs`: in proportion to its number of problems, so that every pair of the space is equally likely.
 */
export type ExactWeighting = "targets" | "pairs";

export interface ExactChoice {
  /** The target values to draw from: those of training, or those held out. */
  readonly targets: readonly number[];
  readonly seed: number;
  readonly weighting?: ExactWeighting;
}

/** Problems 0 to size - 1 of a space: each solvable (multiset of numbers, target) once. */
export interface ExactSpace {
  readonly size: number;
  /** Problem `index`, a bijection of 0 .. size - 1; its numbers in an order drawn by the seed. About 2 us. */
  problemAt(index: number): CountdownProblem;
}

/** Which pair stands at an index: the target, and the place among its multisets. */
type Place = (index: number) => { readonly target: number; readonly nth: number };

/**
 * The solvable problems with these targets in an order drawn by the seed. Disjoint ranges of indices are disjoint sets of
 * problems; so are spaces of different targets. The order of two seeds is another, so ranges of two seeds do overlap: a
 * split that must hold for every seed is a property of the problem (data/splits.ts), asked of each problem.
 * Multisets are equally likely within a target, where drawing ordered numbers would prefer those without repeats.
 */
export function exactSpace(solvable: Solvable, { targets, seed, weighting = "targets" }: ExactChoice): ExactSpace {
  const size = targets.reduce((sum, target) => sum + solvable.count(target), 0);
  const place = (weighting === "targets" ? placeByTargets : placeByPairs)(solvable, targets, seed);
  const order = deriveSeed(seed, "exact", "order of numbers");
  return {
    size,
    problemAt: (index) => {
      if (!(index >= 0 && index < size)) throw new RangeError(`exactSpace: problem ${index} of ${size}`);
      const { target, nth } = place(index);
      const numbers = Rng.indexed(order, index).shuffled(solvable.select(target, nth));
      return { puzzle: "countdown", numbers, target };
    },
  };
}

function placeByPairs(solvable: Solvable, targets: readonly number[], seed: number): Place {
  const starts: number[] = [];
  let size = 0;
  for (const target of targets) {
    starts.push(size);
    size += solvable.count(target);
  }
  const permuted = exactPermutation(size, deriveSeed(seed, "exact", "pairs"));
  return (index) => {
    const pair = permuted(index);
    const column = starts.findLastIndex((start) => start <= pair);
    return { target: targets[column] as number, nth: pair - (starts[column] as number) };
  };
}

/** Rounds in which every target of `targets` occurs once: those that have at least as many problems as there were rounds. */
interface Phase {
  readonly start: number;
  readonly firstRound: number;
  readonly targets: readonly number[];
}

function phasesOf(solvable: Solvable, targets: readonly number[]): Phase[] {
  const phases: Phase[] = [];
  let start = 0;
  let firstRound = 0;
  for (;;) {
    const left = targets.filter((target) => solvable.count(target) > firstRound);
    if (left.length === 0) return phases;
    phases.push({ start, firstRound, targets: left });
    const end = Math.min(...left.map((target) => solvable.count(target)));
    start += (end - firstRound) * left.length;
    firstRound = end;
  }
}

/** Round r gives the r-th problem of each target's own permutation, the targets in an order drawn for the round. */
function placeByTargets(solvable: Solvable, targets: readonly number[], seed: number): Place {
  const phases = phasesOf(solvable, targets);
  const orders = deriveSeed(seed, "exact", "order of targets");
  const permuted = new Map(
    targets.map((target) => [
      target,
      exactPermutation(Math.max(1, solvable.count(target)), deriveSeed(seed, "exact", "target", target)),
    ]),
  );
  // Problems are mostly asked for in order: the phase, and the round's order of targets, are kept until others are asked for.
  let known = { round: -1, order: [] as readonly number[] };
  let phase = 0;
  const startOf = (nth: number) => phases[nth]?.start ?? Number.POSITIVE_INFINITY;
  return (index) => {
    if (index < startOf(phase) || index >= startOf(phase + 1)) phase = phases.findLastIndex(({ start }) => start <= index);
    const { start, firstRound, targets: left } = phases[phase] as Phase;
    const inPhase = index - start;
    const round = firstRound + Math.floor(inPhase / left.length);
    if (known.round !== round) known = { round, order: Rng.indexed(orders, round).shuffled(left) };
    const target = known.order[inPhase % left.length] as number;
    return { target, nth: (permuted.get(target) as (index: number) => number)(round) };
  };
}
