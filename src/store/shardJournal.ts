// What a dataset in the making has finished: a journal beside its files, by which an interrupted run goes on and a folder with
// anything else in it is left alone.
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import type { Json } from "../lib/hash.ts";
import { JsonlWriter, makeFolder, readJsonl } from "./files.ts";
import { isOfLocks } from "./lock.ts";
import { ShardReader } from "./shards.ts";

const journalName = "making.jsonl";

/** A finished file and what its maker noted of it. */
export interface FinishedShard {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

export class ShardJournal<Shard extends FinishedShard> {
  readonly #path: string;
  readonly #file: JsonlWriter;
  /** Finished by earlier runs, in order, their files checked. */
  readonly finished: readonly Shard[];

  private constructor(path: string, file: JsonlWriter, finished: readonly Shard[]) {
    this.#path = path;
    this.#file = file;
    this.finished = finished;
  }

  /**
   * Begins the work of `identity` (a digest of all that decides the bytes) in a folder, or takes it up. Files that are
   * damaged, and those after them, count as not made. `option` is how the user named the folder.
   * Throws UserError("exists") when the folder holds anything else.
   */
  static async open<Shard extends FinishedShard>(
    directory: string,
    identity: string,
    option: string,
  ): Promise<ShardJournal<Shard>> {
    await makeFolder(directory);
    const path = join(directory, journalName);
    const present = (await readdir(directory)).filter((name) => !isOfLocks(name));
    const isBegun = present.includes(journalName);
    if (!isBegun && present.length > 0) {
      throw new UserError(
        "exists",
        `${option}: the folder is not empty (it holds ${present.slice(0, 3).join(", ")}). Nothing is overwritten: choose a new folder.`,
      );
    }
    const records: unknown[] = [];
    if (isBegun) for await (const record of readJsonl(path)) records.push(record);
    const [header, ...shards] = records as [{ identity?: string } | undefined, ...Shard[]];
    if (header !== undefined && header.identity !== identity) {
      throw new UserError(
        "exists",
        `${option}: the folder holds another dataset that was not finished: its settings, seed, shard size or version differ. ` +
          "Give those settings to go on with it, remove the folder, or choose a new one.",
      );
    }
    const file = await JsonlWriter.open(path);
    if (header === undefined) await file.append({ identity });
    await file.sync();
    return new ShardJournal(path, file, await intact(directory, shards));
  }

  async add(shard: Shard): Promise<void> {
    await this.#file.append(shard as unknown as Json);
    await this.#file.sync();
  }

  /** Leaves the journal for the next run. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  /** The work is done, and something else says so now. */
  async remove(): Promise<void> {
    await this.#file.close();
    await rm(this.#path, { force: true });
  }
}

/** The shards up to the first that is not there as it was written. One that was made anew counts by its last entry. */
async function intact<Shard extends FinishedShard>(directory: string, shards: readonly Shard[]): Promise<Shard[]> {
  const latest = [...new Map(shards.map((shard) => [shard.name, shard])).values()];
  const whole: Shard[] = [];
  for (const shard of latest) {
    if (!(await isIntact(join(directory, shard.name), shard))) break;
    whole.push(shard);
  }
  return whole;
}

async function isIntact(path: string, shard: FinishedShard): Promise<boolean> {
  if ((await stat(path).catch(() => undefined)) === undefined) return false;
  const reader = new ShardReader(path);
  try {
    for await (const _ of reader.lines());
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
  const { rows, bytes, sha256 } = reader.facts();
  return rows === shard.rows && bytes === shard.bytes && sha256 === shard.sha256;
}
