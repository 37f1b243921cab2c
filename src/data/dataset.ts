// A whole dataset in a folder: test files, training shards, and last of all its manifest. Interrupted at any point, the same
// call goes on where it was.
import { join } from "node:path";
import type { TestDataSettings } from "../config/dataSettings.ts";
import { possibleTests } from "../config/testSizes.ts";
import { UserError } from "../lib/errors.ts";
import { digest, type Json } from "../lib/hash.ts";
import { syncPath, writeAtomic } from "../store/files.ts";
import { lockDataset } from "../store/lock.ts";
import { lookAt, writeAnew } from "../store/shardFolder.ts";
import { ShardJournal } from "../store/shardJournal.ts";
import type { TestProblem } from "./example.ts";
import { testProblems } from "./make.ts";
import { type DatasetFile, type DatasetManifest, manifestName, readManifest } from "./manifest.ts";
import { recipeFor } from "./recipe.ts";
import type { TrainSet } from "./settings.ts";
import { type MadeShard, writeTrainShards } from "./trainShards.ts";

export interface DatasetSettings extends TrainSet {
  readonly name: string;
  readonly test: TestDataSettings;
}

export interface DatasetOptions {
  readonly directory: string;
  /** How the user named the folder, for messages. */
  readonly option: string;
  readonly version: string;
  readonly threads?: number | undefined;
  readonly shardSize: number;
  readonly compress: boolean;
  /** Folder of what may be kept between datasets. */
  readonly cache: string;
  readonly signal: AbortSignal;
  readonly onProgress: (made: number) => void;
}

/**
 * Makes or goes on with a dataset; one that is finished already is given back as it is. Throws UserError: "exists" when the
 * folder holds anything else, and what recipes and test problems throw. Rejects with AbortError when interrupted.
 */
export async function makeDatasetFolder(settings: DatasetSettings, options: DatasetOptions): Promise<DatasetManifest> {
  const { directory, option } = options;
  const { name, seed, puzzle, train } = settings;
  const test = possibleTests(puzzle, settings.test);
  const about = { kind: "dataset" as const, name, backtrail: options.version, seed, puzzle, train, test };
  const identity = identityOf(about);
  // Before anything is written: a folder of something else, or settings that cannot be.
  const finished = await finishedBefore(identity, options);
  if (finished !== undefined) return finished;
  // What `distinct` needs to be worked out comes later.
  recipeFor({ ...settings, train: { ...train, distinct: false } });
  const lock = await lockDataset(directory, option);
  try {
    // Another maker may have come to its end between the look and the lock.
    return (await finishedBefore(identity, options)) ?? (await makeLocked(settings, options, about, identity));
  } finally {
    await lock.release();
  }
}

/** The dataset that is there already. Throws UserError("exists") when it is another one, and what `whole` throws. */
async function finishedBefore(identity: string, options: DatasetOptions): Promise<DatasetManifest | undefined> {
  const { directory, option } = options;
  const finished = await readManifest(directory);
  if (finished === undefined) return undefined;
  if (identityOf(finished) === identity) return whole(finished, options);
  throw new UserError(
    "exists",
    `${option}: the folder holds the dataset "${finished.name}" (seed ${finished.seed}), made from other settings or by another version. ` +
      "Nothing is overwritten: choose a new folder.",
  );
}

/**
 * A finished dataset whose files are all there. Throws UserError: "damaged" naming the file that is not, "exists" when shards of another
 * layout are asked for.
 */
async function whole(manifest: DatasetManifest, { directory, option, compress }: DatasetOptions): Promise<DatasetManifest> {
  const zipped = manifest.shards.some(({ name }) => name.endsWith(".gz"));
  if (manifest.shards.length > 0 && zipped !== compress) {
    throw new UserError(
      "exists",
      `${option}: the folder holds this dataset ${zipped ? "with" : "without"} compression. Give the same --compress, or choose a new folder.`,
    );
  }
  const present = await lookAt(directory);
  const missing = [...manifest.shards, ...manifest.tests].find(
    ({ name }) => !(Array.isArray(present) && present.includes(name)),
  );
  if (missing === undefined) return manifest;
  throw new UserError(
    "damaged",
    `${option}: the dataset is finished, but ${missing.name} is not there any more. Remove the folder, or choose a new one, and make it again.`,
  );
}

async function makeLocked(
  settings: DatasetSettings,
  options: DatasetOptions,
  about: About & { readonly kind: "dataset" },
  identity: string,
): Promise<DatasetManifest> {
  const { directory, option } = options;
  const { seed, puzzle, train } = settings;
  const layout = digest({ identity, shardSize: options.shardSize, compress: options.compress });
  const journal = await ShardJournal.open<MadeShard>(directory, layout, option);
  try {
    const tests = await writeTests(settings, directory, journal);
    const made = await writeTrainShards({
      ...options,
      set: { puzzle, train, seed },
      suffix: options.compress ? ".gz" : "",
      journal,
    });
    const { origins, solvers, searches, solved } = made.counts;
    const manifest: DatasetManifest = {
      ...about,
      shards: made.shards.map(fileOf),
      tests,
      statistics: {
        examples: train.size,
        draws: made.draws,
        origins: sorted(origins),
        solvers: sorted(solvers),
        ...(searches > 0 ? { solved } : {}),
      },
    };
    await syncPath(directory);
    await writeAtomic(join(directory, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
    await journal.remove();
    return manifest;
  } finally {
    await journal.close();
  }
}

type About = Pick<DatasetManifest, "name" | "backtrail" | "seed" | "puzzle" | "train" | "test">;

/** What decides the bytes: not the shard size. */
function identityOf({ name, backtrail, seed, puzzle, train, test }: About): string {
  return digest(JSON.parse(JSON.stringify({ name, backtrail, seed, puzzle, train, test })) as Json);
}

/** `test-<set>.jsonl` for each set with problems. What an interrupted run has left of them is made anew: they are small. */
async function writeTests(
  settings: DatasetSettings,
  directory: string,
  journal: ShardJournal<MadeShard>,
): Promise<DatasetFile[]> {
  const { puzzle, test, train, seed } = settings;
  const problems = testProblems({ puzzle, test, format: train.format }, seed);
  const sets = new Map<string, TestProblem[]>();
  for (const problem of problems) {
    const set = sets.get(problem.split);
    if (set) set.push(problem);
    else sets.set(problem.split, [problem]);
  }
  const files: DatasetFile[] = [];
  for (const [split, records] of sets) {
    const name = `test-${split}.jsonl`;
    const known = journal.finished.find((shard) => shard.name === name);
    const file: DatasetFile = known ?? { name, ...(await writeAnew(join(directory, name), records)) };
    if (known === undefined) await journal.add(file);
    files.push(fileOf(file));
  }
  return files;
}

function fileOf({ name, rows, bytes, sha256 }: MadeShard): DatasetFile {
  return { name, rows, bytes, sha256 };
}

/** Counts differ in the order in which they were met when a run was interrupted. */
function sorted(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}
