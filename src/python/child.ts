// The short-lived process in which pythonia lives: one call, one JSON line, the end. pythonia keeps a process alive for ever,
// shares its streams with Python and may end it (see probe.ts); here none of that matters.
import type { ChildProcess } from "node:child_process";
import { type ProbeRequest, probeMarker, pythonEnded } from "./wire.ts";

async function main(): Promise<void> {
  const { call, args } = JSON.parse(process.argv[2] ?? "") as ProbeRequest;
  // The import starts the interpreter named by PYTHON_BIN, so it must come after everything that can fail without it.
  const pythonia = await import("pythonia");
  // Not in its types, but exported: the interpreter's process. pythonia itself would wait for a dead one until its time limit.
  const { com } = (pythonia as unknown as { default: { com: { proc: ChildProcess } } }).default;
  com.proc.once("exit", (code, signal) => {
    process.stderr.write(`\n${pythonEnded} ${signal === null ? `with exit code ${code}` : `by ${signal}`}\n`, () =>
      process.exit(1),
    );
  });
  const probe = await pythonia.python("backtrail_probe");
  const answer = String(await probe[call](...args));
  process.stdout.write(`\n${probeMarker}${answer}\n`, () => process.exit(0));
}

function fail(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  // A broken pipe is the sight of an interpreter that is ending: its exit says more, and comes within this time.
  const wait = /EPIPE|ERR_IPC_CHANNEL_CLOSED/.test(text) ? 2000 : 0;
  setTimeout(() => process.stderr.write(`${text}\n`, () => process.exit(1)), wait);
}

process.on("uncaughtException", fail);
main().catch(fail);
