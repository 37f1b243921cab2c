// Rows of a Parquet file, row group by row group. Knows hyparquet and nothing of what the rows mean.
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { type AsyncBuffer, type Compressors, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { UserError } from "../lib/errors.ts";

// Snappy is hyparquet's own. Zstandard is not in Node 20.
const compressors: Compressors = { GZIP: (input) => gunzipSync(input), BROTLI: (input) => brotliDecompressSync(input) };

/**
 * The rows of a file that can be read at any place, as objects; integers that fit are numbers, not bigints. Memory holds one
 * row group. Throws UserError("file") when the file is no Parquet file, is damaged, or is compressed in a way that is
 * not known here.
 */
export async function* parquetRows(name: string, file: AsyncBuffer): AsyncGenerator<Record<string, unknown>> {
  try {
    const metadata = await parquetMetadataAsync(file);
    let rowStart = 0;
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      const rows = await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd });
      for (const row of rows) yield plain(row) as Record<string, unknown>;
      rowStart = rowEnd;
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      "file",
      `${name}: cannot be read as Parquet (${(error as Error).message}). Known compressions: none, snappy, gzip, brotli.`,
      { cause: error },
    );
  }
}

/** Numbers for bigints and typed arrays, null for what is absent: hyparquet leaves lists undefined. */
function plain(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Uint8Array, plain);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object" || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
