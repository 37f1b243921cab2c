// One run per sweep, one maker per dataset. Everybody who wants the lock puts a file of their own (whole, by rename) into the folder and only then
// looks around: of two, the later one always sees the earlier, so both can never go on. A file whose process is gone is
// cleared away; it can never come alive again, so nobody can clear a lock that is held.
import { randomUUID } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../lib/errors.ts";
import { makeFolder, writeAtomic } from "./files.ts";
import { isAlive, type Owner, thisOwner } from "./owner.ts";

export interface LockHolder extends Owner {
  readonly command: string;
  /** RFC 3339. */
  readonly since: string;
}

interface LockFile {
  readonly path: string;
  /** Undefined when the file cannot be read as a lock. */
  readonly holder: LockHolder | undefined;
}

const lockPattern = /^running-.+\.lock$/;
const attempts = 5;

/** Who is running the sweep of this folder, or undefined. */
export async function readLock(directory: string): Promise<LockHolder | undefined> {
  for (const { holder } of await lockFiles(directory)) if (holder !== undefined && (await isAlive(holder))) return holder;
  return undefined;
}

export interface Lock {
  release(): Promise<void>;
}

/** Takes the lock of a sweep's folder, which is made. Throws UserError("sweep-locked") when another run holds it. */
export async function lockSweep(directory: string): Promise<Lock> {
  const taken = await tryLock(directory);
  if ("path" in taken) throw locked(directory, taken);
  return taken;
}

/** Takes the lock of a dataset's folder, which is made. Throws UserError("dataset-locked") when another process is making it. */
export async function lockDataset(directory: string, option: string): Promise<Lock> {
  const taken = await tryLock(directory);
  if (!("path" in taken)) return taken;
  const { path, holder } = taken;
  const who =
    holder === undefined ? "somebody" : `process ${holder.pid} on ${holder.host}, since ${holder.since} (${holder.command})`;
  throw new UserError(
    "dataset-locked",
    `${option}: this dataset is being made by ${who}. Wait for it, or choose another folder. If that process is gone, remove ${path}.`,
  );
}

/** Whether a name in a folder is a lock's. */
export function isLockName(name: string): boolean {
  return lockPattern.test(name);
}

/** Takes the lock of a folder as soon as nobody else holds it. `onWait` is told once who does. Rejects with AbortError. */
export async function waitForLock(
  directory: string,
  options: { readonly signal: AbortSignal; readonly onWait: (holder: LockHolder | undefined) => void },
): Promise<Lock> {
  for (let told = false; ; told = true) {
    const taken = await tryLock(directory);
    if (!("path" in taken)) return taken;
    if (!told) options.onWait(taken.holder);
    await sleep(500, undefined, { signal: options.signal });
  }
}

/** The lock, or the file of who holds it. */
async function tryLock(directory: string): Promise<Lock | LockFile> {
  await makeFolder(directory);
  for (let attempt = 1; ; attempt++) {
    const path = join(directory, `running-${process.pid}-${randomUUID()}.lock`);
    const holder: LockHolder = {
      ...(await thisOwner()),
      command: process.argv.slice(1).join(" "),
      since: new Date().toISOString(),
    };
    await writeAtomic(path, JSON.stringify(holder));
    const other = await otherHolder(directory, path);
    if (other === undefined) return { release: () => rm(path, { force: true }) };
    await rm(path, { force: true });
    if (attempt === attempts) return other;
    // Two that begin at the same moment both step back; one comes again before the other.
    await sleep(20 + Math.random() * 60);
  }
}

/** A lock beside `own` that somebody may hold. Those of dead processes are removed. */
async function otherHolder(directory: string, own: string): Promise<LockFile | undefined> {
  for (const file of await lockFiles(directory)) {
    if (file.path === own) continue;
    if (file.holder === undefined || (await isAlive(file.holder))) return file;
    await rm(file.path, { force: true });
  }
  return undefined;
}

async function lockFiles(directory: string): Promise<LockFile[]> {
  const names = (await readdir(directory).catch(() => [])).filter((name) => lockPattern.test(name)).sort();
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
