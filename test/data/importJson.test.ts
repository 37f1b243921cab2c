import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonRecords, type ReadRecord, textLines } from "../../src/data/importJson.ts";

/** The text's bytes in pieces of these sizes, over and over. */
async function* inPieces(text: string | Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text as string);
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length] as number;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function readAll(text: string | Buffer, sizes: readonly number[] = [1 << 20]): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  for await (const record of jsonRecords("file.json", inPieces(text, sizes))) records.push(record);
  return records;
}

const values = (records: readonly ReadRecord[]) => records.map((record) => ("value" in record ? record.value : "broken"));

describe("jsonRecords", () => {
  it("reads any list and any lines back, however the bytes are cut", async () => {
    const list = fc.array(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()), { maxLength: 6 });
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
    const layout = fc.constantFrom(
      (rows: unknown[]) => JSON.stringify(rows),
      (rows: unknown[]) => `\n ${JSON.stringify(rows, null, 4)}\r\n\n`,
      (rows: unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join(""),
      (rows: unknown[]) => rows.map((row) => JSON.stringify(row)).join("\r\n\r\n"),
    );
    await fc.assert(
      fc.asyncProperty(list, sizes, layout, async (rows, cuts, write) => {
        const asJson = JSON.parse(JSON.stringify(rows));
        expect(values(await readAll(write(rows), cuts))).toEqual(asJson);
      }),
      { numRuns: 300 },
    );
  });

  it("is not misled by quotes, backslashes and brackets in strings", async () => {
    const rows = [{ a: 'x"],[{' }, { b: "\\" }, { c: '\\\\"' }, { d: "é\u2028]" }];
    for (const size of [1, 2, 3, 5, 1000]) expect(values(await readAll(JSON.stringify(rows), [size]))).toEqual(rows);
  });

  it("skips a byte order mark, also one that comes in pieces", async () => {
    expect(values(await readAll('\ufeff[{"a":1}]', [1]))).toEqual([{ a: 1 }]);
    expect(values(await readAll('\ufeff{"a":1}\n'))).toEqual([{ a: 1 }]);
  });

  it("takes Python's NaN and Infinity for null, and leaves those words in strings alone", async () => {
    expect(values(await readAll('[{"rating": NaN, "x": [-Infinity, 1], "t": "is NaN"}]'))).toEqual([
      { rating: null, x: [null, 1], t: "is NaN" },
    ]);
  });

  it("gives a broken record its place and goes on behind it", async () => {
    const records = await readAll('{"a":1}\n{"a":\nnonsense\n{"a":2}');
    expect(values(records)).toEqual([{ a: 1 }, "broken", "broken", { a: 2 }]);
    expect(records.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(records[1]).toEqual({ index: 1, broken: expect.stringMatching(/^not JSON \(.*\): "\{\\"a\\":"$/) });
    expect(values(await readAll('[{"a":1}, {"a" 2}, 3]'))).toEqual([{ a: 1 }, "broken", 3]);
  });

  it("reads nothing from nothing", async () => {
    for (const text of ["", " \n\n", "[]", "[ \n]\n"]) expect(await readAll(text, [1])).toEqual([]);
  });

  it("says when a list was cut off", async () => {
    await expect(readAll('[{"a":1}, {"a":2}')).rejects.toThrow("file.json: the list does not end");
    await expect(readAll('[{"a":1}, {"a":"2')).rejects.toMatchObject({ code: "file" });
  });

  it("answers any bytes with records, or says what is wrong with the file", async () => {
    const piece = fc.constantFrom(
      "[",
      "]",
      "{",
      "}",
      '"',
      "\\",
      ",",
      ":",
      "\n",
      " ",
      "1",
      "null",
      '"a"',
      '{"a":1}',
      "\u0000",
      "é",
    );
    const soup = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(""));
    const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array));
    await fc.assert(
      fc.asyncProperty(fc.oneof(soup, bytes), fc.integer({ min: 1, max: 7 }), async (content, size) => {
        const outcome = (sizes: number[]) => readAll(content, sizes).catch((error: unknown) => error);
        const found = await outcome([size]);
        if (found instanceof Error) expect(found).toMatchObject({ code: "file" });
        expect(found).toEqual(await outcome([1000]));
      }),
      { numRuns: 500, examples: [["   ,", 1]] },
    );
  });

  it("does not swallow a whole file where a quote is missing", async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('[{"a": "');
      for (let index = 0; index < 80; index++) yield Buffer.alloc(1 << 20, 0x20);
    }
    const reading = async () => {
      for await (const _ of jsonRecords("big.json", endless())) expect.unreachable();
    };
    await expect(reading()).rejects.toThrow("big.json: a record is longer than 64 MiB");
  });
});

describe("textLines", () => {
  it("gives lines without their ends and skips empty ones", async () => {
    const lines: string[] = [];
    for await (const line of textLines("a.csv", inPieces("id,puzzle\r\n1,[2\n\n3,4", [2]))) lines.push(line);
    expect(lines).toEqual(["id,puzzle", "1,[2", "3,4"]);
  });
});
