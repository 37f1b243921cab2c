// A few blocks of the disk that every store holds back: on a full disk they make room for the collector's own lock.
import { randomBytes } from "node:crypto";
import { rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freeBytes } from "./disk.ts";

const reserveBytes = 64 * 1024;
const reservePath = (root: string) => join(root, ".reserve");

/** Makes the reserve of a store that has none, where the disk has so much room that nobody feels it. */
export async function keepReserve(root: string): Promise<void> {
  const path = reservePath(root);
  if ((await stat(path).catch(() => undefined)) !== undefined || (await freeBytes(root)) < 64 * reserveBytes) return;
  // Chance bytes: a file system that packs zeros away would hold nothing back.
  await writeFile(path, randomBytes(reserveBytes)).catch(() => rm(path, { force: true }).catch(() => undefined));
}

/** Gives the reserve to the disk; the next run makes it again. */
export async function dropReserve(root: string): Promise<void> {
  await rm(reservePath(root), { force: true });
}
