// What lies in a store, with sizes and ages: artefacts by their manifests, work folders and caches by looking. Reads only, and
// stops at nothing: what is damaged is listed as such.
import type { Dirent } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { mapBounded } from "../lib/bounded.ts";
import { type HeldLock, readLock } from "./lock.ts";
import { filesAtOnce, isAbandoned, manifestName, storeFolders } from "./store.ts";

interface Stored {
  /** Below the store. */
  readonly path: string;
  readonly bytes: number;
  /** Milliseconds since 1970: when it was made, or last written to. */
  readonly madeAt: number;
}

export interface StoredArtefact extends Stored {
  readonly kind: string;
  readonly key: string;
  /** Why its manifest cannot be relied on; its size was then found by looking. */
  readonly damage: string | undefined;
}

/** The folder of a stage in progress, or one that a crash left. */
export interface StoredWork extends Stored {
  readonly kind: string;
  readonly key: string;
  /** The living process that works on it. */
  readonly holder: HeldLock | undefined;
}

/** Half an artefact, in the hands of its maker or left by a crash. */
export interface StoredDraft extends Stored {
  readonly isAbandoned: boolean;
}

/** The lock folder of a stage; it stays when the stage is done. */
export interface StoredLock {
  readonly path: string;
  readonly kind: string;
  readonly key: string;
  readonly holder: HeldLock | undefined;
}

export interface Inventory {
  readonly artefacts: readonly StoredArtefact[];
  readonly work: readonly StoredWork[];
  readonly drafts: readonly StoredDraft[];
  readonly locks: readonly StoredLock[];
  /** Files that only save time, whole ones and those that a crash left half-written. */
  readonly caches: readonly (Stored & { readonly isTorn: boolean })[];
  /** What a collector that was killed had still to delete, and probes of stores that were killed while they opened. */
  readonly leftovers: readonly Stored[];
}

const manifest = z.object({
  startedAt: z.iso.datetime(),
  seconds: z.number(),
  files: z.record(z.string(), z.object({ bytes: z.number() })),
});
const keyPattern = /^[0-9a-f]{64}$/;
const stagePattern = /^([a-z]+)-([0-9a-f]{64})$/;

/** Everything in the store at `root`. Entries that are nobody's of ours are left out. */
export async function takeInventory(root: string): Promise<Inventory> {
  const work = await entriesOf(root, storeFolders.work);
  const stages = work.filter(({ name }) => stagePattern.test(name));
  const drafts = work.filter(({ name }) => name.startsWith("draft-"));
  const caches = await entriesOf(root, storeFolders.cache);
  const top = (await entriesOf(root, "")).filter(({ name }) => name.startsWith(".probe-"));
  const trash = await entriesOf(root, storeFolders.trash);
  return {
    artefacts: await artefactsOf(root),
    work: await mapBounded(stages, filesAtOnce, async ({ path, name }) => ({
      ...(await measure(root, path)),
      ...stageOf(name),
      holder: await readLock(join(root, storeFolders.locks, name)),
    })),
    drafts: await mapBounded(drafts, filesAtOnce, async ({ path, name }) => ({
      ...(await measure(root, path)),
      isAbandoned: await isAbandoned(name),
    })),
    locks: await locksOf(root),
    caches: await mapBounded(caches, filesAtOnce, async ({ path, name }) => ({
      ...(await measure(root, path)),
      isTorn: name.endsWith(".tmp"),
    })),
    leftovers: await mapBounded([...top, ...trash], filesAtOnce, ({ path }) => measure(root, path)),
  };
}

async function artefactsOf(root: string): Promise<StoredArtefact[]> {
  const reserved: readonly string[] = Object.values(storeFolders);
  const kinds = (await entriesOf(root, "")).filter(
    ({ name, entry }) => /^[a-z]+$/.test(name) && !reserved.includes(name) && entry.isDirectory(),
  );
  const found = await Promise.all(
    kinds.map(async ({ name: kind }) => {
      const keys = (await entriesOf(root, kind)).filter(({ name, entry }) => keyPattern.test(name) && entry.isDirectory());
      return mapBounded(keys, filesAtOnce, ({ name }) => readArtefact(root, kind, name));
    }),
  );
  return found.flat();
}

async function readArtefact(root: string, kind: string, key: string): Promise<StoredArtefact> {
  const path = join(kind, key);
  try {
    const { startedAt, seconds, files } = manifest.parse(JSON.parse(await readFile(join(root, path, manifestName), "utf8")));
    const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, 0);
    return { kind, key, path, bytes, madeAt: Date.parse(startedAt) + 1000 * seconds, damage: undefined };
  } catch {
    return { kind, key, ...(await measure(root, path)), damage: `${manifestName} is not there or cannot be read` };
  }
}

async function locksOf(root: string): Promise<StoredLock[]> {
  const folders = (await entriesOf(root, storeFolders.locks)).filter(({ name }) => stagePattern.test(name));
  return mapBounded(folders, filesAtOnce, async ({ path, name }) => ({
    path,
    ...stageOf(name),
    holder: await readLock(join(root, path)),
  }));
}

function stageOf(name: string): { readonly kind: string; readonly key: string } {
  const [, kind = "", key = ""] = stagePattern.exec(name) ?? [];
  return { kind, key };
}

interface Entry {
  readonly name: string;
  /** Below the store. */
  readonly path: string;
  readonly entry: Dirent;
}

async function entriesOf(root: string, folder: string): Promise<Entry[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
  return entries.map((entry) => ({ name: entry.name, path: join(folder, entry.name), entry }));
}

/** Size of all that lies at a path, and when it was last written to. What goes away meanwhile counts nothing. */
async function measure(root: string, path: string): Promise<Stored> {
  const below = await readdir(join(root, path), { recursive: true }).catch(() => []);
  const facts = await mapBounded([".", ...below], filesAtOnce, (name) => stat(join(root, path, name)).catch(() => undefined));
  let bytes = 0;
  let madeAt = 0;
  for (const found of facts) {
    if (found?.isFile()) bytes += found.size;
    madeAt = Math.max(madeAt, found?.mtimeMs ?? 0);
  }
  return { path, bytes, madeAt };
}
