// The files of a training in progress: metrics.jsonl, never counting a step twice, and the pointer to the checkpoint to
// resume from. Implements train/journal.ts's port by shape; knows nothing of training.
import { open, readdir, readFile, rm, stat } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { readJsonl, storeError, writeAtomic } from "./files.ts";

interface Stepped {
  readonly step: number;
}

interface Pointer extends Stepped {
  readonly path: string;
  readonly tokens: number;
  readonly trainedTokens: number;
  readonly loss: number;
}

/** Opens (or makes) the journal of a work directory. `outputDirectory` may be discarded too. */
export async function openTrainJournal(work: string, outputDirectory: string): Promise<TrainFiles> {
  const path = join(work, "metrics.jsonl");
  try {
    // What workers that were killed while they saved have left.
    for (const name of await readdir(work)) {
      if (/^checkpoint-\d+\..*(partial|tmp)/.test(name)) await rm(join(work, name), { recursive: true, force: true });
    }
    return new TrainFiles(work, outputDirectory, await open(path, "a"));
  } catch (error) {
    throw storeError(error, path);
  }
}

export class TrainFiles {
  readonly #work: string;
  readonly #output: string;
  readonly #metrics: string;
  #file: Awaited<ReturnType<typeof open>>;

  constructor(work: string, output: string, file: Awaited<ReturnType<typeof open>>) {
    this.#work = work;
    this.#output = output;
    this.#metrics = join(work, "metrics.jsonl");
    this.#file = file;
  }

  async append(record: Stepped): Promise<void> {
    try {
      await this.#file.appendFile(`${JSON.stringify(record)}\n`);
    } catch (error) {
      throw storeError(error, this.#metrics);
    }
  }

  /** Drops the lines of steps after `step` and a torn last line. */
  async cutAfter(step: number): Promise<void> {
    let kept = "";
    for await (const record of readJsonl<Stepped>(this.#metrics)) {
      if (record.step <= step) kept += `${JSON.stringify(record)}\n`;
    }
    await writeAtomic(this.#metrics, kept);
    await this.#file.close();
    this.#file = await open(this.#metrics, "a");
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  /** The resume point last recorded, if its checkpoint is still there. */
  async latest(): Promise<Pointer | undefined> {
    const text = await readFile(join(this.#work, "latest.json"), "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    const pointer = JSON.parse(text) as Pointer;
    const path = join(this.#work, pointer.path);
    const found = await stat(path).catch(() => undefined);
    return found?.isDirectory() ? { ...pointer, path } : undefined;
  }

  /** Recorded relative to the work directory, so that a store may be moved. */
  async setLatest(point: Pointer): Promise<void> {
    const path = relative(resolve(this.#work), resolve(point.path));
    if (path === "" || path.startsWith("..") || isAbsolute(path)) {
      throw new Error(`a checkpoint to resume from lies in the training's work directory, not at ${point.path}`);
    }
    await writeAtomic(join(this.#work, "latest.json"), `${JSON.stringify({ ...point, path })}\n`);
  }

  async discard(path: string): Promise<void> {
    const target = resolve(path);
    const inside = [this.#work, this.#output].some(
      (root) => target === resolve(root) || target.startsWith(resolve(root) + sep),
    );
    if (!inside || target === resolve(this.#work))
      throw new Error(`refusing to remove ${path}: not inside the training's own folders`);
    await rm(target, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
