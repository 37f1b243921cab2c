// Which process something on disk belongs to, and whether that process still runs. Used by locks and drafts.
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";

export interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process in clock ticks since boot, so that a reused pid is not taken for the owner; "" where unknown. */
  readonly born: string;
}

/** This process. */
export async function thisOwner(): Promise<Owner> {
  return { pid: process.pid, host: hostname(), born: await bornAt(process.pid) };
}

/** A process of another host cannot be asked, so it counts as alive. */
export async function isAlive(owner: Owner): Promise<boolean> {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const born = await bornAt(owner.pid);
  return born === "" || owner.born === "" || born === owner.born;
}

async function bornAt(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field, the command in brackets, may hold spaces: count from behind it. Field 22 is the start time.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
