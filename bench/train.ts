// What training costs: real tokens/s, share of the device's matrix rate and peak memory of our loop (the worker's own code
// in one process) against the published recipe: HF Trainer, float32, gradient checkpointing, and its padding (to the longest
// of the example's thousand, then to a multiple of 8); beside it the same with padding to the longest of the batch. Same
// data, rows, model and initial weights; all in turn inside each round. A second is one of the
// process's CPU time (one thread), because the cores are shared. bench/gpu.py measures both sides on a GPU.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseConfig } from "../src/config/load.ts";
import type { ArmSettings } from "../src/config/schema.ts";
import { trainExamples } from "../src/data/make.ts";
import type { ModelSpec } from "../src/protocol/primitives.ts";
import { findPython } from "../src/setup/environment.ts";
import { writeJsonl } from "../src/store/shards.ts";
import { findFormat } from "../src/trace/registry.ts";
import { tokenizerConfigJson, tokenizerJson } from "../src/trace/tokenizer.ts";
import { microBatches, packs } from "../src/train/microBatches.ts";
import { rowsOfStep } from "../src/train/schedule.ts";
import { machine } from "./machine.ts";
import { type Opened, type Side, type Stepped, startSide } from "./trainSides.ts";
import { type Method, methods, type Outcome, type Round, render, type Timed } from "./trainTable.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const examples = 8192;
const seed = 42;
const adam = { learningRate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, clipNorm: 1 };

interface Shape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly mlp: number;
  /** 0 = that of the data's own tokenizer. */
  readonly vocabulary: number;
}
interface Sizes {
  readonly shape: Shape;
  /** Examples of a step: ours, the recipe's. */
  readonly batch: readonly [number, number];
  readonly microTokens: number | undefined;
  /** Steps of a round: ours, the recipe's; and rounds. */
  readonly steps: readonly [number, number];
  readonly rounds: number;
}
const onCpu: Record<string, Sizes> = {
  tiny: {
    shape: { layers: 4, width: 256, heads: 4, keyValueHeads: 4, mlp: 704, vocabulary: 0 },
    batch: [16, 16],
    microTokens: 384,
    steps: [10, 10],
    rounds: 4,
  },
  "135M": {
    shape: { layers: 30, width: 576, heads: 9, keyValueHeads: 3, mlp: 1536, vocabulary: 49_152 },
    batch: [16, 16],
    microTokens: undefined,
    steps: [1, 1],
    rounds: 2,
  },
};

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: "string" }, rounds: { type: "string" }, only: { type: "string" } },
  });
  const found = findPython(process.env, root);
  if (found === undefined) throw new Error("bench:train needs .venv or BACKTRAIL_PYTHON");
  const host = { python: found.python, device: "cpu", threads: 1 };
  const folder = await mkdtemp(join(tmpdir(), "backtrail-bench-"));
  try {
    const data = await prepare(folder);
    const outcomes: Outcome[] = [];
    let versions: Opened["versions"] = {};
    for (const [name, sizes] of Object.entries(onCpu)) {
      if (values.only !== undefined && values.only !== name) continue;
      const measured = await measure(name, { ...sizes, rounds: Number(values.rounds ?? sizes.rounds) }, host, data);
      outcomes.push(measured.outcome);
      versions = measured.versions;
    }
    const about = { ...machine(versions), device: host.device, threads: host.threads };
    process.stdout.write(render(about, outcomes));
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ about, outcomes }, null, 2)}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Data {
  readonly tokenizer: string;
  readonly backtrack: string;
  readonly shards: readonly { readonly path: string; readonly sha256: string }[];
}

/** The quickstart's examples at the paper's four numbers, and the tokenizer of their format. */
async function prepare(folder: string): Promise<Data> {
  const set = [`data.train.size=${examples}`, "puzzle.numbers=4", "puzzle.operands=[1, 99]", "train.maxTokens=128"];
  const text = await readFile(join(root, "configs", "quickstart.yaml"), "utf8");
  const [arm] = parseConfig(text, "configs/quickstart.yaml", set).arms;
  if (arm === undefined) throw new Error("configs/quickstart.yaml has no arm");
  const { puzzle, data }: ArmSettings = arm.settings;
  const path = join(folder, "train-00000.jsonl");
  const { sha256 } = await writeJsonl(path, trainExamples({ puzzle, train: data.train }, seed));
  const { vocabulary, markers } = findFormat(puzzle.kind, data.train.format);
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizerJson(vocabulary)));
  await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(tokenizerConfigJson(vocabulary)));
  return { tokenizer: folder, backtrack: markers.backtrack ?? "", shards: [{ path, sha256 }] };
}

function specOf(shape: Shape, data: Data): ModelSpec {
  const config = {
    model_type: "llama",
    num_hidden_layers: shape.layers,
    hidden_size: shape.width,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.keyValueHeads,
    intermediate_size: shape.mlp,
    max_position_embeddings: 128,
    tie_word_embeddings: true,
    ...(shape.vocabulary > 0 ? { vocab_size: shape.vocabulary } : {}),
  };
  const source = { kind: "architecture" as const, config, tokenizer: data.tokenizer, seed };
  return { version: "bench", source, dtype: "float32", addTokens: [data.backtrack], reservedTokens: {} };
}

type Host = { readonly python: string; readonly device: string; readonly threads: number };

async function measure(name: string, sizes: Sizes, host: Host, data: Data) {
  const ours = startSide("train_direct.py", host);
  const [recipe, tight] = [startSide("train_reference.py", host), startSide("train_reference.py", host)];
  try {
    return await measureSides(name, sizes, data, { ours, recipe, tight });
  } finally {
    await Promise.all([ours.close(), recipe.close(), tight.close()]);
  }
}

/** One step of each that does not count, then `rounds` that do. */
async function measureSides(name: string, sizes: Sizes, data: Data, sides: Readonly<Record<Method, Side>>) {
  const { ours, recipe, tight } = sides;
  const model = specOf(sizes.shape, data);
  const dataset = { dataset: "train", shards: data.shards, maxTokens: 128, overlong: "refuse" };
  const opened = await ours.ask<Opened>({ do: "open", load: { model, optimizer: { kind: "adamw" } }, dataset });
  const { info, lengths, trained } = opened;
  const [ourBatch, theirBatch] = sizes.batch;
  const rowsAt = (step: number, batch: number) => rowsOfStep(seed, step, batch, examples);
  const theirSteps = 1 + sizes.rounds * sizes.steps[1];
  const rows = Array.from({ length: theirSteps }, (_, index) => [...rowsAt(index + 1, theirBatch)]);
  const published = publishedWidths(lengths);
  const open = { do: "open", load: { model }, dataset, rows, adam };
  await recipe.ask({ ...open, widths: published });
  await tight.ask({ ...open, widths: lengths });
  const packed = packs("auto", info);
  const sum = (list: Iterable<number>, of: readonly number[]) => [...list].reduce((total, row) => total + (of[row] ?? 0), 0);
  const stepAt = (step: number) => {
    const all = rowsAt(step, ourBatch);
    const limit = { rows: ourBatch, tokens: sizes.microTokens };
    const parts = microBatches(all, (row) => lengths[row] ?? 0, limit, packed).map((part) => [...part]);
    return { parts, weight: 1 / sum(all, trained), tokens: sum(all, lengths) };
  };
  const forward = { dataset: "train", loss: "cross_entropy", packed };
  const runOurs = async (from: number, count: number) => {
    const steps = Array.from({ length: count }, (_, index) => stepAt(from + index));
    const answer = await ours.ask<Stepped>({ do: "steps", steps, forward, adam });
    return { ...answer, tokens: steps.reduce((total, { tokens }) => total + tokens, 0) };
  };
  const runTheirs = async (side: Side, from: number, count: number) => {
    const answer = await side.ask<Stepped>({ do: "steps", count });
    return { ...answer, tokens: rows.slice(from - 1, from - 1 + count).reduce((total, step) => total + sum(step, lengths), 0) };
  };
  const run: Record<Method, (from: number, round: number) => Promise<Timed>> = {
    ours: (round, count) => runOurs(2 + round * count, count),
    recipe: (round, count) => runTheirs(recipe, 2 + round * count, count),
    tight: (round, count) => runTheirs(tight, 2 + round * count, count),
  };
  const first = { ours: await runOurs(1, 1), recipe: await runTheirs(recipe, 1, 1), tight: await runTheirs(tight, 1, 1) };
  const rounds: Round[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    const done: Partial<Record<Method, Timed>> = {};
    // Each goes first in its turn.
    for (let turn = 0; turn < methods.length; turn++) {
      const method = methods[(round + turn) % methods.length] as Method;
      done[method] = await run[method](round, sizes.steps[method === "ours" ? 0 : 1]);
    }
    const { ours: a, recipe: b, tight: c } = done as Round;
    rounds.push({ ours: a, recipe: b, tight: c });
    const times = [a, b, c].map(({ seconds, cpuSeconds }) => `${seconds.toFixed(1)} s (CPU ${cpuSeconds.toFixed(1)})`);
    process.stderr.write(`${name}, round ${round + 1}: ${times.join(", ")}\n`);
  }
  // Share of padding in what each method computes, over the first step's rows (ours: its parts).
  const padding: Record<Method, number> = {
    ours: packed ? 0 : 1 - first.ours.tokens / paddedTokens(stepAt(1).parts, lengths),
    recipe: 1 - first.recipe.tokens / paddedTokens([rows[0] ?? []], published),
    tight: 1 - first.tight.tokens / paddedTokens([rows[0] ?? []], lengths),
  };
  const rate = { flops: opened.matrixRate, from: "measured matrix product" };
  const flopsPerToken = flopsOf(info.parameters, sizes.shape, lengths);
  const lossDifference = ourBatch === theirBatch ? worst([first, ...rounds]) : undefined;
  const outcome: Outcome = { case: name, info, packed, rate, flopsPerToken, rounds, padding, lossDifference };
  return { outcome, versions: opened.versions };
}

/** Tokens of padded batches, when every row is at least so wide. */
function paddedTokens(parts: readonly (readonly number[])[], widths: readonly number[]): number {
  return parts.reduce((sum, part) => sum + part.length * Math.max(...part.map((row) => widths[row] ?? 0)), 0);
}

/** Of the published recipe: examples are tokenised by the thousand and padded to the longest, then to a multiple of 8. */
function publishedWidths(lengths: readonly number[]): number[] {
  const chunk = 1000;
  return lengths.map((_, row) => {
    const from = Math.floor(row / chunk) * chunk;
    return 8 * Math.ceil(Math.max(...lengths.slice(from, from + chunk)) / 8);
  });
}

/** 6 FLOPs for each parameter and token, and attention: 6 x layers x width x length for a causal row (forward and backward). */
function flopsOf(parameters: number, shape: Shape, lengths: readonly number[]): number {
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const pairs = lengths.reduce((sum, length) => sum + length * length, 0);
  return 6 * parameters + (6 * shape.layers * shape.width * pairs) / tokens;
}

function worst(rounds: readonly Round[]): number {
  const differences = rounds.flatMap(({ ours, recipe, tight }) =>
    [recipe, tight].flatMap((other) =>
      ours.losses.map((loss, index) => Math.abs(loss / (other.losses[index] ?? Number.NaN) - 1)),
    ),
  );
  return Math.max(...differences);
}

await main();
