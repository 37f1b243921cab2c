#!/usr/bin/env node
// argv -> command. The only reader of process.env, the only process.exit, the one place that prints errors.
import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CommanderError } from "commander";
import type { Io } from "./cli/io.ts";
import { buildProgram } from "./cli/program.ts";
import { exitCode, UserError } from "./lib/errors.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

async function main(): Promise<number> {
  const interrupt = new AbortController();
  // Every call in flight listens to it, and there are hundreds.
  setMaxListeners(0, interrupt.signal);
  let interrupts = 0;
  // Whether the command has work to save: it then ends by the signal. Any other ends at once.
  let hasWork = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      interrupts++;
      if (interrupts > 1 || !hasWork) process.exit(exitCode.interrupted);
      process.stderr.write("\nStopping: finishing what is in flight and saving. Once more to stop now.\n");
      interrupt.abort();
    });
  }
  // A reader that leaves early (`| head`) is no error of ours. A command that is at its end ends with its own code.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") process.exit(exitCode.bug);
    setTimeout(() => process.exit(exitCode.done), 1000).unref();
  });
  // Progress that nobody reads any more stops no run.
  process.stderr.on("error", () => undefined);
  const { env } = process;
  const io: Io = {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    drained: () =>
      process.stdout.writableNeedDrain ? new Promise((resolve) => process.stdout.once("drain", resolve)) : Promise.resolve(),
    stdin: process.stdin,
    env,
    cwd: process.cwd(),
    root,
    version: (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version,
    outIsTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true && !env.CI,
    width: process.stdout.columns ?? 120,
    errSize: () => ({ columns: process.stderr.columns ?? 80, rows: process.stderr.rows ?? 24 }),
    colour: process.stdout.isTTY === true && !env.NO_COLOR && !env.CI,
    get signal() {
      hasWork = true;
      return interrupt.signal;
    },
  };
  let code: number = exitCode.done;
  try {
    await buildProgram(io, (result) => {
      code = result;
    }).parseAsync(process.argv);
    return code;
  } catch (error) {
    return report(error, interrupt.signal.aborted);
  }
}

function report(error: unknown, interrupted: boolean): number {
  // commander has printed its own message already; help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.done : exitCode.usage;
  if (error instanceof UserError) {
    process.stderr.write(`${error.message}\n`);
    return error.exit;
  }
  if (interrupted && error instanceof Error && error.name === "AbortError") {
    process.stderr.write("Interrupted. Nothing is lost: run the same command again to go on.\n");
    return exitCode.interrupted;
  }
  process.stderr.write(`This is a fault of Backtrail, not of yours. Please report it with the lines below.\n`);
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return exitCode.bug;
}

const code = await main();
// A pipe takes what its reader has room for; the rest is still here, and an exit would cut it off.
for (const stream of [process.stdout, process.stderr]) {
  if (stream.writableLength > 0) await new Promise<void>((resolve) => stream.write("", () => resolve()));
}
// Sockets and children that a stage failed to close must not keep a finished command alive.
process.exit(code);
