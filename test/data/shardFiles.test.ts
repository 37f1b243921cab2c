// Files of a dataset: written whole or not at all, read back to the letter, plain and compressed.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256 } from "../../src/lib/hash.ts";
import { ShardJournal } from "../../src/store/shardJournal.ts";
import { ShardReader, ShardWriter, writeJsonl } from "../../src/store/shards.ts";

let folder: string;
const at = (name: string) => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backtrail-shards-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function linesOf(path: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of new ShardReader(path).lines()) lines.push(line);
  return lines;
}

describe("a shard", () => {
  it.each(["a.jsonl", "a.jsonl.gz"])("%s comes back as it was written, over many blocks", async (name) => {
    const parts = Array.from({ length: 40 }, (_, part) => `${part} \u00e9\u{1f600} ${"x".repeat(100_000)}\n${part}\n`);
    const writer = await ShardWriter.open(at(name));
    for (const part of parts) await writer.write(Buffer.from(part), 2);
    expect(readdirSync(folder)).toEqual([`${name}.part`]);
    const said = await writer.finish();
    const content = parts.join("");
    const bytes = readFileSync(at(name));
    expect((name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString()).toBe(content);
    expect(said).toEqual({ rows: 80, bytes: Buffer.byteLength(content), sha256: sha256(content) });
    const reader = new ShardReader(at(name));
    let rows = 0;
    for await (const _ of reader.lines()) rows++;
    expect(rows).toBe(80);
    expect(reader.facts()).toEqual(said);
    expect((await linesOf(at(name))).join("\n")).toBe(content.trimEnd());
  });

  it("of the same lines is the same bytes, compressed too", async () => {
    for (const name of ["a.gz", "b.gz"]) await writeJsonl(at(name), [1, 2, { three: 3 }]);
    expect(readFileSync(at("a.gz"))).toEqual(readFileSync(at("b.gz")));
  });

  it("that is abandoned leaves nothing; one that a crash has left is written over", async () => {
    writeFileSync(at("a.jsonl.part"), "torn by a crash");
    const writer = await ShardWriter.open(at("a.jsonl"));
    await writer.write(Buffer.from("1\n"), 1);
    await writer.finish();
    expect(readFileSync(at("a.jsonl"), "utf8")).toBe("1\n");
    const other = await ShardWriter.open(at("b.jsonl"));
    await other.write(Buffer.from("1\n"), 1);
    await other.abandon();
    expect(readdirSync(folder)).toEqual(["a.jsonl"]);
  });

  it("whose records fail half-way is not there", async () => {
    const failing = function* () {
      yield 1;
      throw new Error("no more");
    };
    await expect(writeJsonl(at("a.jsonl"), failing())).rejects.toThrow("no more");
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("reading", () => {
  it("splits any text at its line ends; the last one may lack its own", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("", "a", "\u{1f600}", "b c", "\r"), { minLength: 1, maxLength: 20 }),
        async (lines) => {
          for (const name of ["t.jsonl", "t.jsonl.gz"]) {
            const text = lines.join("\n");
            writeFileSync(at(name), name.endsWith(".gz") ? gzipSync(text) : text);
            expect(await linesOf(at(name))).toEqual(lines.at(-1) === "" ? lines.slice(0, -1) : lines);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("says which file cannot be read", async () => {
    writeFileSync(at("bad.gz"), "not gzip");
    await expect(linesOf(at("bad.gz"))).rejects.toThrow(/bad\.gz: cannot be read: incorrect header check/);
    await expect(linesOf(at("none.gz"))).rejects.toThrow(/none\.gz: cannot be read: ENOENT/);
  });
});

describe("the journal", () => {
  it("forgets a shard that changed and all after it, and keeps those made anew", async () => {
    const journal = await ShardJournal.open(folder, "one", "--out x");
    for (const name of ["a", "b", "c"]) await journal.add({ name, ...(await writeJsonl(at(name), [name])) });
    await journal.close();
    writeFileSync(at("b"), '"changed"\n');
    const again = await ShardJournal.open(folder, "one", "--out x");
    expect(again.finished.map(({ name }) => name)).toEqual(["a"]);
    rmSync(at("b"));
    await again.add({ name: "b", ...(await writeJsonl(at("b"), ["new"])) });
    await again.close();
    const third = await ShardJournal.open(folder, "one", "--out x");
    expect(third.finished.map(({ name }) => name)).toEqual(["a", "b", "c"]);
    await third.remove();
    expect(readdirSync(folder).sort()).toEqual(["a", "b", "c"]);
  });

  it("is of one piece of work, and of no folder with anything else in it", async () => {
    await (await ShardJournal.open(at("x"), "one", "--out x")).close();
    await expect(ShardJournal.open(at("x"), "other", "--out x")).rejects.toMatchObject({ code: "exists" });
    writeFileSync(at("mine"), "");
    await expect(ShardJournal.open(folder, "one", "--out y")).rejects.toThrow(
      /--out y: the folder is not empty \(it holds mine, x\)/,
    );
  });
});
