// Local files as sources of data import: a file, or all files below a folder.
import { createReadStream } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import type { AsyncBuffer } from "hyparquet";
import type { SourceFile } from "../data/importSource.ts";
import { UserError } from "../lib/errors.ts";
import { nearest, quote } from "../lib/text.ts";

/** The files of a path that the user named as `shown`. Throws UserError("file") when nothing is there. */
export async function localFiles(path: string, shown: string): Promise<SourceFile[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new UserError(
      "file",
      `${shown}: there is no such file or folder. Give a path, or hf:owner/name for a data set of the Hub.`,
    );
  }
  if (found.isFile()) return [localFile(path, basename(path), found.size)];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    files.map(async (file) => localFile(file, relative(path, file).split(sep).join("/"), (await stat(file)).size)),
  );
}

function localFile(path: string, name: string, bytes: number): SourceFile {
  return {
    path: name,
    bytes,
    stream: () => createReadStream(path, { highWaterMark: 1 << 20 }),
    random: () => Promise.resolve(randomAccess(path, bytes)),
  };
}

function randomAccess(path: string, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    slice: async (from, to = byteLength) => {
      // Opened for each read: a reader of Parquet makes few and large ones, and nothing has to be closed in the end.
      const file = await open(path, "r");
      try {
        const bytes = new Uint8Array(to - from);
        await file.read(bytes, 0, bytes.byteLength, from);
        return bytes.buffer;
      } finally {
        await file.close();
      }
    },
  };
}

/** A flag's value that is none of the names there are. */
export function unknownName(flag: string, found: string, names: readonly string[]): UserError {
  const near = nearest(found, names);
  const hint = near === undefined ? "" : ` Did you mean ${quote(near)}?`;
  return new UserError("usage", `${flag}: expected ${names.join(", ")}; found ${quote(found)}.${hint}`);
}
