// Interpreters and module folders for the probe's tests: the real one, and some that misbehave.
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ProbeOptions } from "../../src/python/probe.ts";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
export const realPython = process.env.BACKTRAIL_PYTHON ?? join(root, ".venv", "bin", "python");

export function options(rest: Partial<ProbeOptions> = {}): ProbeOptions {
  return { timeoutMs: 90_000, root, env: process.env, ...rest };
}

export function folder(files: Record<string, string> = {}): string {
  const path = mkdtempSync(join(tmpdir(), "backtrail-probe-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

/** An executable shell script. */
export function script(body: string): string {
  const path = join(folder({ python: `#!/bin/sh\n${body}\n` }), "python");
  chmodSync(path, 0o755);
  return path;
}

/** The environment in which Python sees these modules first. */
export function withModules(files: Record<string, string>): ProbeOptions {
  return options({ env: { ...process.env, PYTHONPATH: folder(files) } });
}
