// Datasets for tests: settings that are quick to make, made into folders of their own.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { selfBacktrackingData, type TraceData, testDataSettings, traceData } from "../../src/config/dataSettings.ts";
import { type DatasetOptions, type DatasetSettings, makeDatasetFolder } from "../../src/data/dataset.ts";
import type { Example } from "../../src/data/example.ts";
import { countdownOptions } from "../../src/puzzle/countdown.ts";

/** Exports the puzzle "toy" and its format "climb". */
export const toyModule = fileURLToPath(new URL("fixtures/toy.ts", import.meta.url));

/** Self-backtracking on three small numbers. */
export function small(train: object = {}): DatasetSettings {
  return {
    name: "small",
    seed: 7,
    puzzle: countdownOptions.parse({ kind: "countdown", numbers: 3, operands: [1, 20], targets: [10, 60] }),
    train: selfBacktrackingData.parse({ format: "self-backtracking", size: 1000, ...train }),
    test: testDataSettings.parse({ seen: 30, unseen: 20 }),
  };
}

/** Searches of the toy puzzle, once its module is loaded. */
export function toy(train: object = {}, most = 1000): DatasetSettings {
  const { format: _, ...rest } = traceData.parse({ format: "path", size: 300, ...train });
  // What a config's `format: {module: ...}` is read as.
  const read = { ...rest, format: "climb" as TraceData["format"] };
  const puzzle = { kind: "toy", most };
  return { name: "toy", seed: 7, puzzle, train: read, test: testDataSettings.parse({ seen: 3, unseen: 9, dev: 2 }) };
}

export function makeIn(directory: string, settings: DatasetSettings, options: Partial<DatasetOptions> = {}) {
  return makeDatasetFolder(settings, {
    directory,
    option: "--out there",
    version: "0.0.0-test",
    threads: 1,
    shardSize: 400,
    compress: false,
    cache: join(directory, "..", "cache"),
    signal: new AbortController().signal,
    onProgress: () => undefined,
    ...options,
  });
}

/** All training lines of a dataset, shards one after the other. */
export function trainText(directory: string): string {
  const names = readdirSync(directory).filter((name) => name.startsWith("train-"));
  const contents = names.sort().map((name) => {
    const bytes = readFileSync(join(directory, name));
    return name.endsWith(".gz") ? gunzipSync(bytes) : bytes;
  });
  return Buffer.concat(contents).toString();
}

export function examplesOf(directory: string): Example[] {
  return trainText(directory)
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Example);
}
