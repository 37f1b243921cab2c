// Processes as /proc shows them: whose child, alive or not, marked by an environment variable. Reads only.
import { readdirSync, readFileSync } from "node:fs";

export interface Seen {
  readonly pid: number;
  readonly parent: number;
  /** Start time in clock ticks since boot: with the pid it names one process for good. */
  readonly started: string;
  readonly command: string;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // gone in the meantime, or not ours to read
  }
}

/** The process of that number, or undefined when there is none (a zombie counts as none). */
export function look(pid: number): Seen | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name in parentheses may hold anything, parentheses and blanks included.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, parent] = fields;
  if (state === "Z" || state === "X") return undefined;
  const command = (read(`/proc/${pid}/cmdline`) ?? "").replaceAll("\0", " ").trim();
  return { pid, parent: Number(parent), started: fields[19] ?? "", command };
}

function all(): Seen[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => look(Number(pid)) ?? []);
}

/** Everything below a process, as far as parents still live. */
export function descendants(pid: number): Seen[] {
  const children = new Map<number, Seen[]>();
  for (const seen of all()) children.set(seen.parent, [...(children.get(seen.parent) ?? []), seen]);
  const below = (parent: number): Seen[] => (children.get(parent) ?? []).flatMap((child) => [child, ...below(child.pid)]);
  return below(pid);
}

/** Whether that very process still runs: a number used again is another process. */
export function stillThere(seen: Seen): boolean {
  return look(seen.pid)?.started === seen.started;
}

/** All processes whose environment held that text when they started. */
export function markedBy(text: string): Seen[] {
  return all().filter(({ pid }) => read(`/proc/${pid}/environ`)?.includes(text) ?? false);
}
