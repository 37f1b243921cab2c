// A soak of the worker and the pool: many generate calls of mixed lengths through a real pool and a torch worker with a tiny
// model. Prints the resident memory of both processes over time and fails when either line is not flat.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createGenerator } from "../src/decode/batchingGenerator.ts";
import { deriveSeed64, Rng } from "../src/lib/rng.ts";
import { median } from "../src/lib/stats.ts";
import type { ModelSpec } from "../src/protocol/primitives.ts";
import { findPython } from "../src/setup/environment.ts";
import { selfBacktracking } from "../src/trace/formats/selfBacktracking.ts";
import { tokenizerConfigJson, tokenizerJson } from "../src/trace/tokenizer.ts";
import { localLauncher } from "../src/worker/launcher.ts";
import { createPool, type Pool } from "../src/worker/pool.ts";
import { headline, machine } from "./machine.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
/** Requests under way at a time, requests that share a call, and how many times memory is looked at. */
const inFlight = 512;
const completionsPerCall = 256;
const samplesOfMemory = 40;
/** A line is flat when the median of its last quarter exceeds that of its second by no more than this share or these MiB. */
const allowedShare = 0.02;
const allowedMiB = 8;

interface Memory {
  readonly requests: number;
  readonly seconds: number;
  readonly worker: number;
  readonly coordinator: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { requests: { type: "string" }, json: { type: "string" }, minutes: { type: "string" } },
  });
  const requests = Number(values.requests ?? 20_000);
  const until = performance.now() + 60_000 * Number(values.minutes ?? 60);
  const python = findPython(process.env, root)?.python;
  if (python === undefined) throw new Error("bench:soak needs .venv or BACKTRAIL_PYTHON");
  const folder = await mkdtemp(join(tmpdir(), "backtrail-soak-"));
  const launcher = localLauncher({ flavour: "torch", python, environment: { ...process.env, OMP_NUM_THREADS: "1" } });
  const versions: Record<string, string> = {};
  const pool = await createPool({
    launcher,
    size: 1,
    threads: 1,
    device: "cpu",
    logDirectory: join(folder, "logs"),
    onEvent: (event) => {
      if (event.kind === "worker-ready") Object.assign(versions, event.versions);
    },
  });
  try {
    await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizerJson(selfBacktracking.vocabulary)));
    await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(tokenizerConfigJson(selfBacktracking.vocabulary)));
    const { line, tokens, done } = await soak(pool, tinyModel(folder), requests, until);
    const seconds = line.at(-1)?.seconds ?? 0;
    const about = machine(versions);
    process.stdout.write(`${headline(about)}\n${done} requests, ${tokens} tokens in ${seconds.toFixed(0)} s\n`);
    const faults = (["worker", "coordinator"] as const).flatMap((which) => judge(which, line));
    if (values.json !== undefined)
      await writeFile(values.json, `${JSON.stringify({ about, requests: done, tokens, line, faults }, null, 2)}\n`);
    if (faults.length > 0 || done < requests) {
      for (const fault of faults) process.stdout.write(`${fault}\n`);
      if (done < requests) process.stdout.write(`stopped by the clock: ${done} of ${requests} requests\n`);
      process.exitCode = faults.length > 0 ? 1 : 0;
    } else process.stdout.write("memory is flat\n");
  } finally {
    await pool.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function tinyModel(tokenizer: string): ModelSpec {
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
  const source = { kind: "architecture" as const, config, tokenizer, seed: 7 };
  return { version: "soak", source, dtype: "float32", addTokens: ["<backtrack>"], reservedTokens: {} };
}

/** Requests of 1 to 100 tokens of prefix, 1 to 4 completions and 1 to 40 new tokens; every 16th through other settings. */
async function soak(pool: Pool, model: ModelSpec, requests: number, until: number) {
  const generator = createGenerator(pool, model, { completionsPerCall });
  const line: Memory[] = [];
  const began = performance.now();
  let [next, done, tokens] = [0, 0, 0];
  const look = async () => {
    const requests = done;
    const worker = await residentMiB(pool.describe().workers[0]?.pid ?? 0);
    const coordinator = process.memoryUsage().rss / 2 ** 20;
    const memory = { requests, seconds: (performance.now() - began) / 1000, worker, coordinator };
    line.push(memory);
    process.stdout.write(
      `${String(requests).padStart(7)} requests ${memory.seconds.toFixed(0).padStart(5)} s: worker ${worker.toFixed(0)} MiB, coordinator ${coordinator.toFixed(0)} MiB\n`,
    );
  };
  const one = async (index: number) => {
    const rng = Rng.for(1, "soak", index);
    const prefix = Int32Array.from({ length: 1 + rng.below(100) }, () => 4 + rng.below(20));
    const seeds = Array.from({ length: 1 + rng.below(4) }, (_, sample) => deriveSeed64(1, "soak", index, sample));
    const maxNewTokens = 1 + rng.below(Math.min(40, 128 - prefix.length));
    const temperature = index % 16 === 0 ? 0 : 0.7;
    const completions = await generator.generate({ prefix, seeds, maxNewTokens, temperature, stops: ["<backtrack>"] });
    if (completions.length !== seeds.length) throw new Error(`request ${index}: ${completions.length} of ${seeds.length} came`);
    tokens += completions.reduce((sum, completion) => sum + completion.tokens.length, 0);
    done++;
    if (done % Math.ceil(requests / samplesOfMemory) === 0) await look();
  };
  const lane = async () => {
    while (next < requests && performance.now() < until) await one(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  if (line.at(-1)?.requests !== done) await look();
  return { line, tokens, done };
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (found === undefined) throw new Error(`process ${pid} tells no resident memory`);
  return Number(found) / 1024;
}

/** Why a line is not flat, if it is not. The first quarter is for warming up. */
function judge(which: "worker" | "coordinator", line: readonly Memory[]): string[] {
  const quarter = Math.floor(line.length / 4);
  if (quarter < 2) return [`${which}: ${line.length} looks at memory are too few to judge`];
  const part = (from: number, to?: number) => median(line.slice(from, to).map((memory) => memory[which]));
  const [early, late] = [part(quarter, 2 * quarter), part(line.length - quarter)];
  const grown = late - early;
  process.stdout.write(`${which}: ${early.toFixed(1)} MiB in the second quarter, ${late.toFixed(1)} MiB in the last\n`);
  if (grown <= Math.max(allowedMiB, allowedShare * early)) return [];
  return [`${which}: memory grows: ${early.toFixed(1)} MiB in the second quarter, ${late.toFixed(1)} MiB in the last`];
}

await main();
