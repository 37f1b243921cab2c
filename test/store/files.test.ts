// What is on disk after a crash, a full disk, a hand edit.
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { UserError } from "../../src/lib/errors.ts";
import { sha256 } from "../../src/lib/hash.ts";
import { JsonlWriter, makeFolder, readJsonl, sha256File, storeError, writeAtomic } from "../../src/store/files.ts";

const folder = mkdtempSync(join(tmpdir(), "backtrail-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const fresh = () => join(folder, `file-${count++}`);

async function all(path: string): Promise<unknown[]> {
  const records: unknown[] = [];
  for await (const record of readJsonl(path)) records.push(record);
  return records;
}

describe("writeAtomic", () => {
  it("replaces the whole file and leaves nothing beside it", async () => {
    const path = fresh();
    await writeAtomic(path, "first, and longer");
    await writeAtomic(path, new TextEncoder().encode("second"));
    expect(readFileSync(path, "utf8")).toBe("second");
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("keeps the old file when it fails, names the path and cleans up", async () => {
    const path = fresh();
    writeFileSync(path, "a file");
    const failed = writeAtomic(join(path, "below"), "x");
    await expect(failed).rejects.toBeInstanceOf(UserError);
    await expect(failed).rejects.toMatchObject({ code: "store", message: expect.stringContaining(join(path, "below")) });
    expect(readFileSync(path, "utf8")).toBe("a file");
  });
});

describe("makeFolder", () => {
  it("makes parents, and is content with what is there", async () => {
    const path = join(fresh(), "a", "b");
    await Promise.all([makeFolder(path), makeFolder(path)]);
    await makeFolder(path);
    expect(readdirSync(path)).toEqual([]);
  });

  it("refuses a file in its place", async () => {
    const path = fresh();
    writeFileSync(path, "");
    await expect(makeFolder(path)).rejects.toMatchObject({ code: "store", message: expect.stringContaining(path) });
  });
});

describe("storeError", () => {
  it.each([
    ["ENOSPC", /\/results\/x: the disk is full \(\/\S* has .+ of .+ free\)\. Free space .*or put `store:`/],
    ["EDQUOT", /quota/],
    ["EROFS", /read-only\. Choose another folder/],
    ["EACCES", /permission denied/],
    ["ENOTDIR", /a part of the path is a file/],
  ])("says %s in words", (code, message) => {
    expect(storeError(Object.assign(new Error("raw"), { code }), "/results/x")).toMatchObject({
      code: "store",
      message: expect.stringMatching(message),
    });
  });

  it("leaves alone what is not the user's to mend", () => {
    const bug = new TypeError("x is not a function");
    expect(storeError(bug, "/results/x")).toBe(bug);
  });
});

describe("JSON lines", () => {
  it("come back in the order of the calls, whatever their length", async () => {
    const path = fresh();
    const writer = await JsonlWriter.open(path);
    const records = Array.from({ length: 300 }, (_, index) => ({ index, text: "é".repeat((index * 977) % 9000) }));
    await Promise.all(records.map((record) => writer.append(record)));
    await writer.sync();
    await writer.close();
    expect(await all(path)).toEqual(records);
  });

  it.each([
    ["in the middle of a record", '{"a":2,"b'],
    ["in the middle of a character", Buffer.from('{"a":"é"}').subarray(0, 7)],
    ["just before the line end", '{"a":2}'],
    ["in a record longer than a block", `{"a":"${"x".repeat(200_000)}`],
  ])("a line torn %s is ignored by readers and cut by the next writer", async (_, torn) => {
    const path = fresh();
    writeFileSync(path, '{"a":1}\n');
    appendFileSync(path, torn);
    expect(await all(path)).toEqual([{ a: 1 }]);
    const writer = await JsonlWriter.open(path);
    await writer.append({ a: 3 });
    await writer.close();
    expect(readFileSync(path, "utf8")).toBe('{"a":1}\n{"a":3}\n');
  });

  it("a file that is one torn line is emptied", async () => {
    const path = fresh();
    writeFileSync(path, '{"a":');
    await (await JsonlWriter.open(path)).close();
    expect(readFileSync(path, "utf8")).toBe("");
  });

  it.each([
    ["inside", '{"a":1}\n{"a":\n{"a":3}\n', 2],
    ["whole but wrong, at the end", '{"a":1}\n\nnonsense\n', 3],
  ])("a broken line %s is an error with file and line", async (_, text, line) => {
    const path = fresh();
    writeFileSync(path, text);
    await expect(all(path)).rejects.toMatchObject({
      code: "file",
      message: expect.stringContaining(`${path}:${line}: not JSON`),
    });
  });

  it("a file that is not there is the user's error, not a crash", async () => {
    await expect(all(join(folder, "nowhere"))).rejects.toMatchObject({
      code: "file",
      message: expect.stringContaining("nowhere: there is no such file"),
    });
  });

  it("on a full disk an append fails in words, and nothing is written behind the torn line", async () => {
    const path = fresh();
    symlinkSync("/dev/full", path);
    const writer = await JsonlWriter.open(path);
    await expect(writer.append({ a: 1 })).rejects.toMatchObject({
      code: "store",
      message: expect.stringContaining(`${path}: the disk is full`),
    });
    await expect(writer.append({ a: 2 })).rejects.toMatchObject({ code: "store" });
    await writer.close();
  });
});

it("sha256File agrees with sha256", async () => {
  const path = fresh();
  const data = Buffer.alloc(300_000, "backtrail");
  writeFileSync(path, data);
  expect(await sha256File(path)).toBe(sha256(data));
});
