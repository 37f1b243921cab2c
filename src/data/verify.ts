// Proves a dataset: files are what the manifest says, splits share no problem, every example keeps the promise of its origin.
// Streams: only the keys of test problems (and hashes of training keys, where repeats are excluded) are held.
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { readProblem } from "../puzzle/registry.ts";
import { ShardReader } from "../store/shards.ts";
import { findFormat } from "../trace/registry.ts";
import type { Example, TestProblem } from "./example.ts";
import { keyHash } from "./keyHash.ts";
import { KeyTable } from "./keyTable.ts";
import type { DatasetManifest } from "./manifest.ts";
import { problemSpace } from "./problems.ts";
import { type DatasetFiles, missingFiles, readExamples, readTests } from "./reading.ts";
import { exampleError } from "./verifyExample.ts";

/** Something wrong, and where: a line from 1, or the file as a whole. */
export interface Finding {
  readonly file: string;
  readonly line?: number;
  readonly message: string;
}

export interface Verification {
  readonly examples: number;
  readonly tests: number;
  /** Training examples whose problem, up to its puzzle's symmetry, is in a test file: 0 is disjoint. */
  readonly sharedProblems: number;
  /** All that is wrong, and the first of them. */
  readonly wrong: number;
  readonly findings: readonly Finding[];
}

const mostFindings = 100;

/** Never throws on what a file holds. `onProgress` is called with the examples checked so far. */
export async function verifyDataset(files: DatasetFiles, onProgress: (checked: number) => void): Promise<Verification> {
  const checker = new Checker(files, onProgress);
  await checker.listed();
  for (const name of files.tests) await checker.tests(name);
  for (const name of files.train) await checker.train(name);
  return checker.result();
}

class Checker {
  readonly #files: DatasetFiles;
  readonly #manifest: DatasetManifest | undefined;
  readonly #onProgress: (checked: number) => void;
  /** Canonical key -> where it stands. */
  readonly #testKeys = new Map<string, string>();
  readonly #findings: Finding[] = [];
  readonly #seen: KeyTable | undefined;
  readonly #splitOf: ((problem: unknown) => string) | undefined;
  readonly #allowed: ReadonlySet<string>;
  #wrong = 0;
  #shared = 0;
  #examples = 0;
  #tests = 0;

  constructor(files: DatasetFiles, onProgress: (checked: number) => void) {
    this.#files = files;
    this.#manifest = files.manifest;
    this.#onProgress = onProgress;
    const train = this.#manifest?.train;
    // Self-backtracking puts several examples on one question; that its questions differ is seen at the direct ones.
    this.#seen = train?.distinct ? new KeyTable() : undefined;
    const imported = this.#manifest?.imported;
    this.#allowed = new Set(imported?.allow);
    this.#splitOf = this.#manifest && !imported ? problemSpace(this.#manifest.puzzle).splitOf : undefined;
  }

  /** Whether the folder holds the files that its manifest lists. */
  async listed(): Promise<void> {
    if (this.#manifest === undefined) {
      this.#add({
        file: this.#files.directory,
        message: "no manifest.json: the dataset was not finished. Run the same `data make` again",
      });
      return;
    }
    for (const file of missingFiles(this.#files)) this.#add({ file, message: "the manifest names it, but it is not there" });
    const named = new Set([...this.#manifest.shards, ...this.#manifest.tests].map(({ name }) => name));
    for (const file of [...this.#files.train, ...this.#files.tests].filter((name) => !named.has(name)))
      this.#add({ file, message: "the manifest does not name it" });
  }

  async tests(file: string): Promise<void> {
    const reader = this.#reader(file);
    const own = new Set<string>();
    await this.#reading(file, async () => {
      for await (const line of readTests(reader)) {
        this.#tests++;
        const message = line.fault ?? this.#located(() => this.#testError(line.value, own, `${file}:${line.number}`));
        if (message !== undefined) this.#add({ file, line: line.number, message });
      }
    });
    this.#compare(file, reader);
  }

  async train(file: string): Promise<void> {
    const reader = this.#reader(file);
    await this.#reading(file, async () => {
      for await (const line of readExamples(reader)) {
        this.#examples++;
        const message = line.fault ?? this.#located(() => this.#trainError(line.value));
        if (message !== undefined) this.#add({ file, line: line.number, message });
        if (this.#examples % 256 === 0) this.#onProgress(this.#examples);
      }
    });
    this.#compare(file, reader);
  }

  result(): Verification {
    return {
      examples: this.#examples,
      tests: this.#tests,
      sharedProblems: this.#shared,
      wrong: this.#wrong,
      findings: this.#findings,
    };
  }

  #testError(test: TestProblem, own: Set<string>, place: string): string | undefined {
    const { puzzle, problem } = readProblem(test.problem);
    const key = puzzle.canonicalKey(problem);
    if (own.has(key)) return `the problem ${key} is there twice`;
    own.add(key);
    this.#testKeys.set(key, place);
    return this.#splitOf?.(problem) === "train" ? `the problem ${key} belongs to the split train` : undefined;
  }

  #trainError(example: Example): string | undefined {
    const { puzzle, problem } = readProblem(example.problem);
    const key = puzzle.canonicalKey(problem);
    const test = this.#testKeys.get(key);
    if (test !== undefined) {
      this.#shared++;
      return `the problem ${key} is a test problem too: ${test}`;
    }
    const split = this.#splitOf?.(problem) ?? "train";
    if (split !== "train") return `the problem ${key} belongs to the split ${split}`;
    const repeats = example.format === "self-backtracking" && example.origin !== "optimal";
    if (!repeats && this.#seen?.add(...keyHash(key, 0)) === false)
      return `the problem ${key} was there before, against \`distinct\``;
    return exampleError(puzzle, findFormat(puzzle.name, example.format), problem, example, this.#allowed);
  }

  #reader(file: string): ShardReader {
    return new ShardReader(join(this.#files.directory, file));
  }

  /** A record that a puzzle or a format refuses is a finding, not a failure. */
  #located(judge: () => string | undefined): string | undefined {
    try {
      return judge();
    } catch (error) {
      if (error instanceof UserError) return error.message;
      throw error;
    }
  }

  async #reading(file: string, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#add({ file, message: error.message });
    }
  }

  /** Rows and digest against the manifest. */
  #compare(file: string, reader: ShardReader): void {
    const said = [...(this.#manifest?.shards ?? []), ...(this.#manifest?.tests ?? [])].find(({ name }) => name === file);
    if (said === undefined) return;
    const found = reader.facts();
    if (found.rows !== said.rows) this.#add({ file, message: `${found.rows} rows, the manifest says ${said.rows}` });
    else if (found.sha256 !== said.sha256)
      this.#add({ file, message: "the content is not the one that the manifest's digest is of" });
  }

  #add(finding: Finding): void {
    this.#wrong++;
    if (this.#findings.length < mostFindings) this.#findings.push(finding);
  }
}
