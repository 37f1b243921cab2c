// Many records, one a line, with what a manifest says of them.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { sha256 } from "../../src/lib/hash.ts";
import { readJsonl } from "../../src/store/files.ts";
import { writeJsonl } from "../../src/store/shards.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backtrail-shards-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it("comes back as it was written, beyond the buffer and beyond ASCII; counts and digest are those of the file", async () => {
  const path = join(folder, "a.jsonl");
  const records = Array.from({ length: 3000 }, (_, index) => ({ index, text: `\u2028 é \u{1f600} \n ${"x".repeat(500)}` }));
  const said = await writeJsonl(path, records);
  const bytes = readFileSync(path);
  expect(said).toEqual({ rows: 3000, bytes: bytes.byteLength, sha256: sha256(bytes) });
  const back: unknown[] = [];
  for await (const record of readJsonl(path)) back.push(record);
  expect(back).toEqual(records);
});

it("never overwrites, and no record at all is an empty file", async () => {
  const path = join(folder, "a.jsonl");
  expect(await writeJsonl(path, [])).toEqual({ rows: 0, bytes: 0, sha256: sha256("") });
  await expect(writeJsonl(path, [1])).rejects.toMatchObject({ code: "EEXIST" });
  expect(readFileSync(path, "utf8")).toBe("");
});
