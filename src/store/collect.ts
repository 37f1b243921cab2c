// The collector of garbage: whatever no plan of a sweep names goes, first in one step each to the trash, so that a collector
// that is killed leaves no half artefact under its key, then for good. It holds the store alone while it decides and moves.
import { randomUUID } from "node:crypto";
import { readdir, rename, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { UserError } from "../lib/errors.ts";
import { isDiskFull, makeFolder, storeError } from "./files.ts";
import { type Inventory, takeInventory } from "./inventory.ts";
import type { HeldLock, Lock } from "./lock.ts";
import { dropReserve } from "./reserve.ts";
import { Store, storeFolders } from "./store.ts";
import { readSweeps, type SweepPlan } from "./sweeps.ts";
import { claimStore, type KnownSweep, knownSweeps, storeUsers } from "./users.ts";

/** A draft of another host, whose process cannot be asked for, is given up after this time: no run holds the store. */
const foreignDraftMs = 24 * 3600 * 1000;

export interface CollectOptions {
  /** Folders below which plans are looked for, besides those of all sweeps that the store remembers. */
  readonly results: readonly string[];
  /** Whether what only results under earlier/ use goes too. */
  readonly dropEarlier: boolean;
  /** What is younger stays, in milliseconds. */
  readonly olderThanMs: number;
  /** False: a dry run. */
  readonly delete: boolean;
  readonly signal: AbortSignal;
}

export interface Garbage {
  readonly type: "artefact" | "work" | "draft" | "lock" | "cache" | "leftover" | "record";
  /** Below the store. */
  readonly path: string;
  readonly bytes: number;
  /** Milliseconds since 1970; undefined where age does not count. */
  readonly madeAt: number | undefined;
  readonly reason: string;
}

export interface Collection {
  readonly sweeps: readonly SweepPlan[];
  /** The largest first. */
  readonly garbage: readonly Garbage[];
  readonly kept: { readonly artefacts: number; readonly bytes: number };
  /** Runs that use the store now: with them on, nothing is deleted. */
  readonly users: readonly HeldLock[];
  /** Sweeps that used the store and are out of sight: with them, nothing is deleted. */
  readonly unseen: readonly KnownSweep[];
}

/**
 * Finds what no sweep uses and, if asked, deletes it. Throws UserError: "store" when there is no store, "store-in-use" when a
 * run is on, "results" when a plan cannot be read, no sweep is found, or one is out of sight. AbortError after `signal`; what
 * was moved by then is deleted by the next collector.
 */
export async function collectGarbage(root: string, options: CollectOptions): Promise<Collection> {
  if ((await Store.openExisting(root)) === undefined)
    throw new UserError("store", `${root}: there is no store here. Give its folder with --store.`);
  const lock = options.delete ? await claimFullOrNot(root) : undefined;
  let found: Collection;
  try {
    found = await findGarbage(root, options);
    if (!options.delete) return found;
    if (found.unseen.length > 0) throw outOfSight(root, found.unseen);
    await moveToTrash(root, found.garbage, options.signal);
  } finally {
    await lock?.release();
  }
  // May take minutes; runs need not wait for it.
  await emptyTrash(root, options.signal);
  return found;
}

/** Where a disk is so full that not even the lock can be written, the store's reserve makes room for it. */
async function claimFullOrNot(root: string): Promise<Lock> {
  try {
    return await claimStore(root);
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    await dropReserve(root);
    return await claimStore(root);
  }
}

async function emptyTrash(root: string, signal: AbortSignal): Promise<void> {
  const trash = join(root, storeFolders.trash);
  for (const name of await readdir(trash).catch(() => [])) {
    signal.throwIfAborted();
    // Another collector may be at the same folder.
    await rm(join(trash, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

async function findGarbage(root: string, options: CollectOptions): Promise<Collection> {
  const known = await knownSweeps(root);
  const there = known.filter(({ state }) => state === "there").map(({ folder }) => folder);
  const sweeps = await readSweeps([...options.results, ...there], root, (error) => {
    throw error;
  });
  const counted = sweeps.filter(({ isEarlier }) => !(options.dropEarlier && isEarlier));
  if (counted.length === 0) throw nothingFound(root, options);
  const inventory = await takeInventory(root);
  const isNamed = named(counted);
  const garbage = [
    ...unused(inventory, isNamed, named(sweeps), Date.now() - options.olderThanMs),
    ...housekeeping(inventory),
    ...known.filter(({ state }) => state === "gone").map((sweep) => recordOf(root, sweep)),
  ].sort((a, b) => b.bytes - a.bytes);
  const going = new Set(garbage.map(({ path }) => path));
  const kept = inventory.artefacts.filter(({ path }) => !going.has(path));
  return {
    sweeps: counted,
    garbage,
    kept: { artefacts: kept.length, bytes: kept.reduce((sum, { bytes }) => sum + bytes, 0) },
    users: await storeUsers(root),
    unseen: known.filter(({ state }) => state === "unseen"),
  };
}

type StageTest = (stage: { readonly kind: string; readonly key: string }) => boolean;

function named(sweeps: readonly SweepPlan[]): StageTest {
  const stages = new Set(sweeps.flatMap((sweep) => sweep.stages.map(({ kind, key }) => `${kind}-${key}`)));
  return ({ kind, key }) => stages.has(`${kind}-${key}`);
}

/** Artefacts, work and drafts that nobody needs or holds, made before a time. */
function unused(inventory: Inventory, isUsed: StageTest, wasUsed: StageTest, before: number): Garbage[] {
  const held = new Set(inventory.locks.filter(({ holder }) => holder !== undefined).map(({ kind, key }) => `${kind}-${key}`));
  const isFree: StageTest = ({ kind, key }) => !held.has(`${kind}-${key}`);
  const finished = new Set(inventory.artefacts.filter(({ damage }) => damage === undefined).map(({ key }) => key));
  const reason = (stage: Parameters<StageTest>[0]) => (wasUsed(stage) ? "only earlier results use it" : "no sweep uses it");
  const artefacts = inventory.artefacts
    .filter((item) => !isUsed(item) && isFree(item))
    .map((item) => ({ type: "artefact" as const, ...facts(item), reason: reason(item) }));
  const work = inventory.work
    .filter((item) => isFree(item) && (!isUsed(item) || finished.has(item.key)))
    .map((item) => ({
      type: "work" as const,
      ...facts(item),
      reason: finished.has(item.key) ? "its stage is finished" : `unfinished, and ${reason(item)}`,
    }));
  const drafts = inventory.drafts
    .filter(({ isAbandoned, madeAt }) => isAbandoned || madeAt < before - foreignDraftMs)
    .map((item) => ({ type: "draft" as const, ...facts(item), reason: "left by a process that is gone" }));
  return [...artefacts, ...work, ...drafts].filter(({ madeAt }) => madeAt < before);
}

/** What is of no use to anybody, whatever its age. */
function housekeeping({ locks, caches, leftovers }: Inventory): Garbage[] {
  return [
    ...locks
      .filter(({ holder }) => holder === undefined)
      .map(({ path }) => ({ type: "lock" as const, path, bytes: 0, madeAt: undefined, reason: "nobody holds it" })),
    ...caches
      .filter(({ isTorn }) => isTorn)
      .map((item) => ({ type: "cache" as const, ...facts(item), reason: "half-written by a process that is gone" })),
    ...leftovers.map((item) => ({ type: "leftover" as const, ...facts(item), reason: "left by a process that is gone" })),
  ];
}

function facts({ path, bytes, madeAt }: { readonly path: string; readonly bytes: number; readonly madeAt: number }) {
  return { path, bytes, madeAt };
}

function recordOf(root: string, { folder, record }: KnownSweep): Garbage {
  return { type: "record", path: relative(root, record), bytes: 0, madeAt: undefined, reason: `${folder} was removed` };
}

async function moveToTrash(root: string, garbage: readonly Garbage[], signal: AbortSignal): Promise<void> {
  const trash = join(root, storeFolders.trash);
  await makeFolder(trash);
  for (const { path } of garbage) {
    signal.throwIfAborted();
    if (path.startsWith(`${storeFolders.trash}/`)) continue;
    const move = () => rename(join(root, path), join(trash, randomUUID()));
    try {
      // On a full disk the trash may not grow by a name; what it holds goes at once then.
      await move().catch((error: unknown) => (isDiskFull(error) ? emptyTrash(root, signal).then(move) : Promise.reject(error)));
    } catch (error) {
      // Gone already: a draft that its maker has taken away.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw storeError(error, join(root, path));
    }
  }
}

function nothingFound(root: string, { results, dropEarlier }: CollectOptions): UserError {
  const where = results.join(", ");
  const found = dropEarlier ? "no plan.json of a sweep but earlier ones" : "no plan.json of a sweep";
  return new UserError(
    "results",
    `${root}: ${found} was found below ${where}, so everything would go. Nothing was deleted. Name the folder that holds the ` +
      "sweeps' results with --results; to be rid of the whole store, remove its folder.",
  );
}

function outOfSight(root: string, sweeps: readonly KnownSweep[]): UserError {
  const list = sweeps.map(({ folder, host, record }) => `${folder} (host ${host}; remembered in ${relative(root, record)})`);
  return new UserError(
    "results",
    `${root}: sweeps that used this store cannot be seen from here, so nobody can say what they need: ${list.join("; ")}. Nothing ` +
      "was deleted. Run this where they can be seen, or mount their disk. If they are gone for good, remove the files that remember them.",
  );
}
