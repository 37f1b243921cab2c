// Files that survive a crash: atomic writes, append-only JSON lines, digests. The base of everything under store/.
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile, rename, rm, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { UserError } from "../lib/errors.ts";
import type { Json } from "../lib/hash.ts";

/** Turns what the file system refuses into a sentence for the user; anything else is rethrown as it is. */
export function storeError(error: unknown, path: string): unknown {
  const reasons: Record<string, string> = {
    ENOSPC: "the disk is full. Free space, or put `store:` on another disk; finished stages are kept",
    EDQUOT: "the disk quota is used up. Free space, or put `store:` on another disk; finished stages are kept",
    EROFS: "the file system is read-only. Choose another folder with `store:` or --results",
    EACCES: "permission denied. Choose a folder that you may write to with `store:` or --results",
    EPERM: "permission denied. Choose a folder that you may write to with `store:` or --results",
    ENOTDIR: "a part of the path is a file, not a folder. Choose another folder with `store:` or --results",
  };
  const reason = reasons[(error as NodeJS.ErrnoException).code ?? ""];
  return reason === undefined ? error : new UserError("store", `${path}: ${reason}.`, { cause: error });
}

/** Writes a whole file or nothing: temporary file beside it, fsync, rename, fsync of the folder. */
export async function writeAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw storeError(error, path);
  }
}

/** Makes a rename or a new entry in a folder durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Appends whole JSON lines. A line torn by a crash is cut off when the file is opened again. */
export class JsonlWriter {
  readonly #file: FileHandle;
  readonly #path: string;
  #chain: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  static async open(path: string): Promise<JsonlWriter> {
    try {
      const file = await open(path, "a");
      const text = await readFile(path);
      const end = text.lastIndexOf(0x0a) + 1;
      if (end < text.length) await truncate(path, end);
      return new JsonlWriter(file, path);
    } catch (error) {
      throw storeError(error, path);
    }
  }

  /** Lines are written in the order of the calls. */
  append(record: Json): Promise<void> {
    const line = `${JSON.stringify(record)}\n`;
    this.#chain = this.#chain.then(async () => {
      try {
        await this.#file.appendFile(line);
      } catch (error) {
        throw storeError(error, this.#path);
      }
    });
    return this.#chain;
  }

  async sync(): Promise<void> {
    await this.#chain;
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#chain.catch(() => undefined);
    await this.#file.close();
  }
}

/** Records of a JSON-lines file. A torn last line is ignored; a broken inner line is UserError("file") naming file and line. */
export async function* readJsonl<T>(path: string): AsyncGenerator<T> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  let broken: { line: number; message: string } | undefined;
  for await (const line of lines) {
    number++;
    if (broken !== undefined)
      throw new UserError(
        "file",
        `${path}:${broken.line}: not JSON (${broken.message}). The file was changed by hand or is damaged.`,
      );
    if (line === "") continue;
    let value: T;
    try {
      value = JSON.parse(line) as T;
    } catch (error) {
      broken = { line: number, message: (error as Error).message };
      continue;
    }
    yield value;
  }
}

/** SHA-256 of a file's bytes, as 64 hexadecimal characters. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const data of createReadStream(path)) hash.update(data as Buffer);
  return hash.digest("hex");
}
