// One run per sweep: a lock file that says who holds it. A lock of a process that is gone is taken over.
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { storeError } from "./files.ts";

export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  readonly command: string;
  /** RFC 3339. */
  readonly since: string;
  /** Start time of the process in clock ticks since boot, so that a reused pid is not taken for the holder. */
  readonly born: string;
}

const lockName = "running.lock";

/** Who is running the sweep of this folder, or undefined. */
export async function readLock(directory: string): Promise<LockHolder | undefined> {
  const text = await readFile(join(directory, lockName), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const holder = JSON.parse(text) as LockHolder;
    return (await isAlive(holder)) ? holder : undefined;
  } catch {
    return undefined; // torn by a crash while it was written: nobody's
  }
}

/** Takes the lock of a sweep's folder, which is made. Throws UserError("sweep-locked") when another run holds it. */
export async function lockSweep(directory: string): Promise<{ release(): Promise<void> }> {
  const path = join(directory, lockName);
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw storeError(error, directory);
  }
  const command = process.argv.slice(1).join(" ");
  const holder: LockHolder = {
    pid: process.pid,
    host: hostname(),
    command,
    since: new Date().toISOString(),
    born: await bornAt(process.pid),
  };
  for (let attempt = 0; ; attempt++) {
    try {
      const file = await open(path, "wx");
      await file.writeFile(JSON.stringify(holder));
      await file.close();
      return { release: () => rm(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw storeError(error, path);
    }
    const other = await readLock(directory);
    if (other !== undefined || attempt >= 3) {
      const who =
        other === undefined ? "another run" : `process ${other.pid} on ${other.host} since ${other.since} (${other.command})`;
      throw new UserError(
        "sweep-locked",
        `${directory}: this sweep is being run by ${who}. Wait for it, stop it, or run under another name (--set name=...).`,
      );
    }
    await rm(path, { force: true });
  }
}

/** A process of another host can't be asked, so it counts as alive. */
async function isAlive(holder: LockHolder): Promise<boolean> {
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const born = await bornAt(holder.pid);
  return born === "" || holder.born === "" || born === holder.born;
}

async function bornAt(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field, the command in brackets, may hold spaces: count from behind it. Field 22 is the start time.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
