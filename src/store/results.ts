// Folders that people look at: results/<sweep>/ and datasets made by hand. Nothing is overwritten in silence.
import { copyFile, mkdir, readdir, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserError } from "../lib/errors.ts";

const resultFiles = ["config.resolved.json", "plan.json", "summary.json", "results.csv", "report.html", "page.json"];

/**
 * Moves the results of another configuration to `earlier/<first 12 of its digest>/` and returns that folder's name;
 * undefined when there is nothing to keep. Results of the same configuration are simply written anew.
 */
export async function keepEarlier(folder: string, configDigest: string): Promise<string | undefined> {
  const text = await readFile(join(folder, "config.resolved.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const earlier = (JSON.parse(text) as { digest: string }).digest;
  if (earlier === configDigest) return undefined;
  const target = join("earlier", earlier.slice(0, 12));
  await mkdir(join(folder, target), { recursive: true });
  const present = new Set(await readdir(folder));
  for (const name of resultFiles) if (present.has(name)) await rename(join(folder, name), join(folder, target, name));
  return target;
}

/** A folder that must be new or empty. `option` is how the user named it. Throws UserError("exists") or ("store"). */
export async function createDirectory(path: string, option: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw new UserError("store", `${option}: the folder cannot be made (${(error as Error).message}). Choose another.`, {
      cause: error,
    });
  }
  const present = await readdir(path);
  if (present.length > 0) {
    throw new UserError(
      "exists",
      `${option}: the folder is not empty (it holds ${present.slice(0, 3).join(", ")}). Nothing is overwritten: choose a new folder.`,
    );
  }
}

/** A folder of our own, with its parents. */
export async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
}

/** Copies a file; the folder of `to` is made. */
export async function copyInto(from: string, to: string): Promise<void> {
  await makeDirectory(dirname(to));
  await copyFile(from, to);
}
