// Runs the command line as a user does: a process of its own, with a results folder and store of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when stderr holds the text; rejects when the process ends first. */
  saw(text: string): Promise<void>;
}

/** A fresh folder under the system's temporary folder. */
export function temporary(): string {
  return mkdtempSync(join(tmpdir(), "backtrail-e2e-"));
}

/** Starts `backtrail ...args`. */
export function start(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; input?: string } = {},
): Running {
  const child = spawn(process.execPath, ["--import", tsx, join(root, "src", "main.ts"), ...args], {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.end(options.input ?? "");
  let out = "";
  let err = "";
  const listeners = new Set<() => void>();
  child.stdout.on("data", (data: Buffer) => {
    out += data.toString();
  });
  child.stderr.on("data", (data: Buffer) => {
    err += data.toString();
    for (const listener of listeners) listener();
  });
  const finished = new Promise<Finished>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  const saw = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const check = () => err.includes(text) && resolve();
      listeners.add(check);
      check();
      finished.then(() => reject(new Error(`ended without saying "${text}":\n${err}`)));
    });
  return { process: child, finished, saw };
}

export function run(args: readonly string[], options: Parameters<typeof start>[1] = {}): Promise<Finished> {
  return start(args, options).finished;
}

/** Arguments that put a sweep's results and store under a folder. */
export function into(folder: string): string[] {
  return ["--results", join(folder, "results"), "--set", `store=${join(folder, "store")}`];
}
