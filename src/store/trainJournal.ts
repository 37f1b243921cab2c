// The files of a training in progress: metrics.jsonl, never counting a step twice, and the checkpoints to resume from.
// Implements train/journal.ts's port by shape; knows nothing of training.
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { UserError } from "../lib/errors.ts";
import { JsonlWriter, readJsonl, storeError, writeAtomic } from "./files.ts";

interface Stepped {
  readonly step: number;
}

interface Pointer extends Stepped {
  readonly path: string;
  readonly tokens: number;
  readonly trainedTokens: number;
  readonly loss: number;
  readonly halved?: { readonly rows: number; readonly tokens: number | undefined };
}

/** As it is written down: the path as seen from the work directory, so that a store may be moved. */
interface RecordedPointer extends Pointer {
  /** File below the checkpoint -> bytes when it was whole. Not in records of version 0.1.0. */
  readonly files?: Readonly<Record<string, number>>;
}

const pointersName = "latest.json";
// One to go on from, and one in case that one is damaged; both are dropped with the work directory when training is done.
const keptCheckpoints = 2;

/** Opens (or makes) the journal of a work directory. `outputDirectory` may be discarded too. */
export async function openTrainJournal(work: string, outputDirectory: string): Promise<TrainFiles> {
  const path = join(work, "metrics.jsonl");
  try {
    // What workers that were killed while they saved have left: a checkpoint gets its plain name when it is whole.
    for (const name of await readdir(work)) {
      if (/^checkpoint-\d+\./.test(name)) await rm(join(work, name), { recursive: true, force: true });
    }
    return new TrainFiles(work, outputDirectory, await JsonlWriter.open(path));
  } catch (error) {
    throw storeError(error, path);
  }
}

export class TrainFiles {
  readonly #work: string;
  readonly #output: string;
  readonly #metrics: string;
  #file: JsonlWriter;

  constructor(work: string, output: string, file: JsonlWriter) {
    this.#work = work;
    this.#output = output;
    this.#metrics = join(work, "metrics.jsonl");
    this.#file = file;
  }

  append(record: Stepped): Promise<void> {
    return this.#file.append({ ...record });
  }

  /** Drops the lines of steps after `step` and a torn last line. */
  async cutAfter(step: number): Promise<void> {
    let kept = "";
    for await (const record of readJsonl<Stepped>(this.#metrics)) {
      if (record.step <= step) kept += `${JSON.stringify(record)}\n`;
    }
    await writeAtomic(this.#metrics, kept);
    await this.#file.close();
    this.#file = await JsonlWriter.open(this.#metrics);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  /** The newest resume point whose checkpoint is whole: all its files are there, each as long as when it was recorded. */
  async latest(): Promise<Pointer | undefined> {
    return (await this.#wholePoints())[0];
  }

  /**
   * Records the resume point. Its checkpoint is kept, and so is that of the newest whole one before it; older ones go. A
   * checkpoint that is being written at the same time, of a later step, is not touched.
   */
  async setLatest(point: Pointer): Promise<void> {
    this.#fromWork(point.path);
    const before = (await this.#wholePoints()).filter(({ step }) => step < point.step);
    const kept = [point, ...before].slice(0, keptCheckpoints);
    const records = await Promise.all(
      kept.map(async (item) => ({ ...item, path: this.#fromWork(item.path), files: await filesBelow(item.path) })),
    );
    await writeAtomic(join(this.#work, pointersName), `${JSON.stringify(records)}\n`);
    const oldest = Math.min(...kept.map(({ step }) => step));
    for (const name of await readdir(this.#work)) {
      const [, step] = /^checkpoint-(\d+)$/.exec(name) ?? [];
      if (step !== undefined && Number(step) < oldest) await this.discard(join(this.#work, name));
    }
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

  /** Newest first, with paths as they are now. */
  async #wholePoints(): Promise<Pointer[]> {
    const text = await readFile(join(this.#work, pointersName), "utf8").catch(() => undefined);
    if (text === undefined) return [];
    const points: Pointer[] = [];
    for (const { files, ...point } of parsePointers(text, join(this.#work, pointersName))) {
      const path = join(this.#work, point.path);
      if (await isWhole(path, files ?? {})) points.push({ ...point, path });
    }
    return points;
  }

  #fromWork(checkpoint: string): string {
    const path = relative(resolve(this.#work), resolve(checkpoint));
    if (path === "" || path.startsWith("..") || isAbsolute(path)) {
      throw new Error(`a checkpoint to resume from lies in the training's work directory, not at ${checkpoint}`);
    }
    return path;
  }
}

function parsePointers(text: string, path: string): RecordedPointer[] {
  try {
    const recorded = JSON.parse(text) as RecordedPointer | RecordedPointer[];
    return Array.isArray(recorded) ? recorded : [recorded];
  } catch (error) {
    const mend = "The file was changed by hand or is damaged. Remove it to train from the start";
    throw new UserError("file", `${path}: not JSON (${(error as Error).message}). ${mend}.`, { cause: error });
  }
}

async function filesBelow(directory: string): Promise<Record<string, number>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(paths.sort().map(async (path) => [relative(directory, path), (await stat(path)).size] as const)),
  );
}

async function isWhole(directory: string, files: Readonly<Record<string, number>>): Promise<boolean> {
  const found = await stat(directory).catch(() => undefined);
  if (!found?.isDirectory()) return false;
  for (const [name, bytes] of Object.entries(files)) {
    const file = await stat(join(directory, name)).catch(() => undefined);
    if (file?.size !== bytes) return false;
  }
  return true;
}
