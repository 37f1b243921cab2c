// backtrail data export: a dataset in the files of other tools, with a data card.
import { basename, dirname, join, resolve } from "node:path";
import { type CardFile, dataCard } from "../data/exportCard.ts";
import { Census, openDataset } from "../data/exportDataset.ts";
import { checkExport, type ExportFile, exportFiles, exportTargets } from "../data/exportTargets.ts";
import { wholeDataset } from "../data/reading.ts";
import { UserError } from "../lib/errors.ts";
import { Progress } from "../run/progress.ts";
import { makeFolder, writeAtomic } from "../store/files.ts";
import { createDirectory } from "../store/results.ts";
import { ShardWriter } from "../store/shards.ts";
import { unknownName } from "./dataImportFiles.ts";
import type { ExitCode, Io } from "./io.ts";

export interface DataExportFlags {
  readonly to: string;
  readonly out: string;
  /** axolotl: the tokenizer's end of text. */
  readonly endOfText?: string;
  readonly license?: string;
  readonly json: boolean;
}

/** Writes into a folder that must not exist yet or be empty; README.md, the card, comes last. */
export async function dataExportCommand(io: Io, path: string, flags: DataExportFlags): Promise<ExitCode> {
  const target = exportTargets.find((name) => name === flags.to);
  if (target === undefined) throw unknownName("--to", flags.to, exportTargets);
  if (flags.endOfText !== undefined && target !== "axolotl") {
    throw new UserError(
      "usage",
      `--end-of-text: only --to axolotl writes the end of text itself; with --to ${target} leave it out.`,
    );
  }
  const folder = resolve(io.cwd, path);
  const files = await wholeDataset(folder, path);
  const dataset = openDataset(files);
  await checkExport(target, dataset);
  const out = resolve(io.cwd, flags.out);
  await createDirectory(out, `--out ${flags.out}`);
  const progress = new Progress({ write: io.err, isTerminal: io.errIsTerminal, now: () => performance.now() });
  const census = new Census();
  const watched = { ...dataset, train: dataset.train.map((file) => ({ ...file, rows: () => census.watch(file.rows()) })) };
  const written: CardFile[] = [];
  for (const file of exportFiles(target, watched, flags.endOfText === undefined ? {} : { endOfText: flags.endOfText })) {
    const done = await writeFile(out, file, io.signal);
    progress.say(`${done.path}: ${done.rows} rows`);
    written.push(done);
  }
  const card = dataCard({
    name: basename(folder),
    target,
    version: io.version,
    ...(flags.license === undefined ? {} : { license: flags.license }),
    manifest: files.manifest ?? {},
    files: written,
    origins: census.origins,
    masked: census.masked,
  });
  await writeAtomic(join(out, "README.md"), card);
  io.out(flags.json ? `${JSON.stringify({ to: target, files: written }, null, 2)}\n` : `${flags.out}\n`);
  return 0;
}

/** The file, whole or not at all. */
async function writeFile(
  out: string,
  { path, split, config, rows, encode }: ExportFile,
  signal: AbortSignal,
): Promise<CardFile> {
  const target = join(out, path);
  await makeFolder(dirname(target));
  let count = 0;
  const counted = async function* (): AsyncGenerator<object> {
    for await (const row of rows()) {
      signal.throwIfAborted();
      count++;
      yield row;
    }
  };
  const writer = await ShardWriter.open(target);
  try {
    for await (const bytes of encode(counted())) await writer.write(bytes, 0);
    return { path, split, config, ...(await writer.finish()), rows: count };
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}
