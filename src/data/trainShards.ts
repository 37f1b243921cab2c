// Writes the training examples of a dataset: chunks in the order of their draws, repeats left out, cut into shards, each
// noted in the journal when it is whole. Interrupted, the next run goes on after the last whole shard.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { loadedModules } from "../config/moduleLoader.ts";
import { abortError } from "../lib/abort.ts";
import type { FinishedShard, ShardJournal } from "../store/shardJournal.ts";
import { ShardReader, ShardWriter } from "../store/shards.ts";
import type { Chunk } from "./chunk.ts";
import { addCounts, type Counts, count, noCounts } from "./counts.ts";
import { exhausted, mostDrawsInVain } from "./exhausted.ts";
import { keyHash } from "./keyHash.ts";
import { keyOf } from "./keys.ts";
import { KeyTable } from "./keyTable.ts";
import { prepare } from "./prepare.ts";
import { recipeFor } from "./recipe.ts";
import type { TrainSet } from "./settings.ts";
import { chunks } from "./threads.ts";

/** A training shard in the journal. Other files of a dataset have no `nextDraw`. */
export interface MadeShard extends FinishedShard {
  /** The first draw that is not in it. */
  readonly nextDraw?: number;
  readonly counts?: Counts;
}

export interface TrainJob {
  readonly set: TrainSet;
  readonly directory: string;
  /** Folder of what may be kept between datasets. */
  readonly cache: string;
  /** Default: one for each core, and this one alone for a small set. */
  readonly threads?: number | undefined;
  readonly shardSize: number;
  /** "" or ".gz". */
  readonly suffix: string;
  /** Where the folder is nobody's before it is whole, `noJournal`. */
  readonly journal: Pick<ShardJournal<MadeShard>, "finished" | "add">;
  readonly signal: AbortSignal;
  /** Called with the examples made so far, a few hundred at a time. */
  readonly onProgress: (made: number) => void;
}

export interface TrainMade {
  readonly shards: readonly MadeShard[];
  readonly counts: Counts;
  readonly draws: number;
}

export const noJournal: TrainJob["journal"] = { finished: [], add: () => Promise.resolve() };

// Below this many examples, starting threads takes longer than they save.
const worthThreads = 4096;

/**
 * Rejects with AbortError when interrupted. Throws UserError: of `recipeFor` and `prepare`, or "data-exhausted" when the
 * settings leave too few examples.
 */
export async function writeTrainShards(job: TrainJob): Promise<TrainMade> {
  const { set } = job;
  const kept = job.journal.finished.filter((shard) => shard.nextDraw !== undefined);
  const prepared = await prepare(set, job.cache);
  const { dropsRepeats, size } = recipeFor(set, prepared);
  const assembly = new Assembly({ ...job, size, dropsRepeats }, kept);
  await assembly.remember();
  job.onProgress(assembly.made);
  if (assembly.made === size) return assembly.result();
  const threads = job.threads ?? (size - assembly.made < worthThreads ? 1 : availableParallelism());
  try {
    for await (const chunk of chunks({ set, prepared, modules: loadedModules(), threads, from: assembly.nextDraw })) {
      if (job.signal.aborted) throw abortError(job.signal);
      await assembly.take(chunk);
      job.onProgress(assembly.made);
      if (assembly.made === size) break;
    }
  } finally {
    await assembly.abandon();
  }
  return assembly.result();
}

interface AssemblyJob extends TrainJob {
  readonly size: number;
  readonly dropsRepeats: boolean;
}

class Assembly {
  made = 0;
  nextDraw = 0;
  readonly #job: AssemblyJob;
  readonly #shards: MadeShard[];
  readonly #seen: KeyTable | undefined;
  readonly #total = noCounts();
  #counts = noCounts();
  #rows = 0;
  #inVain = 0;
  #writer: ShardWriter | undefined;

  constructor(job: AssemblyJob, kept: readonly MadeShard[]) {
    this.#job = job;
    this.#shards = [...kept];
    this.#seen = job.dropsRepeats ? new KeyTable() : undefined;
    for (const shard of kept) {
      this.made += shard.rows;
      this.nextDraw = shard.nextDraw ?? 0;
      addCounts(this.#total, shard.counts ?? noCounts());
    }
  }

  /** Reads the keys of shards that earlier runs have made. */
  async remember(): Promise<void> {
    if (this.#seen === undefined) return;
    for (const { name } of this.#shards) {
      for await (const line of new ShardReader(join(this.#job.directory, name)).lines()) {
        this.#seen.add(...keyHash(keyOf(JSON.parse(line) as { problem: unknown }), 0));
      }
    }
  }

  /** Lines that are kept are written in runs as long as possible. */
  async take(chunk: Chunk): Promise<void> {
    const { bytes, ends, kindOf, kinds, from } = chunk;
    let runStart = 0;
    let runRows = 0;
    let start = 0;
    const writeRun = async (end: number) => {
      if (runRows > 0) await (await this.#open()).write(bytes.subarray(runStart, end), runRows);
      runRows = 0;
    };
    for (let at = 0; at < ends.length && this.made < this.#job.size; at++) {
      const end = ends[at] as number;
      this.nextDraw = from + at + 1;
      if (end > start && this.#isNew(chunk, at)) {
        if (runRows === 0) runStart = start;
        runRows++;
        this.#rows++;
        this.made++;
        this.#inVain = 0;
        count(this.#counts, kinds[kindOf[at] as number] as (typeof kinds)[number]);
        if (this.#rows === this.#job.shardSize || this.made === this.#job.size) {
          await writeRun(end);
          await this.#finishShard();
        }
      } else {
        await writeRun(start);
        if (++this.#inVain > mostDrawsInVain) throw exhausted(this.made, this.#job.size);
      }
      start = end;
    }
    await writeRun(start);
  }

  async abandon(): Promise<void> {
    await this.#writer?.abandon();
    this.#writer = undefined;
  }

  result(): TrainMade {
    return { shards: this.#shards, counts: this.#total, draws: this.nextDraw };
  }

  #isNew({ keys }: Chunk, at: number): boolean {
    return this.#seen?.add(keys[2 * at] as number, keys[2 * at + 1] as number) ?? true;
  }

  async #open(): Promise<ShardWriter> {
    const name = `train-${String(this.#shards.length).padStart(5, "0")}.jsonl${this.#job.suffix}`;
    this.#writer ??= await ShardWriter.open(join(this.#job.directory, name));
    return this.#writer;
  }

  async #finishShard(): Promise<void> {
    const writer = await this.#open();
    const facts = await writer.finish();
    this.#writer = undefined;
    const name = writer.path.slice(this.#job.directory.length + 1);
    const shard: MadeShard = { name, ...facts, nextDraw: this.nextDraw, counts: this.#counts };
    await this.#job.journal.add(shard);
    this.#shards.push(shard);
    addCounts(this.#total, this.#counts);
    this.#counts = noCounts();
    this.#rows = 0;
  }
}
