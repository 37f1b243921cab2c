// What a dataset is like: counts, lengths, how hard its problems are. Streams; no judgement of right and wrong.
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { readProblem } from "../puzzle/registry.ts";
import { ShardReader } from "../store/shards.ts";
import { count, noCounts } from "./counts.ts";
import type { Example } from "./example.ts";
import { type DatasetFiles, readExamples } from "./reading.ts";

export interface Bin {
  /** From `low` up to, not including, `high`; the last bin includes it. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

export interface Distribution {
  readonly values: number;
  readonly min: number;
  readonly median: number;
  readonly mean: number;
  readonly p90: number;
  readonly max: number;
  readonly bins: readonly Bin[];
}

export interface Inspection {
  readonly examples: number;
  readonly origins: Readonly<Record<string, number>>;
  readonly solvers: Readonly<Record<string, number>>;
  /** Examples that are a search, and those that declared a goal. */
  readonly searches: number;
  readonly solved: number;
  /** Responses whose end is not trained: they were cut off. */
  readonly cut: number;
  /** Share of all characters that is trained. */
  readonly trainedShare: number;
  /** Of the responses. */
  readonly characters: Distribution;
  /** Nodes generated, where examples tell. */
  readonly nodes?: Distribution;
  /** The puzzle's own statistics over the first `statisticsOf` examples with different problems. */
  readonly statistics: Readonly<Record<string, Distribution>>;
  readonly statisticsOf: number;
  /** The first examples. */
  readonly shown: readonly Example[];
}

// A puzzle's statistics may take milliseconds a problem.
const mostStatistics = 1000;

/** Reads all of a dataset's training examples. Throws UserError("file") at the first line that is none. */
export async function inspectDataset(files: DatasetFiles, numShown: number): Promise<Inspection> {
  const counts = noCounts();
  const shown: Example[] = [];
  const characters: number[] = [];
  const nodes: number[] = [];
  const problems = new ProblemStatistics();
  let all = 0;
  let trained = 0;
  let cut = 0;
  for (const file of files.train) {
    const reader = new ShardReader(join(files.directory, file));
    for await (const line of readExamples(reader)) {
      if (line.fault !== undefined) throw new UserError("file", `${file}:${line.number}: ${line.fault}.`);
      const example = line.value;
      count(counts, example);
      characters.push(example.response.length);
      all += example.prompt.length + example.response.length;
      trained += example.spans.reduce((sum, [from, to]) => sum + to - from, 0);
      if (!example.trainEnd) cut++;
      if (example.nodes !== undefined) nodes.push(example.nodes);
      if (shown.length < numShown) shown.push(example);
      problems.add(example);
    }
  }
  return {
    examples: characters.length,
    ...counts,
    cut,
    trainedShare: all === 0 ? 0 : trained / all,
    characters: distribution(characters),
    ...(nodes.length > 0 ? { nodes: distribution(nodes) } : {}),
    statistics: problems.distributions(),
    statisticsOf: problems.count,
    shown,
  };
}

class ProblemStatistics {
  count = 0;
  readonly #keys = new Set<string>();
  readonly #values = new Map<string, number[]>();

  add(example: Example): void {
    if (this.count >= mostStatistics) return;
    const { puzzle, problem } = readProblem(example.problem);
    const key = puzzle.canonicalKey(problem);
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    this.count++;
    for (const [name, value] of Object.entries(puzzle.statistics?.(problem) ?? {})) {
      const values = this.#values.get(name);
      if (values) values.push(value);
      else this.#values.set(name, [value]);
    }
  }

  distributions(): Record<string, Distribution> {
    return Object.fromEntries([...this.#values].map(([name, values]) => [name, distribution(values)]));
  }
}

const mostBins = 10;

/** Summary and histogram of a list. Whole numbers get bins of whole numbers. */
export function distribution(values: readonly number[]): Distribution {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const [min, max] = [at(0), at(1)];
  const sum = sorted.reduce((total, value) => total + value, 0);
  return {
    values: sorted.length,
    min,
    median: at(0.5),
    mean: sorted.length === 0 ? 0 : sum / sorted.length,
    p90: at(0.9),
    max,
    bins: sorted.length === 0 ? [] : binsOf(sorted, min, max),
  };
}

function binsOf(sorted: Float64Array, min: number, max: number): Bin[] {
  const isWhole = sorted.every(Number.isInteger);
  // A range of ten whole numbers or fewer has a bin for each.
  const width = isWhole ? Math.max(1, Math.ceil((max - min + 1) / mostBins)) : (max - min) / mostBins || 1;
  const number = isWhole ? Math.ceil((max - min + 1) / width) : max > min ? mostBins : 1;
  const counts = new Array<number>(number).fill(0);
  for (const value of sorted) {
    const bin = Math.min(number - 1, Math.floor((value - min) / width));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts.map((count, bin) => ({ low: min + bin * width, high: min + (bin + 1) * width, count }));
}
