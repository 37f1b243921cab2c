// backtrail data make | inspect: datasets without a sweep.
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseConfig } from "../config/load.ts";
import type { Example } from "../data/example.ts";
import { trainExamples } from "../data/make.ts";
import { UserError } from "../lib/errors.ts";
import { Progress } from "../run/progress.ts";
import { readJsonl, storeError, writeAtomic } from "../store/files.ts";
import { createDirectory } from "../store/results.ts";
import { writeJsonl } from "../store/shards.ts";
import { colourExample } from "./colour.ts";
import { type ExitCode, type Io, readUserFile } from "./io.ts";

const examplesPerShard = 100_000;

export interface DataMakeFlags {
  readonly out: string;
  readonly size?: string;
  readonly seed?: string;
  readonly set: readonly string[];
  readonly json: boolean;
}

/** Writes shards and manifest.json into a folder that must not exist yet. The same seed gives the same bytes. */
export async function dataMakeCommand(io: Io, path: string, flags: DataMakeFlags): Promise<ExitCode> {
  const extra = [
    ...(flags.size === undefined ? [] : [`data.train.size=${flags.size}`]),
    ...(flags.seed === undefined ? [] : [`seed=${flags.seed}`]),
  ];
  const config = parseConfig(await readUserFile(resolve(io.cwd, path)), path, [...flags.set, ...extra]);
  const { puzzle, data, seed } = config.file;
  const out = resolve(io.cwd, flags.out);
  await createDirectory(out, `--out ${flags.out}`);
  const progress = new Progress({ write: io.err, isTerminal: io.errIsTerminal, now: () => performance.now() });
  const begun = performance.now();
  const shards: Record<string, unknown>[] = [];
  for (let from = 0; from < data.train.size; from += examplesPerShard) {
    const name = `train-${String(shards.length).padStart(5, "0")}.jsonl`;
    const to = Math.min(from + examplesPerShard, data.train.size);
    const source = watched(trainExamples({ puzzle, train: data.train }, seed, from, to), from, data.train.size, progress);
    const written = await writeJsonl(join(out, name), source).catch((error: unknown) => {
      throw storeError(error, join(out, name));
    });
    shards.push({ name, ...written });
  }
  const manifest = { kind: "dataset", backtrail: io.version, seed, puzzle, train: data.train, shards };
  await writeAtomic(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  const seconds = (performance.now() - begun) / 1000;
  progress.say(`${data.train.size} examples in ${shards.length} shards, ${seconds.toFixed(1)} s`);
  io.out(flags.json ? `${JSON.stringify(manifest, null, 2)}\n` : `${flags.out}\n`);
  return 0;
}

function* watched(source: Iterable<Example>, from: number, total: number, progress: Progress): Generator<Example> {
  let done = from;
  for (const example of source) {
    progress.update("data", { done: ++done, total, unit: "examples" });
    yield example;
  }
}

/** Counts by origin, lengths in characters, shares trained; and the first examples with their masks in colour. */
export async function dataInspectCommand(io: Io, path: string, flags: { examples: string; json: boolean }): Promise<ExitCode> {
  const wanted = Number(flags.examples);
  if (!Number.isInteger(wanted) || wanted < 0)
    throw new UserError("usage", `--examples: expected a whole number from 0, found ${flags.examples}`);
  const origins: Record<string, number> = {};
  const shown: Example[] = [];
  const lengths: number[] = [];
  let trained = 0;
  for (const shard of await shardsOf(resolve(io.cwd, path), path)) {
    let number = 0;
    for await (const example of readJsonl<Example>(shard)) {
      number++;
      if (typeof example.prompt !== "string" || typeof example.response !== "string" || !Array.isArray(example.spans)) {
        throw new UserError(
          "file",
          `${shard}:${number}: not an example: it needs prompt, response and spans. Give a dataset folder that \`backtrail data make\` wrote.`,
        );
      }
      origins[example.origin] = (origins[example.origin] ?? 0) + 1;
      lengths.push(example.prompt.length + example.response.length);
      trained += example.spans.reduce((sum, [from, to]) => sum + to - from, 0);
      if (shown.length < wanted) shown.push(example);
    }
  }
  const characters = lengths.reduce((sum, length) => sum + length, 0);
  lengths.sort((a, b) => a - b);
  const quantile = (q: number) => lengths[Math.min(lengths.length - 1, Math.floor(q * lengths.length))] ?? 0;
  const counts = {
    examples: lengths.length,
    origins,
    characters: { median: quantile(0.5), p90: quantile(0.9), max: quantile(1) },
    trainedShare: characters === 0 ? 0 : trained / characters,
  };
  if (flags.json) {
    io.out(`${JSON.stringify({ ...counts, shown }, null, 2)}\n`);
    return 0;
  }
  for (const example of shown) io.out(`${colourExample(example, io.colour)}\n`);
  io.out(
    `${counts.examples} examples; by origin: ${Object.entries(origins)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ")}\n`,
  );
  io.out(
    `characters: median ${counts.characters.median}, 90% below ${counts.characters.p90}, longest ${counts.characters.max}\n`,
  );
  io.out(`trained: ${(100 * counts.trainedShare).toFixed(1)}% of the characters\n`);
  return 0;
}

async function shardsOf(path: string, shown: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    throw new UserError(
      "file",
      `${shown}: there is no such file or folder. Give a dataset folder (backtrail data make) or a .jsonl shard.`,
    );
  if (found.isFile()) return [path];
  const names = (await readdir(path)).filter((name) => /^train-\d+\.jsonl$/.test(name)).sort();
  if (names.length === 0)
    throw new UserError(
      "file",
      `${shown}: holds no train-*.jsonl shard. Give a dataset folder (backtrail data make) or a .jsonl shard.`,
    );
  return names.map((name) => join(path, name));
}
