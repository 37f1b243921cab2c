// What decoding costs: problems/s and tokens/s of our engine beside the reference decoder, transformers' generate batched
// over problems and transformers' continuous batching, in turn in one Python process that answers the worker's own generate
// and score calls. On the CPU; bench/gpu.py measures the same, and the paper's test set, on a GPU.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findPython } from "../src/setup/environment.ts";
import { selfBacktracking } from "../src/trace/formats/selfBacktracking.ts";
import { tokenizerConfigJson, tokenizerJson } from "../src/trace/tokenizer.ts";
import { type EnginesResult, enginesTable, scoreTable } from "./decodeTables.ts";
import { headline, machine } from "./machine.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** How many problems each engine decodes a round: as many as keep its batch full, one by one for the reference. */
const tinyPlan = (samples: number, ours: number, reference: number, batched: number, continuous: number) => ({
  shape: "tiny",
  samples,
  problems: { ours, reference, batched, continuous },
  warm: true,
});
const bigPlan = (samples: number, ours: number, reference: number, batched: number, continuous: number) => ({
  ...tinyPlan(samples, ours, reference, batched, continuous),
  shape: "135M",
  warm: false,
});

function cpuPlan(rounds: number, only: string | undefined) {
  const engines = [
    { ...tinyPlan(8, 192, 12, 16, 64), rounds },
    { ...tinyPlan(32, 128, 6, 4, 16), rounds },
    { ...bigPlan(8, 4, 1, 4, 2), rounds },
    { ...bigPlan(32, 2, 1, 2, 1), rounds },
  ].filter(({ shape }) => only === undefined || only === shape);
  const score = [
    { shape: "tiny", sequences: 96, rounds },
    { shape: "135M", sequences: 6, rounds: 2 },
  ].filter(({ shape }) => only === undefined || only === shape);
  return { engines, score };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: "string" },
      rounds: { type: "string" },
      only: { type: "string" },
    },
  });
  const python = findPython(process.env, root)?.python;
  if (python === undefined) throw new Error("bench:decode needs .venv or BACKTRAIL_PYTHON");
  const folder = await mkdtemp(join(tmpdir(), "backtrail-bench-"));
  try {
    await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizerJson(selfBacktracking.vocabulary)));
    await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(tokenizerConfigJson(selfBacktracking.vocabulary)));
    const plan = cpuPlan(Number(values.rounds ?? 3), values.only);
    const out: EnginesResult & { versions: Record<string, string> } = JSON.parse(await run(python, folder, plan));
    const about = machine(out.versions);
    const table = `${enginesTable(out.engines)}\n\n${scoreTable(out.score)}`;
    process.stdout.write(`${headline(about, "device cpu", "1 kernel thread")}\n\n${table}\n`);
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ about, plan, ...out }, null, 2)}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The last line of what the script prints; its progress goes to stderr. */
async function run(python: string, tokenizer: string, plan: object): Promise<string> {
  const script = "decode_engines.py";
  const args = ["cpu", "1", tokenizer, JSON.stringify(plan)];
  const child = spawn(python, [fileURLToPath(new URL(script, import.meta.url)), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      PYTHONPATH: join(root, "py"),
      HF_HUB_OFFLINE: "1",
      OMP_NUM_THREADS: "1",
      MKL_NUM_THREADS: "1",
    },
  });
  let text = "";
  child.stdout.on("data", (data: Buffer) => {
    text += data.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  const last = text.trim().split("\n").at(-1);
  if (code !== 0 || last === undefined) throw new Error(`${script} ended with ${code}; its last words are above`);
  return last;
}

await main();
