// How many test problems there are of each split and further set.
import { countdown } from "../puzzle/countdown.ts";
import type { TestDataSettings } from "./dataSettings.ts";

/** The settings without problems of a split that the puzzle does not have: only Countdown holds targets out. */
export function possibleTests(puzzle: { readonly kind: string }, test: TestDataSettings): TestDataSettings {
  return puzzle.kind === countdown.name ? test : { ...test, unseen: 0 };
}

/** Problems by split, further sets included. */
export function testSizes(puzzle: { readonly kind: string }, test: TestDataSettings): Readonly<Record<string, number>> {
  const { seen, unseen, dev, sets } = possibleTests(puzzle, test);
  return { seen, unseen, dev, ...Object.fromEntries(Object.entries(sets).map(([name, { size }]) => [name, size])) };
}

/** Problems of all splits and further sets. */
export function testCount(puzzle: { readonly kind: string }, test: TestDataSettings): number {
  return Object.values(testSizes(puzzle, test)).reduce((sum, size) => sum + size, 0);
}
