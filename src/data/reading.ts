// Reading a dataset back, a line at a time: from its folder or from one file, plain or gzip.
import { basename, dirname } from "node:path";
import { UserError } from "../lib/errors.ts";
import { quote } from "../lib/text.ts";
import { lookAt } from "../store/shardFolder.ts";
import type { ShardReader } from "../store/shards.ts";
import type { Example, TestProblem } from "./example.ts";
import { type DatasetManifest, manifestName, readManifest } from "./manifest.ts";

export interface DatasetFiles {
  readonly directory: string;
  readonly manifest: DatasetManifest | undefined;
  /** Names of training files, in order; there are none where problems alone were imported. */
  readonly train: readonly string[];
  /** Names of test files. */
  readonly tests: readonly string[];
}

/**
 * The files of a dataset's folder, or one file of training examples. Throws UserError("file") when there is nothing to read.
 */
export async function datasetFiles(path: string, shown: string): Promise<DatasetFiles> {
  const found = await lookAt(path);
  const help = "Give a dataset's folder (backtrail data make) or one of its train-*.jsonl files.";
  if (found === undefined) throw new UserError("file", `${shown}: there is no such file or folder. ${help}`);
  if (found === "file") return { directory: dirname(path), manifest: undefined, train: [basename(path)], tests: [] };
  const manifest = await readManifest(path);
  const train = found.filter((name) => /^train-\d+\.jsonl(\.gz)?$/.test(name));
  const tests = found.filter((name) => /^test-.+\.jsonl$/.test(name));
  // What was imported may be problems alone; and a manifest tells what is missing better than this message.
  if (train.length === 0 && manifest === undefined)
    throw new UserError("file", `${shown}: holds no train-*.jsonl file. ${help}`);
  return { directory: path, manifest, train, tests };
}

/** Files that the manifest names and the folder lacks. */
export function missingFiles({ manifest, train, tests }: DatasetFiles): string[] {
  const there = new Set([...train, ...tests]);
  return [...(manifest?.shards ?? []), ...(manifest?.tests ?? [])].flatMap(({ name }) => (there.has(name) ? [] : [name]));
}

/**
 * A dataset of which nothing is missing, or one file. Throws UserError as `datasetFiles` does, "unfinished" for a folder without a
 * manifest, "damaged" where the manifest names a file that is not there.
 */
export async function wholeDataset(path: string, shown: string): Promise<DatasetFiles> {
  const files = await datasetFiles(path, shown);
  if (files.manifest === undefined && (await lookAt(path)) !== "file") {
    throw new UserError(
      "unfinished",
      `${shown}: it holds no ${manifestName}: the dataset was not finished. Run the same \`backtrail data make\` again, or give one of its train-*.jsonl files.`,
    );
  }
  const [missing] = missingFiles(files);
  if (missing === undefined) return files;
  throw new UserError(
    "damaged",
    `${shown}: the manifest names ${missing}, but it is not there. Bring it back, make the dataset again, or give one of its train-*.jsonl files.`,
  );
}

/** A line as read, or why it could not be. */
export type Line<T> = { readonly number: number } & (
  | { readonly value: T; readonly fault?: never }
  | { readonly fault: string }
);

/** The examples of a training file. */
export function readExamples(reader: ShardReader): AsyncGenerator<Line<Example>> {
  return readLines(reader, exampleFault);
}

/** The problems of a test file. */
export function readTests(reader: ShardReader): AsyncGenerator<Line<TestProblem>> {
  return readLines(reader, testFault);
}

async function* readLines<T>(
  reader: ShardReader,
  faultOf: (record: Record<string, unknown>) => string | undefined,
): AsyncGenerator<Line<T>> {
  let number = 0;
  for await (const line of reader.lines()) {
    number++;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      yield { number, fault: `not JSON: ${quote(line)}` };
      continue;
    }
    const fault = typeof value === "object" && value !== null ? faultOf(value as Record<string, unknown>) : "not a JSON object";
    yield fault === undefined ? { number, value: value as T } : { number, fault };
  }
}

function exampleFault(record: Record<string, unknown>): string | undefined {
  const texts = ["id", "prompt", "response", "format", "solver", "origin"].filter((key) => typeof record[key] !== "string");
  if (texts.length > 0) return `not an example: ${texts.join(", ")} should be text`;
  if (typeof record.trainEnd !== "boolean") return "not an example: trainEnd should be true or false";
  const { length } = record.response as string;
  return areSpans(record.spans, length) ? undefined : `not an example: spans should be ordered ranges within 0 and ${length}`;
}

function testFault(record: Record<string, unknown>): string | undefined {
  const texts = ["id", "split", "prompt"].filter((key) => typeof record[key] !== "string");
  return texts.length > 0 ? `not a test problem: ${texts.join(", ")} should be text` : undefined;
}

function areSpans(value: unknown, length: number): boolean {
  if (!Array.isArray(value)) return false;
  let last = 0;
  return value.every((span: unknown) => {
    if (!Array.isArray(span) || span.length !== 2 || !span.every(Number.isInteger)) return false;
    const [from, to] = span as [number, number];
    const fits = from >= last && to >= from && to <= length;
    last = to;
    return fits;
  });
}
