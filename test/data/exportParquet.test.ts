import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parquetRows } from "../../src/data/parquetRead.ts";
import { type ParquetColumn, parquetBytes } from "../../src/data/parquetWrite.ts";
import { memoryFile } from "./fixtures/memory.ts";

const columns: readonly ParquetColumn[] = [
  { name: "a", type: "text" },
  { name: "b", type: "integer" },
  { name: "c", type: "real" },
  { name: "d", type: "boolean" },
  { name: "e", type: "integers" },
  { name: "f", type: "texts" },
  { name: "g", type: "spans" },
];

async function thereAndBack(rows: readonly object[]): Promise<object[]> {
  const bytes: Uint8Array[] = [];
  for await (const chunk of parquetBytes(columns, rows)) bytes.push(chunk);
  const read: object[] = [];
  for await (const row of parquetRows("x.parquet", await memoryFile("x.parquet", Buffer.concat(bytes)).random()))
    read.push(row);
  return read;
}

describe("Parquet", () => {
  it("gives back what was written, absent values as nulls", async () => {
    const integer = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const text = fc.string({ unit: "grapheme" });
    const row = fc.record(
      {
        a: text,
        b: integer,
        c: fc.double({ noNaN: true }),
        d: fc.boolean(),
        e: fc.array(integer, { maxLength: 4 }),
        f: fc.array(text, { maxLength: 4 }),
        g: fc.array(fc.tuple(integer, integer), { maxLength: 3 }),
      },
      { requiredKeys: [] },
    );
    const empty = { a: null, b: null, c: null, d: null, e: null, f: null, g: null };
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 12 }), async (rows) => {
        expect(await thereAndBack(rows)).toEqual(rows.map((values) => ({ ...empty, ...values })));
      }),
      { numRuns: 100 },
    );
  });

  it("keeps the order over row groups", async () => {
    const rows = Array.from({ length: 4001 }, (_, b) => ({
      a: `row ${b}`,
      b,
      c: b / 2,
      d: b % 2 === 0,
      e: [b],
      f: [],
      g: [[b, b + 1]],
    }));
    expect(await thereAndBack(rows)).toEqual(rows);
  });
});
