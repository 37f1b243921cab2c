// Who uses a store: runs side by side, or one collector of garbage alone. And which results folders have used it: what
// their plans name is kept, whatever folder the collector was told to look at.
import { readdir, readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { z } from "zod";
import { UserError } from "../lib/errors.ts";
import { sha256 } from "../lib/hash.ts";
import { makeFolder, writeAtomic } from "./files.ts";
import {
  describeHolder,
  type HeldLock,
  type Lock,
  type LockMode,
  type LockWait,
  lockHolders,
  tryLock,
  waitForLock,
} from "./lock.ts";
import { storeFolders } from "./store.ts";

const using: LockMode = { name: "using", excludes: ["collecting"] };
const collecting: LockMode = { name: "collecting", excludes: ["using", "collecting"] };

const lockFolder = (root: string) => join(root, storeFolders.locks, "store");
const sweepsFolder = (root: string) => join(root, storeFolders.sweeps);

/**
 * Announces a run to the store: nothing in it is collected until the lock is released, and afterwards nothing that the
 * plan.json of `sweepFolder` names. Waits while garbage is being collected. Rejects with AbortError.
 */
export async function holdStore(root: string, sweepFolder: string, options: LockWait): Promise<Lock> {
  const lock = await waitForLock(lockFolder(root), options, using);
  try {
    await remember(root, sweepFolder);
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Takes a store for the collector alone. Throws UserError("store-in-use") saying who uses it and since when. */
export async function claimStore(root: string): Promise<Lock> {
  const taken = await tryLock(lockFolder(root), collecting);
  if (!("path" in taken)) return taken;
  const { path, holder } = taken;
  const who = holder === undefined ? "somebody, by a lock that cannot be read" : describeHolder(holder);
  throw new UserError(
    "store-in-use",
    `${root}: this store is in use by ${who}. Nothing was deleted. Wait until that run has ended, or stop it (Ctrl-C keeps its work), and ` +
      `try again; without --delete you can look at any time. If that process is gone, remove ${path}.`,
  );
}

/** Runs that use a store now, the longest first. */
export async function storeUsers(root: string): Promise<HeldLock[]> {
  return (await lockHolders(lockFolder(root), using.name)).sort((a, b) => (a.since < b.since ? -1 : 1));
}

const record = z.object({ path: z.string(), fromStore: z.string(), host: z.string(), usedAt: z.string() });

/** A sweep's results folder that used the store. */
export interface KnownSweep {
  /** Where it is now; where it was, when it is not there. */
  readonly folder: string;
  /**
   * "gone": it was removed from a folder that still holds something. "unseen": it is out of sight, with its disk (whose
   * mount point may be there, and empty) or on another host, so nobody can say what it needs.
   */
  readonly state: "there" | "gone" | "unseen";
  readonly host: string;
  /** The file in the store that remembers it. */
  readonly record: string;
}

/** The results folders of all runs that ever held the store. A record that cannot be read throws UserError("store"). */
export async function knownSweeps(root: string): Promise<KnownSweep[]> {
  const folder = sweepsFolder(root);
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".json")).sort();
  const sweeps: KnownSweep[] = [];
  for (const name of names) {
    const file = join(folder, name);
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const { path, fromStore, host } = parseRecord(text, file);
    // A store that was moved or copied together with its results: they lie where they lay, seen from the store.
    const places = [resolve(root, fromStore), path];
    const [there] = (await Promise.all(places.map(async (place) => ((await isFolder(place)) ? [place] : [])))).flat();
    const isGone = host === hostname() && (await readdir(dirname(path)).catch(() => [])).length > 0;
    sweeps.push({
      folder: there ?? path,
      state: there !== undefined ? "there" : isGone ? "gone" : "unseen",
      host,
      record: file,
    });
  }
  return sweeps;
}

async function remember(root: string, sweepFolder: string): Promise<void> {
  const path = resolve(sweepFolder);
  await makeFolder(sweepsFolder(root));
  const known = { path, fromStore: relative(resolve(root), path), host: hostname(), usedAt: new Date().toISOString() };
  await writeAtomic(join(sweepsFolder(root), `${sha256(path).slice(0, 16)}.json`), `${JSON.stringify(known)}\n`);
}

function parseRecord(text: string, file: string): z.infer<typeof record> {
  try {
    return record.parse(JSON.parse(text));
  } catch (error) {
    const mend = "It names a results folder that used this store. Run that sweep again to write it anew, or remove the file";
    throw new UserError("store", `${file}: is not readable as JSON any more. ${mend}.`, { cause: error });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
