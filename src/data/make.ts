// Datasets and test sets as streams of records. No files: the run layer and the CLI write them through the store.
import type { TestDataSettings } from "../config/dataSettings.ts";
import { findFormat } from "../trace/registry.ts";
import type { Example, TestProblem } from "./example.ts";
import { exhausted, mostDrawsInVain } from "./exhausted.ts";
import { keyHash } from "./keyHash.ts";
import { keyOf } from "./keys.ts";
import { KeyTable } from "./keyTable.ts";
import { type ProblemSpace, problemSpace } from "./problems.ts";
import { recipeFor } from "./recipe.ts";
import type { PuzzleChoice, TrainSetSettings } from "./settings.ts";
import type { Split } from "./splits.ts";

/**
 * The training examples in the order of their draws (self-backtracking: direct ones first). The training loop shuffles.
 * Throws UserError: of `recipeFor`, or "data-exhausted" when the settings leave too few.
 */
export function* trainExamples(settings: TrainSetSettings, seed: number): Generator<Example> {
  const recipe = recipeFor({ ...settings, seed });
  const seen = recipe.dropsRepeats ? new KeyTable() : undefined;
  let made = 0;
  let inVain = 0;
  for (let index = 0; made < recipe.size; index++) {
    const example = recipe.make(index);
    const isNew = example !== undefined && (seen?.add(...keyHash(keyOf(example), 0)) ?? true);
    inVain = isNew ? 0 : inVain + 1;
    if (inVain > mostDrawsInVain) throw exhausted(made, recipe.size);
    if (!isNew) continue;
    made++;
    yield example;
  }
}

/** A test set to be drawn: its name, its size, where its problems come from. */
interface TestSet {
  readonly name: string;
  readonly count: number;
  readonly split: Split;
  readonly space: ProblemSpace;
}

/**
 * The test problems of all sets, distinct by canonical key within each. Problems of other distributions (`sets`) are of the
 * split `seen` of theirs, which no training set of any distribution holds.
 * Throws UserError: "split-too-small" when there are fewer than asked, "puzzle-empty" when a split has none.
 */
export function testProblems(
  settings: { readonly puzzle: PuzzleChoice; readonly test: TestDataSettings; readonly format: string },
  seed: number,
): TestProblem[] {
  const format = findFormat(settings.puzzle.kind, settings.format);
  return testSets(settings.puzzle, settings.test).flatMap(({ name, count, split, space }) =>
    space.distinct(split, count, seed, name).map((problem, index) => ({
      id: `${name}-${String(index).padStart(5, "0")}`,
      split: name,
      problem: space.puzzle.writeProblem(problem),
      prompt: format.prompt(problem),
    })),
  );
}

function testSets(puzzle: PuzzleChoice, test: TestDataSettings): TestSet[] {
  const space = problemSpace(puzzle);
  const own = (["seen", "unseen", "dev"] as const)
    .filter((split) => space.splits.includes(split))
    .map((split): TestSet => ({ name: split, count: test[split], split, space }));
  const others = Object.entries(test.sets).map(
    ([name, set]): TestSet => ({
      name,
      count: set.size,
      split: "seen",
      space: problemSpace({ ...puzzle, ...set.puzzle }),
    }),
  );
  return [...own, ...others];
}

/** Number of distinct problems that two sets share, up to their puzzle's symmetry. */
export function overlap(a: Iterable<Pick<TestProblem, "problem">>, b: Iterable<Pick<TestProblem, "problem">>): number {
  const keys = new Set(Array.from(b, keyOf));
  return [...new Set(Array.from(a, keyOf))].filter((key) => keys.has(key)).length;
}
