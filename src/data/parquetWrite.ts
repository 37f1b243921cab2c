// A Parquet file as a stream of bytes: rows in, row groups out, memory for one group. Knows hyparquet-writer and no file.

import type { SchemaElement } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";

/** A column: `json` is text that holds JSON, `spans` a list of lists of two integers. Absent values become nulls. */
export interface ParquetColumn {
  readonly name: string;
  readonly type: "text" | "integer" | "real" | "boolean" | "integers" | "spans" | "texts";
}

const rowsPerGroup = 2000;

/**
 * The bytes of the file, to be written one after the other. Compressed with snappy; row groups of 2,000 rows, so that
 * readers stream. Equal rows give equal bytes.
 */
export async function* parquetBytes(
  columns: readonly ParquetColumn[],
  rows: Iterable<object> | AsyncIterable<object>,
): AsyncGenerator<Uint8Array> {
  const output = new ByteWriter();
  const file = new ParquetWriter({ writer: output, schema: schemaOf(columns), codec: "SNAPPY", createdBy: "backtrail" });
  // The writer counts the bytes of the whole file in `offset`; `index` is where it stands in its buffer, which is emptied here.
  const take = (): Uint8Array => {
    const bytes = new Uint8Array(output.buffer.slice(0, output.index));
    output.index = 0;
    return bytes;
  };
  let group: Record<string, unknown>[] = [];
  const write = () => {
    const columnData = columns.map(({ name }) => ({ name, data: group.map((row) => row[name] ?? null) }));
    file.write({ columnData, rowGroupSize: rowsPerGroup });
    group = [];
  };
  for await (const row of rows) {
    group.push(row as Record<string, unknown>);
    if (group.length < rowsPerGroup) continue;
    write();
    yield take();
  }
  if (group.length > 0) write();
  file.finish();
  yield take();
}

function schemaOf(columns: readonly ParquetColumn[]): SchemaElement[] {
  return [{ name: "root", num_children: columns.length }, ...columns.flatMap(elementsOf)];
}

function elementsOf({ name, type }: ParquetColumn): SchemaElement[] {
  if (type === "integers") return listOf(name, leaf("element", "integer"));
  if (type === "texts") return listOf(name, leaf("element", "text"));
  if (type === "spans") return listOf(name, ...listOf("element", leaf("element", "integer")));
  return [leaf(name, type)];
}

/** The three levels that the Parquet format asks for: the list, its repeated group, the element. */
function listOf(name: string, ...element: SchemaElement[]): SchemaElement[] {
  return [
    { name, repetition_type: "OPTIONAL", num_children: 1, converted_type: "LIST" },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    ...element,
  ];
}

function leaf(name: string, type: "text" | "integer" | "real" | "boolean"): SchemaElement {
  const base = { name, repetition_type: "OPTIONAL" } as const;
  if (type === "text") return { ...base, type: "BYTE_ARRAY", converted_type: "UTF8" };
  if (type === "boolean") return { ...base, type: "BOOLEAN" };
  if (type === "real") return { ...base, type: "DOUBLE" };
  return { ...base, type: "INT32" };
}
