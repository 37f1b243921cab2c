// Many records in a file, fast: JSON lines written whole or not at all, hashed on the way, compressed if wanted; and read back.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { promisify } from "node:util";
import { createGunzip, gzip } from "node:zlib";
import { UserError } from "../lib/errors.ts";
import type { Json } from "../lib/hash.ts";
import { storeError } from "./files.ts";

/** What a manifest says of a file: of its lines before compression. */
export interface ShardFacts {
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

const blockBytes = 1 << 20;
// Compression runs in threads of Node's own; more blocks than these would only fill memory.
const blocksInFlight = 4;
const compressed = promisify(gzip);

/**
 * A file of lines in the making: it lies under `<path>.part` until it is whole. Compressed ones (`.gz`) are a gzip member a
 * block, which every reader of gzip takes as one stream. Memory stays constant.
 */
export class ShardWriter {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #hash = createHash("sha256");
  #blocks: Promise<Uint8Array>[] = [];
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #rows = 0;
  #bytes = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** What a crash left under the same name is written over. Throws UserError("store") when the disk refuses. */
  static async open(path: string): Promise<ShardWriter> {
    try {
      return new ShardWriter(path, await open(`${path}.part`, "w"));
    } catch (error) {
      throw storeError(error, path);
    }
  }

  /** Takes whole lines; the bytes must not change afterwards. Order is that of the calls, each awaited. */
  async write(lines: Uint8Array, rows: number): Promise<void> {
    this.#hash.update(lines);
    this.#rows += rows;
    this.#bytes += lines.byteLength;
    this.#pending.push(lines);
    this.#pendingBytes += lines.byteLength;
    if (this.#pendingBytes < blockBytes) return;
    this.#closeBlock();
    if (this.#blocks.length >= blocksInFlight) await this.#writeOldest();
  }

  /** Makes the file durable and gives it its name. */
  async finish(): Promise<ShardFacts> {
    if (this.#pendingBytes > 0) this.#closeBlock();
    while (this.#blocks.length > 0) await this.#writeOldest();
    try {
      await this.#file.sync();
      await this.#file.close();
      await rename(`${this.path}.part`, this.path);
    } catch (error) {
      throw storeError(error, this.path);
    }
    return { rows: this.#rows, bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }

  /** Leaves nothing behind. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#blocks);
    await this.#file.close().catch(() => undefined);
    await rm(`${this.path}.part`, { force: true }).catch(() => undefined);
  }

  #closeBlock(): void {
    const block = Buffer.concat(this.#pending);
    const made = this.path.endsWith(".gz") ? compressed(block) : Promise.resolve(block);
    // A failure is met where the block is written.
    made.catch(() => undefined);
    this.#blocks.push(made);
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  async #writeOldest(): Promise<void> {
    try {
      await this.#file.writeFile((await this.#blocks.shift()) as Uint8Array);
    } catch (error) {
      throw storeError(error, this.path);
    }
  }
}

// Few enough to hold, many enough that a write costs nothing beside making them.
const recordsAtOnce = 256;

/**
 * Writes one record a line to a new file, whole or not at all. Refuses to overwrite (EEXIST). Memory stays constant.
 * Returns what a manifest needs.
 */
export async function writeJsonl(path: string, records: Iterable<object | Json>): Promise<ShardFacts> {
  const reserved = await open(path, "wx").catch((error: unknown) => {
    throw storeError(error, path);
  });
  await reserved.close();
  const writer = await ShardWriter.open(path);
  try {
    let lines: string[] = [];
    for (const record of records) {
      if (lines.push(`${JSON.stringify(record)}\n`) < recordsAtOnce) continue;
      await writer.write(Buffer.from(lines.join("")), lines.length);
      lines = [];
    }
    await writer.write(Buffer.from(lines.join("")), lines.length);
    return await writer.finish();
  } catch (error) {
    await writer.abandon();
    await rm(path, { force: true });
    throw error;
  }
}

/** The lines of a file of JSON lines, plain or gzip (by its name), without their ends. Throws UserError("file") naming it. */
export class ShardReader {
  readonly path: string;
  readonly #hash = createHash("sha256");
  #rows = 0;
  #bytes = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** What was read so far; of the whole file at the end of `lines`. */
  facts(): ShardFacts {
    return { rows: this.#rows, bytes: this.#bytes, sha256: this.#hash.copy().digest("hex") };
  }

  async *lines(): AsyncGenerator<string> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const data of this.#content()) {
        this.#hash.update(data);
        this.#bytes += data.byteLength;
        const lines = (rest + decoder.decode(data, { stream: true })).split("\n");
        rest = lines.pop() as string;
        this.#rows += lines.length;
        yield* lines;
      }
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError("file", `${this.path}: cannot be read: ${(error as Error).message}.`, { cause: error });
    }
    if (rest === "") return;
    this.#rows++;
    yield rest;
  }

  #content(): AsyncIterable<Buffer> {
    const file = createReadStream(this.path, { highWaterMark: blockBytes });
    if (!this.path.endsWith(".gz")) return file;
    const gunzip = createGunzip({ chunkSize: blockBytes });
    // `pipe` hands no errors on.
    file.once("error", (error) => gunzip.destroy(error));
    return file.pipe(gunzip);
  }
}
