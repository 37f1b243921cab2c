// What is imported: files, wherever they lie, and the records in them. Knows file types, not what the records mean.
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { AsyncBuffer } from "hyparquet";
import { UserError } from "../lib/errors.ts";
import { jsonRecords, type ReadRecord, textLines } from "./importJson.ts";
import { parquetRows } from "./parquetRead.ts";

/** A file of a source: on a disk or on the Hub. */
export interface SourceFile {
  /** Where it lies in its source, with "/" between folders. */
  readonly path: string;
  /** How many bytes it has. */
  readonly bytes: number;
  /** Its bytes from the first to the last, as they lie there (compressed ones compressed). */
  stream(): AsyncIterable<Uint8Array>;
  /** Its bytes at any place: what Parquet needs. */
  random(): Promise<AsyncBuffer>;
}

const readable = /\.(json|jsonl|ndjson|csv)(\.gz)?$|\.parquet$/i;
// Files that describe a data set and hold no record of it.
const descriptions = /(^|\/)(dataset_infos?|dataset_dict|state|config|manifest|report|package)\.json$/i;

/**
 * The files that hold records, in the order in which they are read: training files first, so that it is known which
 * targets were trained on when test problems come; then by path. `only` keeps those whose path ends so.
 * Throws UserError("file") when there is none.
 */
export function chooseFiles<F extends Pick<SourceFile, "path">>(
  files: readonly F[],
  source: string,
  only: readonly string[],
): F[] {
  const holding = files.filter(({ path }) => readable.test(path) && !descriptions.test(path));
  const chosen = holding.filter(({ path }) => only.length === 0 || only.some((end) => path.endsWith(end)));
  if (chosen.length === 0) {
    const there = files.slice(0, 8).map(({ path }) => path);
    const asked =
      only.length === 0
        ? "a .json, .jsonl, .csv (or .gz of these) or .parquet file"
        : `a file whose path ends in ${only.join(" or ")}`;
    throw new UserError("file", `${source}: expected ${asked}, found ${there.length === 0 ? "no file" : there.join(", ")}.`);
  }
  const rank = (file: F) => (splitName(file.path) === "train" ? 0 : 1);
  return chosen.sort((a, b) => rank(a) - rank(b) || (a.path < b.path ? -1 : 1));
}

/**
 * The split that a file's name tells: "train", "test", "val", "val-target", ...; "train" when it tells nothing. Folders
 * count where the name itself says nothing (`test/part-0.parquet`).
 */
export function splitName(path: string): string {
  for (const part of path.toLowerCase().split("/").reverse()) {
    const found =
      /(?:^|[^a-z])(train|test|validation|valid|val|dev|eval)(?:[_-](target|new|seen|unseen)(?![a-z]))?(?![a-z])/.exec(part);
    if (found) return found[2] === undefined ? (found[1] as string) : `${found[1]}-${found[2]}`;
  }
  return "train";
}

/**
 * The records of a file in order: values of JSON lists and lines, rows of Parquet, lines of CSV as texts (the first one, which
 * names the columns, left out). Throws UserError("file") when the file cannot be read.
 */
export async function* recordsOf(file: SourceFile): AsyncGenerator<ReadRecord> {
  const { path } = file;
  if (/\.parquet$/i.test(path)) {
    let index = 0;
    for await (const value of parquetRows(path, await file.random())) yield { index: index++, value };
    return;
  }
  const bytes = /\.gz$/i.test(path) ? unzipped(file) : file.stream();
  if (!/\.csv(\.gz)?$/i.test(path)) {
    yield* jsonRecords(path, bytes);
    return;
  }
  let index = -1;
  for await (const value of textLines(path, bytes)) {
    if (index >= 0) yield { index, value };
    index++;
  }
}

async function* unzipped(file: SourceFile): AsyncGenerator<Uint8Array> {
  try {
    const source = Readable.from(file.stream());
    const gunzip = createGunzip();
    // `pipe` hands no errors on.
    source.once("error", (error) => gunzip.destroy(error));
    yield* source.pipe(gunzip) as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError("file", `${file.path}: cannot be decompressed (${(error as Error).message}). Fetch the file again.`, {
      cause: error,
    });
  }
}
