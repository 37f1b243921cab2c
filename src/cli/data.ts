// backtrail data make | verify | inspect: datasets without a sweep.
import { readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseDataConfig } from "../config/load.ts";
import { loadModule, loadModulesOf } from "../config/moduleLoader.ts";
import { makeDatasetFolder } from "../data/dataset.ts";
import { type Distribution, type Inspection, inspectDataset } from "../data/inspect.ts";
import { type DatasetFiles, datasetFiles, missingFiles } from "../data/reading.ts";
import { type Finding, verifyDataset } from "../data/verify.ts";
import { exitCode, UserError } from "../lib/errors.ts";
import { nearest, quote } from "../lib/text.ts";
import { allPuzzles, readProblem } from "../puzzle/registry.ts";
import { formatDuration, Progress } from "../run/progress.ts";
import { findFormat } from "../trace/registry.ts";
import { colourExample } from "./colour.ts";
import { type ExitCode, type Io, readOptionalWholeFlag, readUserFile, readWholeFlag } from "./io.ts";

const defaultShardSize = 100_000;

export interface DataMakeFlags {
  readonly out: string;
  readonly size?: string;
  readonly seed?: string;
  readonly set: readonly string[];
  readonly threads?: string;
  readonly shardSize?: string;
  readonly compress?: string;
  readonly json: boolean;
}

/**
 * Writes test files, training shards and manifest.json into a new folder, or goes on with one that was interrupted. The same
 * seed gives the same bytes, whatever the number of threads. `preset` is a name of configs/data/ or a config file's path.
 */
export async function dataMakeCommand(io: Io, preset: string, flags: DataMakeFlags): Promise<ExitCode> {
  const path = await configPath(io, preset);
  const text = await readUserFile(path);
  await loadModulesOf(text, path);
  const overrides = [
    ...flags.set,
    ...(flags.size === undefined ? [] : [`data.train.size=${flags.size}`]),
    ...(flags.seed === undefined ? [] : [`seed=${flags.seed}`]),
  ];
  const { name, seed, puzzle, data } = parseDataConfig(text, preset, overrides);
  const { train, test } = data;
  if (flags.compress !== undefined && flags.compress !== "gzip")
    throw new UserError("usage", `--compress: expected gzip, found ${quote(flags.compress)}`);
  const threads = readOptionalWholeFlag("--threads", flags.threads, 1);
  const progress = new Progress({ write: io.err, isTerminal: io.errIsTerminal, now: () => performance.now() });
  const begun = performance.now();
  const manifest = await makeDatasetFolder(
    { name, seed, puzzle, train, test },
    {
      directory: resolve(io.cwd, flags.out),
      option: `--out ${flags.out}`,
      version: io.version,
      threads,
      shardSize: readOptionalWholeFlag("--shard-size", flags.shardSize, 1) ?? defaultShardSize,
      compress: flags.compress !== undefined,
      cache: join(io.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "backtrail"),
      signal: io.signal,
      onProgress: (done) => progress.update(name, { done, total: train.size, unit: "examples" }),
    },
  );
  const { shards, tests, statistics } = manifest;
  const rows = tests.reduce((sum, file) => sum + file.rows, 0);
  const took = formatDuration((performance.now() - begun) / 1000);
  progress.finish(
    name,
    `${statistics.examples} examples in ${shards.length} ${shards.length === 1 ? "shard" : "shards"}, ${rows} test problems in ${tests.length} sets, ${took}`,
  );
  io.out(flags.json ? `${JSON.stringify(manifest, null, 2)}\n` : `${flags.out}\n`);
  return exitCode.done;
}

/** A file if there is one, else a preset of the package. */
async function configPath(io: Io, preset: string): Promise<string> {
  const path = resolve(io.cwd, preset);
  if ((await stat(path).catch(() => undefined))?.isFile()) return path;
  const folder = join(io.root, "configs", "data");
  const names = (await readdir(folder))
    .flatMap((file) => (file.endsWith(".yaml") ? [file.slice(0, -".yaml".length)] : []))
    .sort();
  if (names.includes(preset)) return join(folder, `${preset}.yaml`);
  const near = nearest(preset, names);
  const hint = near === undefined ? "" : ` Did you mean ${quote(near)}?`;
  throw new UserError(
    "file",
    `${preset}: there is no such file and no preset of that name.${hint} Presets: ${names.join(", ")}; or give the path of a config.`,
  );
}

/** Modules are those of the user's own puzzle or format; a dataset does not say where they lie. */
export interface DataVerifyFlags {
  readonly module?: readonly string[];
  readonly json: boolean;
}

export interface DataInspectFlags extends DataVerifyFlags {
  readonly examples: string;
}

async function openDataset(io: Io, path: string, modules: readonly string[] = []): Promise<DatasetFiles> {
  for (const module of modules) await loadModule(resolve(io.cwd, module));
  const files = await datasetFiles(resolve(io.cwd, path), path);
  const puzzle = files.manifest?.puzzle;
  if (puzzle !== undefined && "content" in puzzle && !allPuzzles().some(({ name }) => name === puzzle.kind)) {
    throw new UserError(
      "module",
      `${path}: its puzzle ${puzzle.kind} comes from a module of your own. Give it: --module <path>.`,
    );
  }
  return files;
}

/**
 * Checks a dataset: files against the manifest, splits against each other, every example against the promise of its origin.
 * What is wrong goes to stderr, a line each (`file:line: what`), with --json to stdout; then the exit code is 2.
 */
export async function dataVerifyCommand(io: Io, path: string, flags: DataVerifyFlags): Promise<ExitCode> {
  const files = await openDataset(io, path, flags.module);
  const total = files.manifest?.shards.reduce((sum, { rows }) => sum + rows, 0) ?? 0;
  const progress = new Progress({ write: io.err, isTerminal: io.errIsTerminal, now: () => performance.now() });
  const found = await verifyDataset(files, (done) => progress.update("verify", { done, total, unit: "examples" }));
  const verdict =
    found.wrong === 0
      ? "all of them right, no problem shared"
      : `${found.wrong} faults, ${found.sharedProblems} examples on test problems`;
  progress.finish("verify", `${path}: ${found.examples} examples and ${found.tests} test problems checked: ${verdict}`);
  if (flags.json) io.out(`${JSON.stringify(found, null, 2)}\n`);
  else for (const finding of found.findings) io.err(`${located(finding)}\n`);
  const more = found.wrong - found.findings.length;
  if (!flags.json && more > 0) io.err(`... and ${more} more\n`);
  return found.wrong === 0 ? exitCode.done : exitCode.usage;
}

function located({ file, line, message }: Finding): string {
  return line === undefined ? `${file}: ${message}` : `${file}:${line}: ${message}`;
}

/** The first examples with their masks in colour; counts by origin and solver; lengths and difficulty as histograms. */
export async function dataInspectCommand(io: Io, path: string, flags: DataInspectFlags): Promise<ExitCode> {
  const wanted = readWholeFlag("--examples", flags.examples, 0);
  const files = await openDataset(io, path, flags.module);
  for (const name of missingFiles(files)) io.err(`${path}: the manifest names ${name}, but it is not there\n`);
  const found = await inspectDataset(files, wanted);
  if (flags.json) {
    io.out(`${JSON.stringify(found, null, 2)}\n`);
    return exitCode.done;
  }
  for (const example of found.shown) {
    const { puzzle } = readProblem(example.problem);
    const { vocabulary, markers } = findFormat(puzzle.name, example.format);
    const special = new Set([...vocabulary.special, markers.goal, ...(markers.backtrack ? [markers.backtrack] : [])]);
    io.out(`${colourExample(example, [...special], io.colour)}\n\n`);
  }
  io.out(summaryOf(found));
  return exitCode.done;
}

function summaryOf(found: Inspection): string {
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  const lines = [
    `${found.examples} examples`,
    `by origin: ${list(found.origins)}`,
    `by solver: ${list(found.solvers)}`,
    ...(found.searches > 0 ? [`searches that reach a goal: ${found.solved} of ${found.searches}`] : []),
    ...(found.cut > 0 ? [`cut off: ${found.cut}`] : []),
    `trained: ${(100 * found.trainedShare).toFixed(1)}% of the characters`,
    "",
    ...histogram("characters of a response", found.characters),
    ...(found.nodes ? histogram("nodes of a search", found.nodes) : []),
    ...Object.entries(found.statistics).flatMap(([name, values]) =>
      histogram(`${name} (of the first ${found.statisticsOf} problems)`, values),
    ),
  ];
  return `${lines.join("\n")}\n`;
}

const barWidth = 40;

function histogram(title: string, { min, median, mean, p90, max, bins }: Distribution): string[] {
  const short = (value: number) => String(Number(value.toPrecision(4)));
  const most = Math.max(1, ...bins.map(({ count }) => count));
  // A bin of one whole number is named by it alone.
  const labels = bins.map(({ low, high }) =>
    Number.isInteger(low) && Number.isInteger(high)
      ? high - low === 1
        ? `${low}`
        : `${low}-${high - 1}`
      : `${short(low)}-${short(high)}`,
  );
  const width = Math.max(0, ...labels.map((label) => label.length));
  return [
    `${title}: from ${short(min)} to ${short(max)}, median ${short(median)}, mean ${short(mean)}, 90% up to ${short(p90)}`,
    ...bins.map(({ count }, index) => {
      const bar = "#".repeat(Math.ceil((barWidth * count) / most));
      return `  ${(labels[index] as string).padStart(width)}  ${bar} ${count}`;
    }),
    "",
  ];
}
