// The files of a training in progress: metrics.jsonl, never counting a step twice, and the pointer to the checkpoint to
// resume from. Implements train/journal.ts's port by shape; knows nothing of training.
import { open, readFile, rm, stat } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { writeAtomic } from "./files.ts";

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
  const file = await open(join(work, "metrics.jsonl"), "a");
  return new TrainFiles(work, outputDirectory, file);
}

export class TrainFiles {
  readonly #work: string;
  readonly #output: string;
  #file: Awaited<ReturnType<typeof open>>;

  constructor(work: string, output: string, file: Awaited<ReturnType<typeof open>>) {
    this.#work = work;
    this.#output = output;
    this.#file = file;
  }

  async append(record: Stepped): Promise<void> {
    await this.#file.write(`${JSON.stringify(record)}\n`);
  }

  /** Drops the lines of steps after `step` and a torn last line. */
  async cutAfter(step: number): Promise<void> {
    const path = join(this.#work, "metrics.jsonl");
    const lines = (await readFile(path, "utf8")).split("\n").slice(0, -1);
    const kept = lines.filter((line) => (JSON.parse(line) as Stepped).step <= step);
    await this.#file.close();
    await writeAtomic(path, kept.map((line) => `${line}\n`).join(""));
    this.#file = await open(path, "a");
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
    const path = resolve(point.path).slice(resolve(this.#work).length + 1);
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
