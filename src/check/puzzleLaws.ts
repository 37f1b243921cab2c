// The laws of the Puzzle port, checked on drawn problems: the same for the house's own puzzles and for a user's.
import { isDeepStrictEqual } from "node:util";
import type { Json } from "../lib/hash.ts";
import { canonicalJson } from "../lib/hash.ts";
import { Rng } from "../lib/rng.ts";
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import { type LawBook, shown } from "./law.ts";

// States walked from each root, and how many of a state's actions are followed: enough to meet every kind of step.
const walkLength = 12;
const walks = 4;

/**
 * Checks the puzzle's laws on the problem of that index: records survive reading and writing, keys are stable, every listed action
 * applies, applying is a function of its arguments alone, states have one text each, heuristics are 0 at goals.
 */
export function checkPuzzle(book: LawBook, puzzle: AnyPuzzle, problem: unknown, seed: number, index: number): void {
  const about = () => `problem ${shown(puzzle.writeProblem(problem))}`;
  checkRecord(book, puzzle, problem, about);
  for (let walk = 0; walk < walks; walk++) {
    checkWalk(book, puzzle, problem, Rng.for(seed, "check", puzzle.name, index, walk), about);
  }
}

/** The same stream gives the same problem: what every dataset's reproducibility rests on. */
export function checkGenerator(book: LawBook, puzzle: AnyPuzzle, options: unknown, seed: number, index: number): void {
  const draw = () => puzzle.writeProblem(puzzle.generate(Rng.for(seed, "check", index), options));
  book.check(
    "generate: equal streams give equal problems",
    () => `stream ${index}`,
    () => differ(draw(), draw()),
  );
}

function checkRecord(book: LawBook, puzzle: AnyPuzzle, problem: unknown, about: () => string): void {
  const record = puzzle.writeProblem(problem);
  book.check("writeProblem: the record names its puzzle", about, () =>
    isRecord(record) && record.puzzle === puzzle.name ? undefined : `"puzzle" should be ${shown(puzzle.name)}`,
  );
  const wire = JSON.parse(canonicalJson(record)) as unknown;
  book.check("readProblem(writeProblem(p)) is p, through JSON", about, () =>
    differ(puzzle.writeProblem(puzzle.readProblem(wire)), record),
  );
  book.check("canonicalKey: a function of the problem", about, () =>
    puzzle.canonicalKey(puzzle.readProblem(wire)) === puzzle.canonicalKey(problem) ? undefined : "two keys for one problem",
  );
  book.check("readProblem refuses what is no problem with a UserError", about, () => {
    for (const value of [null, 1, "x", [], {}, { puzzle: puzzle.name }]) {
      try {
        puzzle.readProblem(value);
        return `it takes ${shown(value)}`;
      } catch (error) {
        if (!(error instanceof Error) || !("code" in error)) return `it throws ${String(error)} on ${shown(value)}`;
      }
    }
    return undefined;
  });
  book.check("canSolve: true at the root of a generated problem, or undefined", about, () =>
    puzzle.canSolve?.(problem, puzzle.root(problem)) === false ? "it is false" : undefined,
  );
}

function checkWalk(book: LawBook, puzzle: AnyPuzzle, problem: unknown, rng: Rng, about: () => string): void {
  let state = puzzle.root(problem);
  for (let step = 0; step < walkLength; step++) {
    const here = state;
    const at = () => `${about()}, state ${shown(puzzle.stateKey(here))}`;
    checkState(book, puzzle, problem, here, at);
    const actions = puzzle.actions(problem, here);
    if (actions.length === 0) return;
    const action = rng.pick(actions);
    const applied = puzzle.apply(problem, here, action);
    book.check(
      "apply: takes every action that actions() lists",
      () => `${at()}, action ${shown(action)}`,
      () => (applied.ok ? undefined : `it answers ${shown(applied.violation.message)}`),
    );
    if (!applied.ok) return;
    book.check(
      "apply: equal arguments give equal states, and leave them as they were",
      () => `${at()}, action ${shown(action)}`,
      () => {
        const before = puzzle.stateKey(here);
        const again = puzzle.apply(problem, here, action);
        if (puzzle.stateKey(here) !== before) return "the state that it was given changed";
        return again.ok && puzzle.stateKey(again.state) === puzzle.stateKey(applied.state) ? undefined : "two answers differ";
      },
    );
    state = applied.state;
  }
}

function checkState(book: LawBook, puzzle: AnyPuzzle, problem: unknown, state: unknown, at: () => string): void {
  book.check("actions: the same list, in the same order, each time", at, () =>
    differ(puzzle.actions(problem, state), puzzle.actions(problem, state)),
  );
  const isGoal = puzzle.isGoal(problem, state);
  for (const [name, heuristic] of Object.entries(puzzle.heuristics)) {
    book.check(`heuristics.${name}: a finite number of at least 0`, at, () => {
      const value = heuristic.estimate(problem, state);
      return Number.isFinite(value) && value >= 0 ? undefined : `it is ${value}`;
    });
  }
  book.check("canSolve: never false at a goal", at, () =>
    isGoal && puzzle.canSolve?.(problem, state) === false ? "it is false" : undefined,
  );
}

function isRecord(value: Json): value is { readonly [key: string]: Json | undefined } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function differ(a: unknown, b: unknown): string | undefined {
  return isDeepStrictEqual(a, b) ? undefined : `${shown(a)} is not ${shown(b)}`;
}
