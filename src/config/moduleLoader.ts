// Loading a user's own puzzle or formats from a module: import, check of its shape, registration by name. The module is the
// user's code and runs with the user's rights; nothing that comes over the wire or out of a model ever gets here.
import { access } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse as parseYaml } from "yaml";
import { UserError } from "../lib/errors.ts";
import { quote } from "../lib/text.ts";
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import { findPuzzle, registerPuzzle } from "../puzzle/registry.ts";
import type { AnyFormat } from "../trace/format.ts";
import { registerFormat } from "../trace/registry.ts";
import { bundle } from "./moduleBundle.ts";
import { declareModule } from "./modules.ts";

/** What a module holds. */
export interface LoadedModule {
  /** Absolute. */
  readonly path: string;
  readonly puzzle: AnyPuzzle | undefined;
  readonly formats: readonly AnyFormat[];
  readonly sha256: string;
}

const loaded = new Map<string, LoadedModule>();

/** Absolute paths of the modules loaded in this process: worker threads load the same. */
export function loadedModules(): readonly string[] {
  return [...loaded.keys()];
}

/**
 * Imports a module (.ts, .mts, .js or .mjs) that exports `puzzle`, `formats` or both, and registers them. A module is loaded
 * once. Throws UserError("module") that says what is missing, or that a name is taken.
 */
export async function loadModule(path: string): Promise<LoadedModule> {
  const absolute = resolve(path);
  const known = loaded.get(absolute);
  if (known !== undefined) return known;
  await access(absolute).catch((error: Error) => {
    throw new UserError("module", `${path}: the module cannot be read: ${error.message}`);
  });
  const { code, sha256: digest } = await bundle(absolute, path);
  const exported = await importModule(code, path);
  const puzzle = exported.puzzle === undefined ? undefined : guarded(asPuzzle(exported.puzzle, path), path);
  const formats = formatsOf(exported, path);
  if (puzzle === undefined && formats.length === 0) {
    const found = Object.keys(exported).join(", ") || "nothing";
    throw new UserError(
      "module",
      `${path}: expected an export \`puzzle\` or \`formats\`, found ${found}. See the README's example of a module.`,
    );
  }
  if (puzzle !== undefined) registerPuzzle(puzzle, path);
  for (const format of formats) {
    findPuzzle(format.puzzle);
    registerFormat(format, path);
  }
  const module = { path: absolute, puzzle, formats, sha256: digest };
  loaded.set(absolute, module);
  return module;
}

/**
 * Loads every module that a config's text names, relative to the config's folder, so that it can be parsed. Text that is no
 * YAML is left to the parser's own messages. Throws UserError("module").
 */
export async function loadModulesOf(configText: string, configPath: string): Promise<void> {
  let document: unknown;
  try {
    document = parseYaml(configText, { logLevel: "silent" }) as unknown;
  } catch {
    return;
  }
  for (const asWritten of new Set(modulePaths(document))) {
    const { puzzle, formats, sha256: digest } = await loadModule(resolve(dirname(configPath), asWritten));
    declareModule(asWritten, {
      puzzle: puzzle?.name,
      readOptions: (value) => puzzle?.readOptions(value),
      formats: formats.map(({ name }) => name),
      sha256: digest,
    });
  }
}

/** Values of keys named `module` (or dotted ones that end so), wherever they stand. */
function modulePaths(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(modulePaths);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    if (!/(^|\.)module$/.test(key)) return modulePaths(item);
    return (Array.isArray(item) ? item : [item]).filter((path): path is string => typeof path === "string");
  });
}

async function importModule(code: string, path: string): Promise<Record<string, unknown>> {
  try {
    return (await import(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`)) as Record<string, unknown>;
  } catch (error) {
    throw new UserError(
      "module",
      `${path}: the module does not load: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

const puzzleMethods = [
  "readOptions",
  "generate",
  "canonicalKey",
  "root",
  "actions",
  "apply",
  "isGoal",
  "stateKey",
  "readProblem",
  "writeProblem",
] as const;
const formatMethods = ["prompt", "readPrompt", "project", "render", "parse"] as const;

function asPuzzle(value: unknown, path: string): AnyPuzzle {
  const missing = missingMembers(value, puzzleMethods, { name: "string", heuristics: "object" });
  if (missing.length > 0) throw new UserError("module", `${path}: \`puzzle\` lacks ${missing.join(", ")}.`);
  return value as AnyPuzzle;
}

function formatsOf(exported: Record<string, unknown>, path: string): AnyFormat[] {
  const { formats = [] } = exported;
  if (!Array.isArray(formats)) throw new UserError("module", `${path}: \`formats\` should be a list of formats.`);
  for (const [index, format] of formats.entries()) {
    const needed = { name: "string", puzzle: "string", vocabulary: "object", markers: "object" };
    const missing = missingMembers(format, formatMethods, needed);
    if (missing.length > 0) throw new UserError("module", `${path}: \`formats[${index}]\` lacks ${missing.join(", ")}.`);
  }
  return formats as AnyFormat[];
}

function missingMembers(value: unknown, methods: readonly string[], members: Readonly<Record<string, string>>): string[] {
  const record = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  return [
    ...Object.entries(members)
      .filter(([name, type]) => typeof record[name] !== type || record[name] === null)
      .map(([name]) => name),
    ...methods.filter((name) => typeof record[name] !== "function").map((name) => `${name}()`),
  ];
}

/** The puzzle as a plain object whose methods keep their `this`: a class with private members can be copied no other way. */
function bound(puzzle: AnyPuzzle): AnyPuzzle {
  const members: Record<string, unknown> = {};
  for (let at: object = puzzle; at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at) as object) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name === "constructor" || Object.hasOwn(members, name)) continue;
      const value = (puzzle as unknown as Record<string, unknown>)[name];
      members[name] = typeof value === "function" ? value.bind(puzzle) : value;
    }
  }
  return members as unknown as AnyPuzzle;
}

/** The puzzle, with whatever its readers throw told as the user's error that it is. */
function guarded(puzzle: AnyPuzzle, path: string): AnyPuzzle {
  const telling = <T>(code: string, read: () => T): T => {
    try {
      return read();
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(code, `${path}: ${error instanceof Error ? error.message : quote(String(error))}`);
    }
  };
  return Object.assign(bound(puzzle), {
    readOptions: (value: unknown) => telling("config", () => puzzle.readOptions(value)),
    readProblem: (value: unknown) => telling("problem", () => puzzle.readProblem(value)),
  });
}
