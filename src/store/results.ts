// Folders that people look at: results/<sweep>/ and datasets made by hand. Nothing is overwritten in silence.
import { copyFile, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { isJson } from "../lib/text.ts";
import { makeFolder, storeError } from "./files.ts";

const configName = "config.resolved.json";
const planName = "plan.json";
// By these two results are told apart, so they go last: a move that was interrupted is taken up by the next run.
const resultFiles = ["summary.json", "results.csv", "report.html", "page.json", "progress.json", planName, configName];

/**
 * Moves the results of another configuration or plan to `earlier/<first 12 of its configuration's digest>/` (with `-2`, `-3`,
 * ... when results of that configuration were kept before) and returns that folder's name; undefined when there is nothing to
 * keep. Results of the same plan are simply written anew. One configuration has several plans when what it names was changed
 * (the files of `model.from`), or on another kind of machine or release. `plan`: the text of plan.json; one that is damaged
 * tells nothing and is written anew.
 */
export async function keepEarlier(folder: string, configDigest: string, plan: string): Promise<string | undefined> {
  const text = await readFile(join(folder, configName), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const earlier = digestIn(text);
  const earlierPlan = await readFile(join(folder, planName), "utf8").catch(() => "");
  if (earlier === configDigest && (earlierPlan === plan || !isJson(earlierPlan))) return undefined;
  const present = new Set(await readdir(folder));
  const names = resultFiles.filter((name) => present.has(name));
  const target = await freeTarget(folder, earlier.slice(0, 12), names);
  await makeFolder(join(folder, target));
  for (const name of names) {
    const to = join(folder, target, name);
    await rename(join(folder, name), to).catch((error: unknown) => {
      throw storeError(error, to);
    });
  }
  return target;
}

/** Removes what a run that was killed while it wrote has left beside its results. For who holds the sweep's lock. */
export async function clearTorn(folder: string): Promise<void> {
  const torn = (await readdir(folder)).filter(
    (name) => name.endsWith(".tmp") && resultFiles.some((file) => name.startsWith(`${file}.`)),
  );
  await Promise.all(torn.map((name) => rm(join(folder, name), { force: true })));
}

function digestIn(config: string): string {
  try {
    const { digest } = JSON.parse(config) as { digest?: unknown };
    if (typeof digest === "string" && /^[0-9a-f]{12,}$/.test(digest)) return digest;
  } catch {
    // Damaged: kept all the same, under a name that says so.
  }
  return "unreadable";
}

/** The first folder of that name in which none of the files would be overwritten. */
async function freeTarget(folder: string, name: string, files: readonly string[]): Promise<string> {
  for (let number = 1; ; number++) {
    const target = join("earlier", number === 1 ? name : `${name}-${number}`);
    const taken: string[] = await readdir(join(folder, target)).catch(() => []);
    if (!files.some((file) => taken.includes(file))) return target;
  }
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

/** Removes everything in a folder but the entries named: what killed processes left half-written must not be published. */
export async function keepOnly(directory: string, names: readonly string[]): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!names.includes(name)) await rm(join(directory, name), { recursive: true, force: true });
  }
}

/** Copies a file; the folder of `to` is made. */
export async function copyInto(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to));
  await copyFile(from, to).catch((error: unknown) => {
    throw storeError(error, to);
  });
}
