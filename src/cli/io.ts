// What a command is given in place of globals: streams, environment variables, folders, the interrupt signal.
import { readFile } from "node:fs/promises";
import { UserError } from "../lib/errors.ts";

export interface Io {
  /** Data goes to stdout, progress and messages to stderr. */
  out(text: string): void;
  err(text: string): void;
  /** Resolves when what was written to stdout has left, so that a slow reader holds us up. */
  drained(): Promise<void>;
  readonly stdin: NodeJS.ReadableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the user stands; relative paths in configs and flags start here. */
  readonly cwd: string;
  /** The package's own folder: py/, configs/, the locks. */
  readonly root: string;
  readonly version: string;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  readonly width: number;
  /** Of the terminal on stderr, in characters, as it is now. */
  errSize?(): { readonly columns: number; readonly rows: number };
  /** Colour on stdout: a terminal, and neither NO_COLOR nor CI. */
  readonly colour: boolean;
  /** Aborted by the first Ctrl-C, once the command has asked for it; until then, and where none asks, Ctrl-C ends the process. */
  readonly signal: AbortSignal;
}

/** A command's exit code is what it returns; errors are thrown. */
export type ExitCode = number;

/** The text of a file the user named. Throws UserError("file") when it can't be read. */
export async function readUserFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : message;
    throw new UserError("file", `${path}: ${reason}. Give the path of a file that can be read.`, { cause: error });
  }
}

/** A flag whose value is a JSON object. Throws UserError("usage") that names the flag. */
export function readJsonFlag(flag: string, text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below, with everything else that is no object.
  }
  throw new UserError("usage", `${flag}: expected a JSON object such as '{"size":4}', found ${text}`);
}

/** A flag whose value is a whole number. Throws UserError("usage") that names the flag. */
export function readWholeFlag(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least && text.trim() !== "") return value;
  throw new UserError("usage", `${flag}: expected a whole number from ${least}, found ${JSON.stringify(text)}`);
}

/** The same of a flag that may be left out. */
export function readOptionalWholeFlag(flag: string, text: string | undefined, least: number): number | undefined {
  return text === undefined ? undefined : readWholeFlag(flag, text, least);
}
