// How much room a disk has left: looked at before a stage starts, watched while it runs, told when it was not enough.
import { statfsSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { formatBytes } from "../lib/bytes.ts";

/**
 * What must stay free: journals, manifests and logs of the stages in progress still have to be written when a disk runs
 * full. Small enough for the 64 MiB that containers give to shared memory.
 */
export const diskFloorBytes = 32 * 2 ** 20;

const defaultIntervalMs = 2_000;

/**
 * Bytes that this user may still write on the disk that holds a path, or would hold it: a path that cannot be looked at
 * counts as its nearest parent that can.
 */
export async function freeBytes(path: string): Promise<number> {
  for (let at = resolve(path); ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at);
      return bavail * bsize;
    } catch (error) {
      if (at === dirname(at)) throw error;
    }
  }
}

/** "/scratch has 12 KiB of 64 KiB free", by the disk's mount point, for the message of a write that failed: it never throws. */
export function describeDisk(path: string): string {
  try {
    let at = nearestThere(resolve(path));
    const { dev } = statSync(at);
    while (at !== dirname(at) && statSync(dirname(at)).dev === dev) at = dirname(at);
    const { bavail, blocks, bsize } = statfsSync(at);
    return `${at} has ${formatBytes(bavail * bsize)} of ${formatBytes(blocks * bsize)} free`;
  } catch {
    return "what is free cannot be told";
  }
}

function nearestThere(path: string): string {
  let at = path;
  while (at !== dirname(at) && statSync(at, { throwIfNoEntry: false }) === undefined) at = dirname(at);
  return at;
}

/**
 * Looks at a disk every `everyMs` milliseconds and says once when less than `floorBytes` are free; then it looks no more.
 * Never keeps the process alive. A disk that cannot be looked at is not low: who writes to it is told the reason.
 */
export function watchDisk(
  path: string,
  options: {
    readonly floorBytes: number;
    readonly everyMs?: number;
    /** With the bytes that are free. */
    readonly onLow: (freeBytes: number) => void;
  },
): { stop(): void } {
  let isLooking = false;
  let isStopped = false;
  const stop = () => {
    isStopped = true;
    clearInterval(timer);
  };
  const look = async () => {
    // A network disk may take longer to answer than the interval.
    if (isLooking) return;
    isLooking = true;
    const free = await freeBytes(path).catch(() => undefined);
    isLooking = false;
    if (isStopped || free === undefined || free >= options.floorBytes) return;
    stop();
    options.onLow(free);
  };
  const timer = setInterval(() => void look(), options.everyMs ?? defaultIntervalMs);
  timer.unref();
  return { stop };
}
