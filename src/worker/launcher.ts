// How worker processes come into being and end: the Launcher port and the local launcher. Knows no messages, only the
// start line. Each worker leads a process group of its own (so Ctrl-C in a terminal does not reach it before the pool has
// drained it), reads one JSON line from stdin, which stays open as its life line, and writes stdout and stderr to a file.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, openSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { WorkerStart } from "../protocol/messages.ts";
import { type Reaper, startReaper } from "./reaper.ts";

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why the process could not be started at all. */
  readonly error?: string;
  /** What happened, as a clause, where code and signal do not tell it all: "rank 1 of 2 was killed by SIGKILL". */
  readonly reason?: string;
  /** A rank ran out of memory inside what all ranks do together, which it cannot leave but by its end. */
  readonly outOfMemory?: boolean;
}

export interface WorkerProcess {
  /** For people to read; 0 when the process could not be started or is not one of this machine. */
  readonly pid: number;
  readonly exited: Promise<WorkerExit>;
  /** Sends a signal to the whole process group. Does nothing after the end. */
  kill(signal: NodeJS.Signals): void;
  /** The last lines that the worker wrote to stderr and stdout. */
  stderrTail(): string;
  readonly logFile: string;
}

export interface Launcher {
  /** Starts the worker of a place of the pool (from 0), where its GPUs may depend on it. Never throws: a failure shows in `exited`. */
  launch(start: WorkerStart, logFile: string, slot: number): WorkerProcess;
  /** A folder that is to be removed even if this process is killed. */
  removeAtDeath?(folder: string): void;
  /** Ends what belongs to the launcher itself. Idempotent. */
  close(): Promise<void>;
}

export interface LocalLauncherOptions {
  readonly flavour: "torch" | "mock";
  /** The interpreter of torch workers: a path, or a name looked up in PATH. */
  readonly python?: string;
  /** The environment that workers inherit. Keys are not secret: tokens go by stdin. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What CUDA_VISIBLE_DEVICES names for the worker of each slot (devices.ts); absent: the environment's own. */
  readonly gpus?: readonly (readonly string[])[] | undefined;
}

const tailBytes = 16 * 1024;
const tailLines = 200;

/** Root of the installed package: the folder that holds py/ beside src/ or dist/. */
const packageRoot = fileURLToPath(new URL("../..", import.meta.url));

/** Program and arguments of a worker. The mock runs from source under tsx when this module itself does. */
function commandLine(options: LocalLauncherOptions): [string, string[]] {
  if (options.flavour === "torch") return [options.python ?? "python3", ["-m", "backtrail_worker"]];
  const here = fileURLToPath(import.meta.url);
  if (!here.endsWith(".ts")) return [process.execPath, [join(dirname(here), "mock", "main.js")]];
  // Resolved here, because a bare name would be looked up from the working directory.
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return [process.execPath, ["--import", tsx, join(dirname(here), "mock", "main.ts")]];
}

function environmentOf(options: LocalLauncherOptions, threads: number, slot: number): Record<string, string | undefined> {
  const { environment, gpus } = options;
  const path = environment.PYTHONPATH;
  const own = join(packageRoot, "py");
  return {
    ...environment,
    PYTHONPATH: path ? `${own}${delimiter}${path}` : own,
    PYTHONUNBUFFERED: "1",
    // Kernel threads that spin while another worker computes cost a factor of 7 and more.
    OMP_WAIT_POLICY: "PASSIVE",
    ...(threads > 0 ? { OMP_NUM_THREADS: String(threads), MKL_NUM_THREADS: String(threads) } : {}),
    TOKENIZERS_PARALLELISM: threads === 1 ? "false" : "true",
    ...(gpus ? { CUDA_VISIBLE_DEVICES: (gpus[slot] ?? []).join(",") } : {}),
  };
}

/** Exit code of a rank that ran out of memory where it could not say so (LOST_MEMORY in py/backtrail_worker/ranks/group.py). */
export const outOfMemoryCode = 6;

/** How a process ended, as a clause: "was killed by SIGKILL". */
export function exitClause({ code, signal, error }: WorkerExit): string {
  if (error !== undefined) return `could not be started: ${error}`;
  if (code === outOfMemoryCode) return "ran out of memory in the middle of a step";
  return signal ? `was killed by ${signal}` : `ended with exit code ${code}`;
}

/** The last lines of a file, or "" when it cannot be read. */
export function tailOf(file: string): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, "r");
    const { size } = fstatSync(descriptor);
    const buffer = Buffer.alloc(Math.min(size, tailBytes));
    const read = readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
    return buffer.subarray(0, read).toString("utf8").trimEnd().split("\n").slice(-tailLines).join("\n");
  } catch {
    return "";
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: the group is gone, which is what was wanted.
  }
}

/** Workers as child processes of this one, watched by one reaper. */
export function localLauncher(options: LocalLauncherOptions): Launcher {
  let reaper: Reaper | undefined;
  return {
    launch: (start, logFile, slot) => {
      reaper ??= startReaper();
      return launchLocal(options, { start, logFile, slot }, reaper);
    },
    removeAtDeath: (folder) => {
      reaper ??= startReaper();
      reaper.remember(folder);
    },
    close: async () => {
      await reaper?.close();
      reaper = undefined;
    },
  };
}

/** One start of a worker: see Launcher.launch. */
export interface Launch {
  readonly start: WorkerStart;
  readonly logFile: string;
  readonly slot: number;
}

function launchLocal(options: LocalLauncherOptions, { start, logFile, slot }: Launch, reaper: Reaper): WorkerProcess {
  let child: ChildProcess;
  try {
    mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
    const log = openSync(logFile, "w", 0o600);
    try {
      const [program, args] = commandLine(options);
      child = spawn(program, args, {
        detached: true,
        stdio: ["pipe", log, log],
        env: environmentOf(options, start.threads, slot),
      });
    } finally {
      closeSync(log);
    }
  } catch (error) {
    return failedLaunch(logFile, error);
  }
  const pid = child.pid ?? 0;
  let ended = false;
  const exited = new Promise<WorkerExit>((resolve) => {
    child.once("exit", (code, signal) => {
      ended = true;
      // What the worker forked must not outlive it.
      killGroup(pid, "SIGKILL");
      reaper.remove(pid);
      resolve({ code, signal });
    });
    child.once("error", (error) => {
      if (pid === 0) resolve({ code: null, signal: null, error: error.message });
    });
  });
  if (pid !== 0) reaper.add(pid);
  child.stdin?.on("error", () => undefined);
  child.stdin?.write(`${JSON.stringify(start)}\n`);
  return {
    pid,
    exited,
    kill: (signal) => {
      if (!ended && pid !== 0) killGroup(pid, signal);
    },
    stderrTail: () => tailOf(logFile),
    logFile,
  };
}

/** A worker that could not be started. */
export function failedLaunch(logFile: string, error: unknown): WorkerProcess {
  const message = error instanceof Error ? error.message : String(error);
  return {
    pid: 0,
    exited: Promise.resolve({ code: null, signal: null, error: message }),
    kill: () => undefined,
    stderrTail: () => "",
    logFile,
  };
}
