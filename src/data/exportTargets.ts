// What an export writes: for each target the files, the split each holds, and how rows become bytes. No files are touched here.
import { UserError } from "../lib/errors.ts";
import type { Example, TestProblem } from "./example.ts";
import type { Dataset, RowFile } from "./exportDataset.ts";
import { axolotlRecord, columnRecord, selfBacktrackingRecord, trlRecord } from "./exportRecords.ts";
import { sosRecord, sosTestRecord } from "./exportSos.ts";
import { type ParquetColumn, parquetBytes } from "./parquetWrite.ts";

export const exportTargets = ["trl", "axolotl", "sos", "self-backtracking", "parquet"] as const;
export type ExportTarget = (typeof exportTargets)[number];

/** One file to write. */
export interface ExportFile {
  /** Under the output folder, with "/". */
  readonly path: string;
  readonly split: string;
  /** Files of other columns than the training set's make a configuration of their own: readers ask for equal columns in one. */
  readonly config: "default" | "problems";
  rows(): AsyncIterable<object>;
  encode(rows: AsyncIterable<object>): AsyncIterable<Uint8Array>;
}

export interface ExportOptions {
  /** axolotl: how the tokenizer spells its end of text. */
  readonly endOfText?: string;
}

/** Formats that a target can say; the others take any. */
const formatsOf: Partial<Readonly<Record<ExportTarget, readonly string[]>>> = {
  "self-backtracking": ["self-backtracking"],
  sos: ["sos", "think"],
};

/** Throws UserError("export") when the dataset cannot be said in the target's terms. Its examples are of one format: the first tells. */
export async function checkExport(target: ExportTarget, { train }: Dataset): Promise<void> {
  const formats = formatsOf[target];
  if (formats === undefined) return;
  for await (const { format } of joined(train)) {
    if (formats.includes(format)) return;
    throw new UserError(
      "export",
      `--to ${target}: expected a dataset of format ${formats.join(" or ")}, found ${format}. Use --to trl, axolotl or parquet for it.`,
    );
  }
}

/** The files of a target. */
export function exportFiles(target: ExportTarget, dataset: Dataset, options: ExportOptions): ExportFile[] {
  if (target === "trl") return trlFiles(dataset);
  if (target === "axolotl") return axolotlFiles(dataset, options);
  if (target === "sos") return sosFiles(dataset);
  return target === "parquet" ? parquetFiles(dataset) : selfBacktrackingFiles(dataset);
}

function trlFiles({ train, tests }: Dataset): ExportFile[] {
  return [
    { path: "train.jsonl", split: "train", config: "default", rows: () => mapped(joined(train), trlRecord), encode: jsonLines },
    ...tests.map(({ split, rows }): ExportFile => {
      const prompts = () => mapped(rows(), ({ id, prompt }: TestProblem) => ({ id, prompt }));
      return { path: `test-${split}.jsonl`, split, config: "problems", rows: prompts, encode: jsonLines };
    }),
  ];
}

/** Test problems are left out: a segment that is not trained on says nothing to axolotl. */
function axolotlFiles({ train }: Dataset, { endOfText }: ExportOptions): ExportFile[] {
  const rows = () => mapped(joined(train), (example: Example) => axolotlRecord(example, endOfText));
  return [{ path: "train.jsonl", split: "train", config: "default", rows, encode: jsonLines }];
}

/** The published names: `val` has the targets of training, `val_target` held-out ones. */
function sosFiles({ train, tests }: Dataset): ExportFile[] {
  const names: Readonly<Record<string, string>> = { seen: "val", unseen: "val_target" };
  return [
    { path: "train.json", split: "train", config: "default", rows: () => mapped(joined(train), sosRecord), encode: jsonList },
    ...tests.map(({ split, rows }): ExportFile => {
      const name = names[split] ?? split;
      return {
        path: `${name}.json`,
        split: name,
        config: "default",
        rows: () => mapped(rows(), sosTestRecord),
        encode: jsonList,
      };
    }),
  ];
}

/** The published validation file is the seen targets followed by the new ones; its users cut it in the middle. */
function selfBacktrackingFiles({ train, tests }: Dataset): ExportFile[] {
  const training = () => mapped(joined(train), (example: Example) => selfBacktrackingRecord(example, example.response));
  const validation = ["seen", "unseen"].flatMap((name) => tests.filter(({ split }) => split === name));
  const val: ExportFile = {
    path: "val_backtrack.json",
    split: "validation",
    config: "default",
    rows: () => mapped(joined(validation), (problem: TestProblem) => selfBacktrackingRecord(problem, "")),
    encode: jsonList,
  };
  return [
    { path: "train_backtrack.json", split: "train", config: "default", rows: training, encode: jsonList },
    ...(validation.length === 0 ? [] : [val]),
  ];
}

const shared: readonly ParquetColumn[] = [
  { name: "id", type: "text" },
  { name: "problem", type: "text" },
  { name: "prompt", type: "text" },
];
const exampleColumns: readonly ParquetColumn[] = [
  ...shared,
  { name: "response", type: "text" },
  { name: "spans", type: "spans" },
  { name: "trainEnd", type: "boolean" },
  { name: "format", type: "text" },
  { name: "solver", type: "text" },
  { name: "origin", type: "text" },
  { name: "solved", type: "boolean" },
  { name: "nodes", type: "integer" },
  { name: "solution", type: "text" },
];
const problemColumns: readonly ParquetColumn[] = [...shared, { name: "split", type: "text" }];

/** A file a shard, under the names that Hugging Face's tools give. */
function parquetFiles({ train, tests }: Dataset): ExportFile[] {
  const number = (value: number) => String(value).padStart(5, "0");
  const file = (
    split: string,
    config: ExportFile["config"],
    part: number,
    parts: number,
    source: RowFile<Example | TestProblem>,
  ) => ({
    path: `data/${split}-${number(part)}-of-${number(parts)}.parquet`,
    split,
    config,
    rows: () => mapped(source.rows(), columnRecord),
    encode: (rows: AsyncIterable<object>) => parquetBytes(config === "default" ? exampleColumns : problemColumns, rows),
  });
  return [
    ...train.map((source, index) => file("train", "default", index, train.length, source)),
    ...tests.map((source) => file(source.split, "problems", 0, 1, source)),
  ];
}

async function* joined<Row>(files: readonly RowFile<Row>[]): AsyncGenerator<Row> {
  for (const file of files) yield* file.rows();
}

async function* mapped<Row, Out extends object>(rows: AsyncIterable<Row>, write: (row: Row) => Out): AsyncGenerator<Out> {
  for await (const row of rows) yield write(row);
}

const bufferCharacters = 1 << 18;

/** A JSON object a line. */
function jsonLines(rows: AsyncIterable<object>): AsyncGenerator<Uint8Array> {
  return encoded(rows, { before: "", between: "\n", after: "\n" });
}

/** One list, a record a line, as the published files are. */
function jsonList(rows: AsyncIterable<object>): AsyncGenerator<Uint8Array> {
  return encoded(rows, { before: "[\n", between: ",\n", after: "\n]\n" });
}

async function* encoded(
  rows: AsyncIterable<object>,
  { before, between, after }: { readonly before: string; readonly between: string; readonly after: string },
): AsyncGenerator<Uint8Array> {
  let text = before;
  let first = true;
  for await (const row of rows) {
    text += first ? JSON.stringify(row) : between + JSON.stringify(row);
    first = false;
    if (text.length < bufferCharacters) continue;
    yield Buffer.from(text);
    text = "";
  }
  // A file of lines without a line is empty.
  yield Buffer.from(first && before === "" ? "" : text + after);
}
