// The short-lived process in which pythonia lives: one call, one JSON line, the end. pythonia keeps a process alive for ever,
// shares its streams with Python and may end it (see probe.ts); here none of that matters.
interface Request {
  readonly call: "environment" | "model";
  readonly args: readonly unknown[];
}

/** Precedes the one line that is the answer; Python's own prints may stand around it. */
const marker = "backtrail-probe:";

async function main(): Promise<void> {
  const request = JSON.parse(process.argv[2] ?? "") as Request;
  // The import starts the interpreter named by PYTHON_BIN, so it must come after everything that can fail without it.
  const { python } = await import("pythonia");
  const probe = await python("backtrail_probe");
  const answer = String(request.call === "environment" ? await probe.environment() : await probe.model(...request.args));
  process.stdout.write(`\n${marker}${answer}\n`, () => process.exit(0));
}

main().catch((error: unknown) => {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${text}\n`);
  process.exit(1);
});
