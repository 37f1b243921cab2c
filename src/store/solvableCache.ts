// The bitmap of solvable pairs kept on a disk between runs, and in memory that threads share.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ExactOptions, enumerateSolvable } from "../puzzle/countdownExactBitmap.ts";
import { makeFolder, writeAtomic } from "./files.ts";

/** Words of a bitmap that may be handed to worker threads as they are: each makes its own `Solvable` of them. */
export type SharedWords = Uint32Array<SharedArrayBuffer>;

// Part of the file's name; goes up whenever the rules or the layout of the bitmap change.
const version = 1;
const digestBytes = 32;

/** Where a space's bitmap lies in a cache folder. */
export function solvablePath(folder: string, { numbers, operands, targets }: ExactOptions): string {
  return join(folder, `countdown-${numbers}-${operands.join("-")}-${targets.join("-")}.v${version}.solvable`);
}

/**
 * The bitmap of a space: from the folder, or made (seconds) and written there, whole or not at all. A file that is cut off
 * or damaged is made anew. Layout: SHA-256 of the words, then the words in the byte order of the machine.
 * Throws UserError: "exact-too-large" as `enumerateSolvable` does, "store" when the folder cannot be written.
 */
export async function solvableWords(folder: string, options: ExactOptions): Promise<SharedWords> {
  const path = solvablePath(folder, options);
  const known = await readWords(path);
  if (known) return known;
  const bytes = new Uint8Array(enumerateSolvable(options).buffer);
  await makeFolder(folder);
  await writeAtomic(path, Buffer.concat([digestOf(bytes), bytes]));
  return shared(bytes);
}

/** Undefined when there is no whole and sound file. */
async function readWords(path: string): Promise<SharedWords | undefined> {
  const file = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (file === undefined || file.length <= digestBytes || file.length % 4 !== 0) return undefined;
  const bytes = file.subarray(digestBytes);
  if (!digestOf(bytes).equals(file.subarray(0, digestBytes))) return undefined;
  return shared(bytes);
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function shared(bytes: Uint8Array): SharedWords {
  const buffer = new SharedArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  return new Uint32Array(buffer);
}
