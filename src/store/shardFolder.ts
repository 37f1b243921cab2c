// The folder of a dataset as its readers and its maker see it.
import { readdir, readFile, rm, stat } from "node:fs/promises";
import type { Json } from "../lib/hash.ts";
import { type ShardFacts, writeJsonl } from "./shards.ts";

/** What lies at a path: nothing (undefined), a file, or a folder with these names, sorted. */
export async function lookAt(path: string): Promise<"file" | readonly string[] | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  return found.isDirectory() ? (await readdir(path)).sort() : "file";
}

/** A small file's text, or undefined when it cannot be read. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}

/** Writes one record a line, in place of what an interrupted run may have left. */
export async function writeAnew(path: string, records: Iterable<object | Json>): Promise<ShardFacts> {
  await rm(path, { force: true });
  return writeJsonl(path, records);
}
