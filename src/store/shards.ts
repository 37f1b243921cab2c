// Writing many records fast: buffered JSON lines, hashed on the way. Reading is files.ts's readJsonl.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { Json } from "../lib/hash.ts";

const bufferCharacters = 1 << 20;

/**
 * Writes one record a line to a new file and syncs it. Refuses to overwrite (EEXIST). Memory stays constant.
 * Returns what a manifest needs.
 */
export async function writeJsonl(
  path: string,
  records: Iterable<object | Json>,
): Promise<{ rows: number; bytes: number; sha256: string }> {
  const file = await open(path, "wx");
  const hash = createHash("sha256");
  let rows = 0;
  let bytes = 0;
  let buffered = "";
  const flush = async () => {
    const data = Buffer.from(buffered);
    buffered = "";
    hash.update(data);
    bytes += data.byteLength;
    await file.writeFile(data);
  };
  try {
    for (const record of records) {
      buffered += `${JSON.stringify(record)}\n`;
      rows++;
      if (buffered.length >= bufferCharacters) await flush();
    }
    await flush();
    await file.sync();
  } finally {
    await file.close();
  }
  return { rows, bytes, sha256: hash.digest("hex") };
}
