// Published records into a dataset of ours: read, graded, sorted into training set and test splits, written. Memory stays constant.
import { join } from "node:path";
import { type TraceData, traceData } from "../config/dataSettings.ts";
import { solverName, solversOf } from "../config/solvers.ts";
import { UserError } from "../lib/errors.ts";
import { Rng } from "../lib/rng.ts";
import { findPuzzle } from "../puzzle/registry.ts";
import { solve } from "../solver/registry.ts";
import { ShardWriter } from "../store/shards.ts";
import { type Example, type TestProblem, trainId } from "./example.ts";
import { Judge, type JudgedText } from "./importJudge.ts";
import type { Publication, Published } from "./importPublished.ts";
import type { ImportReport } from "./importReport.ts";
import { recordsOf, type SourceFile, splitName } from "./importSource.ts";
import type { DatasetFile } from "./manifest.ts";

export interface ImportOptions {
  readonly publication: Publication;
  /** One of the publication's formats. */
  readonly format: string;
  /** Error kinds that a text may have and still be taken: none for a dataset in which every text is right. */
  readonly allow: ReadonlySet<string>;
  /** Records to pass over at the beginning, and the most to read after them; over all files. */
  readonly skip: number;
  readonly limit: number;
  /** Whether training records without a text get a search of our own: the format's usual solver. */
  readonly solve: boolean;
  readonly shardSize: number;
  readonly signal: AbortSignal;
}

/** What was written, for the manifest. */
export interface ImportedFiles {
  readonly shards: readonly DatasetFile[];
  readonly tests: readonly DatasetFile[];
}

/**
 * Reads all files and writes `train-*.jsonl` and `test-*.jsonl` into the folder. What was accepted and rejected is told to the
 * report. Example ids tell the record's place in the source, over all files. Throws UserError("file") or ("hub") when a
 * file cannot be read; what was written by then is left.
 */
export async function importDataset(
  files: readonly SourceFile[],
  directory: string,
  options: ImportOptions,
  report: ImportReport,
): Promise<ImportedFiles> {
  const output = new Output(directory, options.shardSize);
  const importer = new Importer(options, report, output);
  try {
    let place = 0;
    for (const file of files) {
      for await (const record of recordsOf(file)) {
        options.signal.throwIfAborted();
        const index = place++;
        if (index < options.skip) continue;
        if (index >= options.skip + options.limit) return await output.finish();
        const where = { file: file.path, record: record.index + 1 };
        if ("broken" in record) report.reject("json", { ...where, message: record.broken });
        else await importer.take(record.value, index, splitName(file.path), where);
      }
    }
    return await output.finish();
  } catch (error) {
    await output.abandon();
    throw error;
  }
}

/** Decides what becomes of each record. */
class Importer {
  readonly #options: ImportOptions;
  readonly #report: ImportReport;
  readonly #output: Output;
  readonly #judge: Judge;
  /** Countdown: targets of the training files, which are read first. There are at most a few hundred. */
  readonly #targets = new Set<number>();

  constructor(options: ImportOptions, report: ImportReport, output: Output) {
    this.#options = options;
    this.#report = report;
    this.#output = output;
    this.#judge = new Judge(options.publication.puzzle, options.format);
  }

  async take(
    value: unknown,
    index: number,
    split: string,
    where: { readonly file: string; readonly record: number },
  ): Promise<void> {
    try {
      const published = this.#read(value, index, split);
      const { problem, text } = this.#judge.judge(published);
      if (text) this.#report.graded(text);
      const target = (problem.problem as { readonly target?: number }).target;
      if (split === "train" && text) {
        if (target !== undefined) this.#targets.add(target);
        await this.#example(text, index, where);
        return;
      }
      const known = this.#targets.size > 0 && target !== undefined;
      const name = known ? (this.#targets.has(target) ? "seen" : "unseen") : split === "train" ? "problems" : split;
      this.#report.problem();
      await this.#output.test(name, problem);
    } catch (error) {
      if (!(error instanceof UserError) || (error.code !== "record" && error.code !== "problem")) throw error;
      this.#report.reject(error.code, { ...where, message: error.message });
    }
  }

  async #example(
    { example, wrong }: JudgedText,
    index: number,
    where: { readonly file: string; readonly record: number },
  ): Promise<void> {
    const reason = wrong.find(({ kind }) => !this.#options.allow.has(kind));
    if (reason) {
      this.#report.reject(reason.kind, { ...where, message: reason.message });
      return;
    }
    this.#report.example(example.origin);
    await this.#output.train({ id: trainId(index), ...example });
  }

  #read(value: unknown, index: number, split: string): Published {
    const { publication, format, solve: solving } = this.#options;
    const published = (publication.formats[format] as (value: unknown) => Published)(value);
    const hasText = published.response !== undefined || published.trace !== undefined;
    if (hasText || !solving || split !== "train") return published;
    const puzzle = findPuzzle(publication.puzzle);
    const [solver] = solversOf(traceData.parse({ format }) as TraceData);
    if (solver === undefined) return published;
    const trace = [...solve(puzzle, puzzle.readProblem(published.problem), solver, Rng.for(0, "import", index))];
    return { ...published, trace, solver: solverName(solver) };
  }
}

/** The files of the new dataset. */
class Output {
  readonly #directory: string;
  readonly #shardSize: number;
  readonly #shards: DatasetFile[] = [];
  readonly #tests = new Map<string, { readonly writer: ShardWriter; rows: number }>();
  #shard: ShardWriter | undefined;
  #rows = 0;

  constructor(directory: string, shardSize: number) {
    this.#directory = directory;
    this.#shardSize = shardSize;
  }

  async train(example: Example): Promise<void> {
    if (this.#shard && this.#rows === this.#shardSize) await this.#closeShard();
    this.#shard ??= await ShardWriter.open(join(this.#directory, this.#shardName()));
    await this.#shard.write(line(example), 1);
    this.#rows++;
  }

  async test(split: string, problem: Omit<TestProblem, "id" | "split">): Promise<void> {
    let file = this.#tests.get(split);
    if (file === undefined) {
      file = { writer: await ShardWriter.open(join(this.#directory, `test-${split}.jsonl`)), rows: 0 };
      this.#tests.set(split, file);
    }
    const id = `${split}-${String(file.rows++).padStart(5, "0")}`;
    await file.writer.write(line({ id, split, ...problem }), 1);
  }

  async finish(): Promise<ImportedFiles> {
    await this.#closeShard();
    const tests: DatasetFile[] = [];
    for (const [split, { writer }] of this.#tests) tests.push({ name: `test-${split}.jsonl`, ...(await writer.finish()) });
    return { shards: this.#shards, tests };
  }

  async abandon(): Promise<void> {
    await this.#shard?.abandon();
    for (const { writer } of this.#tests.values()) await writer.abandon();
  }

  #shardName(): string {
    return `train-${String(this.#shards.length).padStart(5, "0")}.jsonl`;
  }

  async #closeShard(): Promise<void> {
    if (this.#shard === undefined) return;
    this.#shards.push({ name: this.#shardName(), ...(await this.#shard.finish()) });
    this.#shard = undefined;
    this.#rows = 0;
  }
}

function line(record: object): Buffer {
  return Buffer.from(`${JSON.stringify(record)}\n`);
}
