// backtrail data import: a published data set, graded anew, as a dataset of ours; with a report of what was rejected and why.
import { basename, join, resolve } from "node:path";
import { importDataset } from "../data/importDataset.ts";
import { hubAccess, hubFiles } from "../data/importHub.ts";
import { publications } from "../data/importPublished.ts";
import { ImportReport } from "../data/importReport.ts";
import { chooseFiles, type SourceFile } from "../data/importSource.ts";
import { UserError } from "../lib/errors.ts";
import { Progress } from "../run/progress.ts";
import { writeAtomic } from "../store/files.ts";
import { createDirectory } from "../store/results.ts";
import { errorKinds } from "../trace/verdict.ts";
import { localFiles, unknownName } from "./dataImportFiles.ts";
import { type ExitCode, type Io, readOptionalWholeFlag } from "./io.ts";

export interface DataImportFlags {
  readonly from: string;
  readonly out: string;
  /** One of the formats that the data set's texts are in; default: its first. */
  readonly format?: string;
  /** Ends of paths: only these files are read. */
  readonly file: readonly string[];
  /** Error kinds that a text may have and still be taken. */
  readonly allow: readonly string[];
  readonly skip?: string;
  readonly limit?: string;
  readonly solve: boolean;
  readonly json: boolean;
}

const examplesPerShard = 100_000;

/**
 * Writes into a folder that must not exist yet or be empty: shards, report.json, and manifest.json last. Where no record can be
 * taken nothing is written, so that the same folder serves for the next try.
 */
export async function dataImportCommand(io: Io, source: string, flags: DataImportFlags): Promise<ExitCode> {
  const publication = Object.hasOwn(publications, flags.from) ? publications[flags.from] : undefined;
  if (publication === undefined) throw unknownName("--from", flags.from, Object.keys(publications));
  const formats = Object.keys(publication.formats);
  const format = flags.format ?? (formats[0] as string);
  if (!formats.includes(format)) throw unknownName(`--format (with --from ${flags.from})`, format, formats);
  for (const kind of flags.allow) {
    if (!Object.hasOwn(errorKinds, kind)) throw unknownName("--allow", kind, Object.keys(errorKinds));
  }
  const options = {
    publication,
    format,
    allow: new Set(flags.allow),
    skip: readOptionalWholeFlag("--skip", flags.skip, 0) ?? 0,
    limit: readOptionalWholeFlag("--limit", flags.limit, 0) ?? Number.POSITIVE_INFINITY,
    solve: flags.solve,
    shardSize: examplesPerShard,
    signal: io.signal,
  };
  const isHub = source.startsWith("hf:");
  const there = isHub
    ? await hubFiles(source, hubAccess(io.env, io.signal))
    : await localFiles(resolve(io.cwd, source), source);
  const files = chooseFiles(there, source, flags.file);
  const out = resolve(io.cwd, flags.out);
  await createDirectory(out, `--out ${flags.out}`);
  const progress = new Progress({ write: io.err, isTerminal: io.errIsTerminal, now: () => performance.now() });
  const report = new ImportReport();
  const { shards, tests } = await importDataset(watched(files, progress), out, options, report);
  const imported = { from: flags.from, source, files: files.map(({ path }) => path), allow: flags.allow };
  const found = text({ ...imported, ...report.json() });
  for (const line of report.lines()) progress.say(line);
  if (report.isEmpty) {
    if (flags.json) io.out(found);
    throw new UserError(
      "import",
      `${source}: no record could be taken, and nothing was written. Is --from ${flags.from} right, and --format ${format}, --skip and --limit?`,
    );
  }
  await writeAtomic(join(out, "report.json"), found);
  const manifest = {
    kind: "dataset",
    name: isHub ? source.slice("hf:".length) : basename(source),
    backtrail: io.version,
    puzzle: { kind: publication.puzzle },
    train: { format },
    imported,
    shards,
    tests,
    statistics: report.statistics(),
  };
  await writeAtomic(join(out, "manifest.json"), text(manifest));
  io.out(flags.json ? found : `${flags.out}\n`);
  return 0;
}

function text(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** The same files; what is read of them is shown. */
function watched(files: readonly SourceFile[], progress: Progress): SourceFile[] {
  const total = megabytes(files.reduce((sum, { bytes }) => sum + bytes, 0));
  let read = 0;
  const count = (bytes: number) => {
    read += bytes;
    progress.update("import", { done: megabytes(read), total, unit: "MB" });
  };
  return files.map((file) => ({
    path: file.path,
    bytes: file.bytes,
    async *stream() {
      for await (const chunk of file.stream()) {
        count(chunk.byteLength);
        yield chunk;
      }
    },
    random: async () => {
      const buffer = await file.random();
      const slice = async (from: number, to?: number) => {
        const bytes = await buffer.slice(from, to);
        count(bytes.byteLength);
        return bytes;
      };
      return { ...buffer, slice };
    },
  }));
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 1e6);
}
