// Files that survive a crash: atomic writes, append-only JSON lines, digests. The base of everything under store/.
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../lib/errors.ts";
import type { Json } from "../lib/hash.ts";
import { describeDisk } from "./disk.ts";

const makeRoom =
  "Free space (`backtrail store gc` shows what no sweep uses), or put `store:` on another disk; what is finished is kept";
const another = "Choose another folder with `store:` or --results";
const writable = "Choose a folder that you may write to with `store:` or --results";
/** Code of the file system -> what is wrong, and what to do. */
const reasons: Readonly<Record<string, readonly [string, string]>> = {
  ENOSPC: ["the disk is full", makeRoom],
  EDQUOT: ["the disk quota is used up", makeRoom],
  EROFS: ["the file system is read-only", another],
  EACCES: ["permission denied", writable],
  EPERM: ["permission denied", writable],
  ENOTDIR: ["a part of the path is a file, not a folder", another],
};

/** Turns what the file system refuses into a sentence for the user; anything else is returned as it is. */
export function storeError(error: unknown, path: string): unknown {
  const { code = "" } = error as NodeJS.ErrnoException;
  const reason = reasons[code];
  if (error instanceof UserError || reason === undefined) return error;
  const [what, mend] = reason;
  const disk = code === "ENOSPC" ? ` (${describeDisk(path)})` : "";
  return new UserError("store", `${path}: ${what}${disk}. ${mend}.`, { cause: error });
}

/** Whether an error, or what it was made of by `storeError`, says that a disk or a quota is full. */
export function isDiskFull(error: unknown): boolean {
  const cause = (error instanceof UserError ? error.cause : error) as NodeJS.ErrnoException | undefined;
  return cause?.code === "ENOSPC" || cause?.code === "EDQUOT";
}

/** Makes a folder with its parents. Throws UserError("store") naming the path and the reason. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeParentsFirst(path);
  } catch (error) {
    throw storeError(error, path);
  }
}

// Not mkdir's own `recursive`: on a read-only file system that says ENOENT, and the reason is lost.
async function makeParentsFirst(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && dirname(path) !== path) {
      await makeParentsFirst(dirname(path));
      await mkdir(path).catch((again: NodeJS.ErrnoException) => {
        if (again.code !== "EEXIST") throw again;
      });
      return;
    }
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) return;
    throw found === undefined ? error : Object.assign(new Error(`${path} is a file`), { code: "ENOTDIR" });
  }
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
    await syncPath(dirname(path));
  } catch (error) {
    const told = storeError(error, path);
    await rm(temporary, { force: true }).catch(() => undefined);
    throw told;
  }
}

/** Makes a file's bytes, or a folder's entries, durable. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Appends whole JSON lines. A line torn by a crash is cut off when the file is opened again. After a failed append (a full
 * disk, say) every later one fails as well: the file may end in a torn line, and nothing may follow one.
 */
export class JsonlWriter {
  readonly #file: FileHandle;
  readonly #path: string;
  #chain: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  static async open(path: string): Promise<JsonlWriter> {
    let file: FileHandle | undefined;
    try {
      file = await open(path, "a+");
      const { size } = await file.stat();
      const end = await endOfLastLine(file, size);
      if (end < size) await file.truncate(end);
      return new JsonlWriter(file, path);
    } catch (error) {
      await file?.close();
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

  /** Returns when all lines are on disk. */
  async sync(): Promise<void> {
    await this.#chain;
    await this.#file.sync().catch((error: unknown) => {
      throw storeError(error, this.#path);
    });
  }

  async close(): Promise<void> {
    await this.#chain.catch(() => undefined);
    await this.#file.close();
  }
}

const blockBytes = 1 << 16;
const newline = 0x0a;

/** Where the last whole line ends, read from behind: journals grow long. */
async function endOfLastLine(file: FileHandle, size: number): Promise<number> {
  const block = Buffer.alloc(blockBytes);
  for (let end = size; end > 0; end -= blockBytes) {
    const start = Math.max(0, end - blockBytes);
    const { bytesRead } = await file.read(block, 0, end - start, start);
    const at = block.subarray(0, bytesRead).lastIndexOf(newline);
    if (at >= 0) return start + at + 1;
  }
  return 0;
}

/**
 * Records of a JSON-lines file. A last line without its line end was torn by a crash and is ignored, as JsonlWriter cuts it
 * off; any other broken line is UserError("file") naming file and line, and so is a file that is not there.
 */
export async function* readJsonl<T>(path: string): AsyncGenerator<T> {
  let number = 0;
  for await (const line of wholeLines(path)) {
    number++;
    if (line.length === 0) continue;
    let value: T;
    try {
      value = JSON.parse(line.toString("utf8")) as T;
    } catch (error) {
      const reason = `not JSON (${(error as Error).message}). The file was changed by hand or is damaged`;
      throw new UserError("file", `${path}:${number}: ${reason}.`, { cause: error });
    }
    yield value;
  }
}

async function* wholeLines(path: string): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  try {
    // A buffer no larger than the file: sweeps have thousands of files of a few lines.
    const highWaterMark = Math.min(1 << 20, 1 + (await stat(path)).size);
    for await (const data of createReadStream(path, { highWaterMark })) {
      const chunk = data as Buffer;
      let from = 0;
      for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
        const rest = chunk.subarray(from, at);
        yield pending.length === 0 ? rest : Buffer.concat([...pending, rest]);
        pending = [];
        from = at + 1;
      }
      if (from < chunk.length) pending.push(chunk.subarray(from));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new UserError("file", `${path}: there is no such file.`, { cause: error });
  }
}

/** SHA-256 of a file's bytes, as 64 hexadecimal characters. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const data of createReadStream(path)) hash.update(data as Buffer);
  return hash.digest("hex");
}
