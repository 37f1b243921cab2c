// Locks: one run per sweep, one maker per dataset, one collector or any number of runs per store. Everybody who wants a lock
// puts a file of their own (whole, by rename) into the folder and only then looks around: of two, the later one always sees
// the earlier, so both can never go on. A file whose process is gone is cleared away; it can never come alive again, so
// nobody can clear a lock that is held.
import { randomUUID } from "node:crypto";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../lib/errors.ts";
import { makeFolder, writeAtomic } from "./files.ts";
import { isAlive, type Owner, thisOwner } from "./owner.ts";

export interface LockHolder extends Owner {
  readonly command: string;
  /** RFC 3339. */
  readonly since: string;
}

/** A lock somebody holds, and the file it is. */
export interface HeldLock extends LockHolder {
  readonly path: string;
}

interface LockFile {
  readonly path: string;
  /** Undefined when the file cannot be read as a lock. */
  readonly holder: LockHolder | undefined;
}

/** A way to hold a folder: how its files begin, and those of whom it cannot be held beside. */
export interface LockMode {
  readonly name: string;
  readonly excludes: readonly string[];
}

const alone: LockMode = { name: "running", excludes: ["running"] };
const attempts = 5;
/** No write takes so long that lives: a lock's temporary file of that age is one that a killed process did not finish. */
const tornAfterMs = 10 * 60_000;

/** Who is running the sweep of this folder, or undefined. */
export async function readLock(directory: string): Promise<HeldLock | undefined> {
  return (await lockHolders(directory, alone.name))[0];
}

/** Living processes that hold a folder in the mode of that name. */
export async function lockHolders(directory: string, mode: string): Promise<HeldLock[]> {
  const holders: HeldLock[] = [];
  for (const { path, holder } of await lockFiles(directory, [mode])) {
    if (holder !== undefined && (await isAlive(holder))) holders.push({ ...holder, path });
  }
  return holders;
}

export interface Lock {
  release(): Promise<void>;
}

/** Takes the lock of a sweep's folder, which is made. Throws UserError("sweep-locked") when another run holds it. */
export async function lockSweep(directory: string): Promise<Lock> {
  const taken = await tryLock(directory, alone);
  if ("path" in taken) throw locked(directory, taken);
  return taken;
}

/** Takes the lock of a dataset's folder, which is made. Throws UserError("dataset-locked") when another process is making it. */
export async function lockDataset(directory: string, option: string): Promise<Lock> {
  const taken = await tryLock(directory, alone);
  if (!("path" in taken)) return taken;
  const { path, holder } = taken;
  const who = holder === undefined ? "somebody" : describeHolder(holder);
  throw new UserError(
    "dataset-locked",
    `${option}: this dataset is being made by ${who}. Wait for it, or choose another folder. If that process is gone, remove ${path}.`,
  );
}

/** "process 12 on host, since ... (command)". */
export function describeHolder({ pid, host, since, command }: LockHolder): string {
  return `process ${pid} on ${host}, since ${since} (${command})`;
}

/** What to do if a lock of another host is that of nobody, as a clause; empty for one of this host, whose processes are known. */
export function ifHostIsGone({ host, path }: Pick<HeldLock, "host" | "path">): string {
  return host === hostname() ? "" : `; ${host} can't be asked from here: if that process is gone, remove ${path}`;
}

/** Who holds a lock, and what to do where that cannot be known. */
function describeLock({ path, holder }: LockFile): string {
  if (holder === undefined) return `somebody, by a lock that cannot be read; if no run is on, remove ${path}`;
  return `${describeHolder(holder)}${ifHostIsGone({ ...holder, path })}`;
}

/** Whether a name in a folder is that of a lock that one holds alone. */
function isLockName(name: string): boolean {
  return isLockOf(name, alone.name);
}

/** Whether a name in a folder is of the locks there: one that is held alone, or any in the writing. */
export function isOfLocks(name: string): boolean {
  return isLockName(name) || isLockDraft(name);
}

function isLockDraft(name: string): boolean {
  return name.includes(".lock.") && name.endsWith(".tmp");
}

function isLockOf(name: string, mode: string): boolean {
  return name.startsWith(`${mode}-`) && name.endsWith(".lock");
}

export interface LockWait {
  readonly signal: AbortSignal;
  /** Told once who holds the lock, for the user. */
  readonly onWait: (holder: string) => void;
}

/** Takes the lock of a folder, which is made, as soon as nobody holds it that it excludes. Rejects with AbortError. */
export async function waitForLock(directory: string, options: LockWait, mode: LockMode = alone): Promise<Lock> {
  for (let told = false; ; told = true) {
    const taken = await tryLock(directory, mode);
    if (!("path" in taken)) return taken;
    if (!told) options.onWait(describeLock(taken));
    await sleep(500, undefined, { signal: options.signal });
  }
}

/** The lock of a folder, which is made, or the file of who holds it. Of several that come at one moment one gets it. */
export async function tryLock(directory: string, mode: LockMode): Promise<Lock | LockFile> {
  await makeFolder(directory);
  const path = join(directory, `${mode.name}-${process.pid}-${randomUUID()}.lock`);
  const holder: LockHolder = {
    ...(await thisOwner()),
    command: process.argv.slice(1).join(" "),
    since: new Date().toISOString(),
  };
  for (let attempt = 1, written = false; ; attempt++) {
    let others = await otherHolders(directory, path, mode);
    if (!written && others.length === 0) {
      await writeAtomic(path, JSON.stringify(holder));
      written = true;
      others = await otherHolders(directory, path, mode);
    }
    const first = others[0];
    if (first === undefined) {
      await clearLeftovers(directory, mode);
      return { release: () => rm(path, { force: true }) };
    }
    // Of those that put their files at one moment the first by name stays and looks again; the rest step back, and put theirs
    // again only into an empty folder. So they cannot turn each other away for ever.
    if (written && (attempt === attempts || basename(first.path) < basename(path))) {
      await rm(path, { force: true });
      written = false;
    }
    if (attempt === attempts) return first;
    await sleep(20 + Math.random() * 60);
  }
}

/** Removes what killed processes left in the folder: their locks of this mode, and locks torn in the writing. */
async function clearLeftovers(directory: string, mode: LockMode): Promise<void> {
  for (const { path, holder } of await lockFiles(directory, [mode.name])) {
    if (holder !== undefined && !(await isAlive(holder))) await rm(path, { force: true });
  }
  for (const name of await readdir(directory)) {
    if (!isLockDraft(name)) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > tornAfterMs) await rm(path, { force: true });
  }
}

/** Removes the locks of dead processes in all folders below one: nobody need ever ask for such a lock again. */
export async function clearDeadLocks(root: string): Promise<void> {
  const names = await readdir(root, { recursive: true }).catch(() => []);
  for (const name of names.filter((path) => isLockName(basename(path)))) {
    const holder = parseHolder(await readFile(join(root, name), "utf8").catch(() => ""));
    if (holder !== undefined && !(await isAlive(holder))) await rm(join(root, name), { force: true });
  }
}

/** Locks beside `own` that somebody may hold, by name. Those of dead processes are removed. */
async function otherHolders(directory: string, own: string, mode: LockMode): Promise<LockFile[]> {
  const others: LockFile[] = [];
  for (const file of await lockFiles(directory, mode.excludes)) {
    if (file.path === own) continue;
    if (file.holder === undefined || (await isAlive(file.holder))) others.push(file);
    else await rm(file.path, { force: true });
  }
  return others;
}

async function lockFiles(directory: string, modes: readonly string[]): Promise<LockFile[]> {
  const present = await readdir(directory).catch(() => []);
  const names = present.filter((name) => modes.some((mode) => isLockOf(name, mode))).sort();
  const files: LockFile[] = [];
  for (const name of names) {
    const path = join(directory, name);
    const text = await readFile(path, "utf8").catch(() => undefined);
    // Released in the meantime.
    if (text !== undefined) files.push({ path, holder: parseHolder(text) });
  }
  return files;
}

function parseHolder(text: string): LockHolder | undefined {
  try {
    const value = JSON.parse(text) as LockHolder | null;
    return Number.isInteger(value?.pid) && typeof value?.host === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

function locked(directory: string, { path, holder }: LockFile): UserError {
  const message =
    holder === undefined
      ? `${path} is a lock that cannot be read. If no run of this sweep is on, remove that file.`
      : `${directory}: this sweep is being run by process ${holder.pid} on ${holder.host} since ${holder.since} (${holder.command}). Wait for it, stop it, or run under another name (--set name=...). If that machine is gone, remove ${path}.`;
  return new UserError("sweep-locked", message);
}
