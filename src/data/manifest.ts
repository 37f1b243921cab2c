// manifest.json of a dataset made by `data make`: what it was made from, its files and what they hold. Field names are a
// promise.
import { join } from "node:path";
import type { TestDataSettings, TrainDataSettings } from "../config/dataSettings.ts";
import { UserError } from "../lib/errors.ts";
import { readIfThere } from "../store/shardFolder.ts";
import type { ShardFacts } from "../store/shards.ts";
import type { PuzzleChoice } from "./settings.ts";

export const manifestName = "manifest.json";

/** A file by its name in the dataset's folder. Counts and digest are of its lines before compression. */
export interface DatasetFile extends ShardFacts {
  readonly name: string;
}

export interface DatasetManifest {
  readonly kind: "dataset";
  readonly name: string;
  /** Version of Backtrail. */
  readonly backtrail: string;
  readonly seed: number;
  readonly puzzle: PuzzleChoice;
  readonly train: TrainDataSettings;
  readonly test: TestDataSettings;
  /** Training files in order: one after the other they are the same bytes for any number of threads and any shard size. */
  readonly shards: readonly DatasetFile[];
  /** `test-<set>.jsonl` for each set that has problems. */
  readonly tests: readonly DatasetFile[];
  readonly statistics: Statistics;
  /** Of a dataset that `data import` read: its split is the publisher's, and errors of these kinds were taken. */
  readonly imported?: { readonly allow: readonly string[] };
}

/** Counts of the training examples. */
export interface Statistics {
  readonly examples: number;
  /** Draws that were made for them: more than examples where some were dropped. */
  readonly draws: number;
  readonly origins: Readonly<Record<string, number>>;
  readonly solvers: Readonly<Record<string, number>>;
  /** Searches that declared a goal; absent where no example is a search. */
  readonly solved?: number;
}

/** The manifest of a folder, or undefined when it has none. Throws UserError("file") when it is none of a dataset. */
export async function readManifest(directory: string): Promise<DatasetManifest | undefined> {
  const path = join(directory, manifestName);
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const fail = () =>
    new UserError("file", `${path}: not the manifest of a dataset that this version of \`backtrail data make\` wrote.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fail();
  }
  const isDataset =
    typeof value === "object" &&
    value !== null &&
    "kind" in value &&
    value.kind === "dataset" &&
    "shards" in value &&
    "tests" in value &&
    Array.isArray(value.shards) &&
    Array.isArray(value.tests);
  if (!isDataset) throw fail();
  return value as DatasetManifest;
}
