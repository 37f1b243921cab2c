// Shared by the tests of the worker layer: pools of real mock processes, and small real files for them.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, afterEach } from "vitest";
import { sha256 } from "../../src/lib/hash.ts";
import type { ModelSpec } from "../../src/protocol/primitives.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { tokenizerConfigJson, tokenizerJson } from "../../src/trace/tokenizer.ts";
import type { PoolEvent } from "../../src/worker/events.ts";
import { localLauncher } from "../../src/worker/launcher.ts";
import { createPool, type Pool, type PoolOptions } from "../../src/worker/pool.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "backtrail-test-"));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A directory that lives as long as the test file: for suites that share a worker between cases. */
export function keptDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "backtrail-test-"));
  kept.push(directory);
  return directory;
}
const kept: string[] = [];
afterAll(() => {
  for (const directory of kept.splice(0)) rmSync(directory, { recursive: true, force: true });
});

export interface Observed {
  readonly pool: Pool;
  readonly events: PoolEvent[];
  readonly logDirectory: string;
  /** Resolves with the first event (past ones included) that fits. */
  seen<Kind extends PoolEvent["kind"]>(
    kind: Kind,
    fits?: (event: Extract<PoolEvent, { kind: Kind }>) => boolean,
  ): Promise<Extract<PoolEvent, { kind: Kind }>>;
  logs(): string;
}

/** A pool of mock workers that is closed after the test. */
export async function mockPool(options: Partial<PoolOptions> = {}): Promise<Observed> {
  const logDirectory = temporaryDirectory();
  const events: PoolEvent[] = [];
  const watchers: ((event: PoolEvent) => void)[] = [];
  const pool = await createPool({
    launcher: localLauncher({ flavour: "mock", environment: process.env }),
    size: 1,
    logDirectory,
    onEvent: (event) => {
      events.push(event);
      for (const watcher of [...watchers]) watcher(event);
    },
    ...options,
  });
  cleanups.push(() => pool.close());
  return {
    pool,
    events,
    logDirectory,
    seen: (kind, fits = () => true) =>
      new Promise((resolve) => {
        const watch = (event: PoolEvent) => {
          if (event.kind === kind && fits(event as never)) resolve(event as never);
        };
        events.forEach(watch);
        watchers.push(watch);
      }),
    logs: () =>
      events.flatMap((event) => (event.kind === "worker-starting" ? [readFileSync(event.logFile, "utf8")] : [])).join(""),
  };
}

/** A directory with the tokenizer derived from the self-backtracking format. */
export function tokenizerDirectory(keep = false): string {
  const directory = keep ? keptDirectory() : temporaryDirectory();
  writeFileSync(join(directory, "tokenizer.json"), JSON.stringify(tokenizerJson(selfBacktracking.vocabulary)));
  writeFileSync(join(directory, "tokenizer_config.json"), JSON.stringify(tokenizerConfigJson(selfBacktracking.vocabulary)));
  return directory;
}

/** A Llama of some ten thousand parameters with random weights. */
export function tinyModel(tokenizer: string, version = "tiny"): ModelSpec {
  const config = {
    model_type: "llama",
    hidden_size: 32,
    intermediate_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    max_position_embeddings: 128,
    tie_word_embeddings: true,
  };
  return {
    version,
    source: { kind: "architecture", config, tokenizer, seed: 7 },
    dtype: "float32",
    addTokens: ["<backtrack>"],
    reservedTokens: {},
  };
}

export interface Row {
  readonly prompt: string;
  readonly response: string;
  readonly spans: readonly (readonly [number, number])[];
  readonly trainEnd: boolean;
}

/** The paper's worked case: a good response, and one that takes a wrong turn and asks to go back. */
export const workedRows: readonly Row[] = (() => {
  const prompt = selfBacktracking.prompt({ puzzle: "countdown", numbers: [45, 39, 2, 10], target: 62 });
  const good = "45-39=6\n10*6=60\n2+60=62\nGoal Reached!";
  const bad = "45-39=6\n39+6=45\n<backtrack>";
  return [
    { prompt, response: good, spans: [[0, good.length]], trainEnd: true },
    {
      prompt,
      response: bad,
      spans: [
        [0, 8],
        [16, bad.length],
      ],
      trainEnd: true,
    },
  ] as const;
})();

export function writeShard(rows: readonly Row[], keep = false): { path: string; sha256: string } {
  const directory = keep ? keptDirectory() : temporaryDirectory();
  const path = join(directory, "train-0.jsonl");
  const text = rows
    .map((row, index) =>
      JSON.stringify({
        id: `r${index}`,
        problem: null,
        ...row,
        format: "self-backtracking",
        solver: "canonical",
        origin: "optimal",
      }),
    )
    .map((line) => `${line}\n`)
    .join("");
  writeFileSync(path, text);
  return { path, sha256: sha256(text) };
}

/** Whether a process exists (a zombie counts as gone). */
export function alive(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^\d+ \(.*\) [ZX]/.test(status);
  } catch {
    return false;
  }
}

/** Waits until a condition holds; the test's own time limit bounds it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const script = fileURLToPath(new URL("./fixtures/coordinator.ts", import.meta.url));

/** A coordinator in a process of its own, with two workers that have said hello: to be killed. `folders` are its private ones. */
export async function startCoordinator(
  flavour: "mock" | "torch",
  python = "",
): Promise<{ child: ChildProcess; workers: number[]; folders: () => string[] }> {
  const temporary = temporaryDirectory();
  const child = spawn(process.execPath, ["--import", tsx, script, flavour, temporaryDirectory(), python], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TMPDIR: temporary },
  });
  cleanups.push(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const line = await new Promise<string>((resolve) => lines.once("line", resolve));
  const folders = () => readdirSync(temporary).filter((name) => name.startsWith("backtrail-"));
  return { child, workers: JSON.parse(line) as number[], folders };
}
