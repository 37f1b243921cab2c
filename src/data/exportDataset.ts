// A dataset as an export reads it: its shards and test files, again and again, each record checked. Knows no target format.
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { ShardReader } from "../store/shards.ts";
import type { Example, TestProblem } from "./example.ts";
import { type DatasetFiles, type Line, readExamples, readTests } from "./reading.ts";

/** A file of a dataset: a shard of the training set, or the problems of a test split. */
export interface RowFile<Row> {
  /** The file's records, read anew at each call. Throws UserError("file") naming file and line. */
  rows(): AsyncIterable<Row>;
}

export interface Dataset {
  readonly train: readonly RowFile<Example>[];
  readonly tests: readonly (RowFile<TestProblem> & { readonly split: string })[];
}

/** The dataset in these files. */
export function openDataset({ directory, train, tests }: DatasetFiles): Dataset {
  return {
    train: train.map((name) => ({ rows: () => faultless(name, readExamples(new ShardReader(join(directory, name)))) })),
    tests: tests.map((name) => ({
      split: name.replace(/^test-|\.jsonl$/g, ""),
      rows: () => faultless(name, readTests(new ShardReader(join(directory, name)))),
    })),
  };
}

async function* faultless<Row>(name: string, lines: AsyncIterable<Line<Row>>): AsyncGenerator<Row> {
  for await (const line of lines) {
    if (line.fault !== undefined) throw new UserError("file", `${name}:${line.number}: ${line.fault}.`);
    yield line.value;
  }
}

/** Counts examples as they pass. */
export class Census {
  /** Format -> origin -> examples. */
  readonly origins: Record<string, Record<string, number>> = {};
  /** Examples of which a part, or the end of text, is not trained on. */
  masked = 0;

  async *watch(examples: AsyncIterable<Example>): AsyncGenerator<Example> {
    for await (const example of examples) {
      const { format, origin, spans, response, trainEnd } = example;
      this.origins[format] ??= {};
      const counts = this.origins[format];
      counts[origin] = (counts[origin] ?? 0) + 1;
      const trained = spans.reduce((sum, [from, to]) => sum + to - from, 0);
      if (trained < response.length || !trainEnd) this.masked++;
      yield example;
    }
  }
}
