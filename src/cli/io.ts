// What a command is given in place of globals: streams, environment variables, folders, the interrupt signal.
import { readFile } from "node:fs/promises";
import { UserError } from "../lib/errors.ts";

export interface Io {
  /** Data goes to stdout, progress and messages to stderr. */
  out(text: string): void;
  err(text: string): void;
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
  /** Colour on stdout: a terminal, and neither NO_COLOR nor CI. */
  readonly colour: boolean;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/** A command's exit code is what it returns; errors are thrown. */
export type ExitCode = number;

/** The text of a file the user named. Throws UserError("file") when it can't be read. */
export async function readUserFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : (error as Error).message;
    throw new UserError("file", `${path}: ${reason}. Give the path of a file that can be read.`, { cause: error });
  }
}

/** All of standard input as lines; the last one may lack its newline. */
export async function* stdinLines(io: Io): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const data of io.stdin) {
    rest += typeof data === "string" ? data : decoder.decode(data as Buffer, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
