// A user's module as one piece of JavaScript, with a digest of all that went into it.
import { readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { UserError } from "../lib/errors.ts";
import { sha256 } from "../lib/hash.ts";

/** What a module may import by the package's name, with its file in this tree. The package's `exports` name the same. */
export const ownModules: Readonly<Record<string, string>> = {
  "backtrail/puzzle": "puzzle/puzzle",
  "backtrail/events": "solver/events",
  "backtrail/solver": "solver/solver",
  "backtrail/format": "trace/format",
  "backtrail/steps": "trace/formats/steps",
  "backtrail/verdict": "trace/verdict",
  "backtrail/grader": "trace/grader",
  "backtrail/rng": "lib/rng",
};

/**
 * The module and all that it imports as one piece of JavaScript, wherever it lies and whatever Node reads by itself; and a digest of
 * the contents of the user's files in it (our own are covered by code versions), whatever their paths.
 */
export async function bundle(absolute: string, path: string): Promise<{ code: string; sha256: string }> {
  const own = fileURLToPath(new URL("..", import.meta.url));
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const alias = Object.fromEntries(Object.entries(ownModules).map(([name, file]) => [name, join(own, `${file}.${extension}`)]));
  const built = await build({
    entryPoints: [absolute],
    absWorkingDir: dirname(absolute),
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "node",
    target: "node20",
    alias,
    nodePaths: [join(own, "..", "node_modules")],
    sourcemap: "inline",
    logLevel: "silent",
  }).catch((error: Error) => {
    throw new UserError("module", `${path}: the module does not load: ${error.message}`);
  });
  const files = Object.keys(built.metafile.inputs).map((name) => resolve(dirname(absolute), name));
  const theirs = files.filter((name) => relative(own, name).startsWith(".."));
  const digests = await Promise.all(theirs.map(async (name) => sha256(await readFile(name))));
  return { code: built.outputFiles[0]?.text ?? "", sha256: sha256(digests.sort().join()) };
}
