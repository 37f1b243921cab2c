// Datasets and test sets as streams of records. No files: the run layer writes them through the store.
import type { TestDataSettings } from "../config/schema.ts";
import { type CountdownOptions, countdown } from "../puzzle/countdown.ts";
import type { FormatName } from "../trace/registry.ts";
import { findFormat } from "../trace/registry.ts";
import type { Example, TestProblem } from "./example.ts";
import { type ExampleSettings, exampleMaker } from "./examples.ts";
import { drawDistinct, splitter, type TestSplit } from "./splits.ts";

/**
 * The training examples `from` to `to` - 1 (default: all), in index order: direct ones first. The training loop shuffles.
 * Any cut into shards gives the same records.
 */
export function* trainExamples(
  settings: ExampleSettings,
  seed: number,
  from = 0,
  to = settings.train.size,
): Generator<Example> {
  const maker = exampleMaker(settings, seed);
  for (let index = from; index < to; index++) yield maker.make(index);
}

const testSplits: readonly TestSplit[] = ["seen", "unseen", "dev"];

/**
 * The test problems of all splits, distinct by canonical key.
 * Throws UserError: "split-too-small" when there are fewer than asked, "puzzle-empty" when a split has none.
 */
export function testProblems(
  settings: { readonly puzzle: CountdownOptions; readonly test: TestDataSettings; readonly format: FormatName },
  seed: number,
): TestProblem[] {
  const splitting = splitter(settings.puzzle);
  const format = findFormat(settings.format);
  return testSplits.flatMap((split) =>
    drawDistinct(splitting, split, settings.test[split], seed).map((problem, index) => ({
      id: `${split}-${String(index).padStart(5, "0")}`,
      split,
      problem: countdown.writeProblem(problem),
      prompt: format.prompt(problem),
    })),
  );
}

/** Number of distinct problems that two sets share, whatever the order of their numbers. */
export function overlap(a: Iterable<Pick<TestProblem, "problem">>, b: Iterable<Pick<TestProblem, "problem">>): number {
  const keys = keysOf(b);
  let shared = 0;
  for (const key of keysOf(a)) if (keys.has(key)) shared++;
  return shared;
}

function keysOf(records: Iterable<Pick<TestProblem, "problem">>): Set<string> {
  const keys = new Set<string>();
  for (const record of records) keys.add(countdown.canonicalKey(countdown.readProblem(record.problem)));
  return keys;
}
