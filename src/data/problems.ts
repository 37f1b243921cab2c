// The problems of a puzzle's options, split into those to train on and those to test on: the one door for every family.
// A split is a property of the problem alone (Countdown: and of its held-out targets), never of a seed. No files.
import { UserError } from "../lib/errors.ts";
import { Rng } from "../lib/rng.ts";
import { type CountdownProblem, countdown } from "../puzzle/countdown.ts";
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import { findPuzzle } from "../puzzle/registry.ts";
import { keyHash, keyHashOfBytes } from "./keyHash.ts";
import type { PuzzleChoice } from "./settings.ts";
import { devShare, drawDistinct, drawProblem, type Split, seenShare, splitter } from "./splits.ts";

export interface ProblemSpace {
  readonly puzzle: AnyPuzzle;
  /** Splits that can hold a problem: no puzzle but Countdown knows `unseen`. */
  readonly splits: readonly Split[];
  splitOf(problem: unknown): Split;
  /** A solvable problem of a split; repeats are possible. Throws UserError("puzzle-empty") when none is found. */
  draw(split: Split, rng: Rng): unknown;
  /**
   * `count` problems of a split with distinct canonical keys, drawn by (seed, name). The first k are the same for every count
   * >= k, up to where a small space is nearly used up. Throws UserError("split-too-small") that names `key`, the setting that
   * asks.
   */
  distinct(split: Split, count: number, seed: number, name: string): unknown[];
}

/** Throws UserError: "puzzle-unknown", or "config" naming a wrong option. */
export function problemSpace(choice: PuzzleChoice): ProblemSpace {
  const puzzle = findPuzzle(choice.kind);
  return puzzle.name === countdown.name ? countdownSpace(puzzle, choice) : hashedSpace(puzzle, choice);
}

function countdownSpace(puzzle: AnyPuzzle, choice: PuzzleChoice): ProblemSpace {
  const splitting = splitter(countdown.readOptions(choice));
  return {
    puzzle,
    splits: ["train", "dev", "seen", "unseen"],
    splitOf: (problem) => splitting.splitOf(problem as CountdownProblem),
    draw: (split, rng) => drawProblem(splitting, split, rng),
    distinct: (split, count, seed, name) => drawDistinct(splitting, split, count, seed, name),
  };
}

// Part of what a split is: a changed salt makes another benchmark.
const splitSalt = 0x5e7a11;

/** The split of a problem of any puzzle but Countdown, by its canonical key. */
export function hashedSplit(key: string): Split {
  return splitOfHash(keyHash(key, splitSalt));
}

/** The same of a key given as ASCII. */
export function hashedSplitOfBytes(key: Uint8Array): Split {
  return splitOfHash(keyHashOfBytes(key, splitSalt));
}

function splitOfHash([high]: ReturnType<typeof keyHash>): Split {
  const place = high / 2 ** 32;
  if (place < seenShare) return "seen";
  return place < seenShare + devShare ? "dev" : "train";
}

// A tenth is the rarest split but one (dev: a twentieth); a space with any problem of it is all but sure to show one.
const drawsTried = 2000;
// After this many repeats in a row a space is held to be used up.
const repeatsInARow = 200;

function hashedSpace(puzzle: AnyPuzzle, choice: PuzzleChoice): ProblemSpace {
  const options = puzzle.readOptions(choice);
  const splitOf = (problem: unknown) => hashedSplit(puzzle.canonicalKey(problem));
  const draw = (split: Split, rng: Rng) => {
    for (let attempt = 0; attempt < drawsTried; attempt++) {
      const problem = puzzle.generate(rng, options);
      if (splitOf(problem) === split) return problem;
    }
    throw new UserError(
      "puzzle-empty",
      `${puzzle.name}: none of ${drawsTried} problems drawn belongs to the split "${split}": ` +
        `these options of \`puzzle\` leave too few problems. Make them wider.`,
    );
  };
  return {
    puzzle,
    splits: ["train", "dev", "seen"],
    splitOf,
    draw,
    distinct: (split, count, seed, name) => {
      const found = new Map<string, unknown>();
      for (let index = 0; index < count; index++) {
        const before = found.size;
        for (let attempt = 0; attempt < repeatsInARow && found.size === before; attempt++) {
          const problem = draw(split, Rng.for(seed, "test", name, index, attempt));
          const key = puzzle.canonicalKey(problem);
          if (!found.has(key)) found.set(key, problem);
        }
        if (found.size === before) throw tooSmall(puzzle.name, name, count, before);
      }
      return [...found.values()];
    },
  };
}

function tooSmall(puzzle: string, name: string, count: number, found: number): UserError {
  return new UserError(
    "split-too-small",
    `data.test: ${name} asks for ${count} distinct problems of ${puzzle}, but about ${found} were found before only repeats came. ` +
      "Ask for fewer or make the options of `puzzle` wider.",
  );
}
