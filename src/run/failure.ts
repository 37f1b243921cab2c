// What is told of a stage that failed: its cause in one line, a file with all that is known, the command that tries it again.
import { join } from "node:path";
import type { Stage } from "../plan/plan.ts";
import { makeFolder, writeAtomic } from "../store/files.ts";
import { SessionLost, WorkerError } from "../worker/port.ts";

export interface StageFailure {
  readonly stage: string;
  readonly key: string;
  /** One line. */
  readonly cause: string;
  /** A stable word: the error's code, "bug" for what is no error of the user's or a worker's. */
  readonly code: string;
  /** The file with all that is known, as the user may type it. */
  readonly log: string;
  /** The command that tries it again. */
  readonly retry: string;
  /** Runs in a row in which it failed. */
  readonly times: number;
  readonly error: unknown;
}

/** Where failures are told, and what is known of earlier ones. */
export interface FailureNotes {
  /** The folder of this run's logs. */
  readonly logs: string;
  /** The same, as the user may type it. */
  readonly shownLogs: string;
  readonly retry: string;
  /** By stage key: runs in a row in which the stage failed before this one. */
  readonly earlier: ReadonlyMap<string, number>;
}

/** Writes the failure's file. Where that cannot be written (a full disk), the log is the folder. */
export async function recordFailure(stage: Stage, error: unknown, notes: FailureNotes): Promise<StageFailure> {
  const times = 1 + (notes.earlier.get(stage.key) ?? 0);
  const code = codeOf(error);
  const again =
    code === "quarantined" && times > 1 ? ` (its call has now killed workers in ${times} runs: look at the log)` : "";
  const cause = `${oneLine(error)}${error instanceof WorkerError ? ` (worker error ${code})` : ""}${again}`;
  const name = `failed-${stage.id.replaceAll(/[^\w.=-]+/g, "-").slice(0, 80)}-${stage.key.slice(0, 8)}.log`;
  const written = await writeLog(join(notes.logs, name), account(stage, error, notes));
  const log = written ? join(notes.shownLogs, name) : notes.shownLogs;
  return { stage: stage.id, key: stage.key, cause, code, log, retry: notes.retry, times, error };
}

/** What failed and why, where all that is known lies, and what to type. */
export function failureLines(failure: Omit<StageFailure, "error">): string[] {
  const { stage, cause, log, retry, times } = failure;
  const count = times > 1 ? ` (${times} runs in a row)` : "";
  return [`${stage}: FAILED${count}: ${cause}`, `  log: ${log}`, `  retry: ${retry}`];
}

/** Whether a disk has refused a write: ours, by its error code, or a worker's, by what its library says. */
export function isDiskFull(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && (at.code === "ENOSPC" || at.code === "EDQUOT")) return true;
    const text = at instanceof WorkerError || at instanceof SessionLost ? `${at.message}\n${at.traceback}` : "";
    if (/\bENOSPC\b|\bEDQUOT\b|No space left on device|Disk quota exceeded/.test(text)) return true;
  }
  return false;
}

async function writeLog(path: string, text: string): Promise<boolean> {
  try {
    await makeFolder(join(path, ".."));
    await writeAtomic(path, text);
    return true;
  } catch {
    return false; // the failure itself is what has to be told
  }
}

function account(stage: Stage, error: unknown, { logs }: FailureNotes): string {
  const parts = [`stage ${stage.id}`, `key ${stage.key}`, `failed at ${new Date().toISOString()}`];
  for (let at = error, depth = 0; at !== undefined && depth < 5; at = at instanceof Error ? at.cause : undefined, depth++) {
    parts.push("", `${depth === 0 ? "" : "caused by: "}${at instanceof Error ? (at.stack ?? at.message) : String(at)}`);
    if (!(at instanceof WorkerError || at instanceof SessionLost)) continue;
    if (at.worker !== "") parts.push("", `output of the worker: ${join(logs, `${at.worker}.log`)}`);
    if (at.traceback !== "") parts.push("", "in the worker:", at.traceback.trimEnd());
  }
  return `${parts.join("\n")}\n`;
}

/** That of the error, or of what caused it. */
function codeOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string") return at.code;
  }
  return "bug";
}

const longestCause = 400;

function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.split("\n").map((line) => line.trim());
  const first = lines.find((line) => line !== "") ?? "no reason was given";
  return first.length > longestCause ? `${first.slice(0, longestCause)}...` : first;
}
