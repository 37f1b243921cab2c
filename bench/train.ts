// What training costs: real tokens/s, share of the device's matrix rate and peak memory of our loop (the worker's own code
// in one process) against the published recipe (HF Trainer, float32, gradient checkpointing, padding to the longest of the
// batch). Same data, rows, model and initial weights; the two in turn inside each round. On a CPU a second is one of the
// process's CPU time (one thread), because the cores are shared; on a GPU it is one of the clock.
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseConfig } from "../src/config/load.ts";
import type { ArmSettings } from "../src/config/schema.ts";
import { trainExamples } from "../src/data/make.ts";
import { median } from "../src/lib/stats.ts";
import type { ModelSpec } from "../src/protocol/primitives.ts";
import { findPython } from "../src/setup/environment.ts";
import { writeJsonl } from "../src/store/shards.ts";
import { findFormat } from "../src/trace/registry.ts";
import { tokenizerConfigJson, tokenizerJson } from "../src/trace/tokenizer.ts";
import { microBatches, packs } from "../src/train/microBatches.ts";
import { rowsOfStep } from "../src/train/schedule.ts";
import { type Opened, type Side, type Stepped, startSide } from "./trainSides.ts";

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
    microTokens: undefined,
    steps: [16, 16],
    rounds: 7,
  },
  "135M": {
    shape: { layers: 30, width: 576, heads: 9, keyValueHeads: 3, mlp: 1536, vocabulary: 49_152 },
    batch: [16, 16],
    microTokens: undefined,
    steps: [1, 1],
    rounds: 3,
  },
};
const llama = { heads: 32, keyValueHeads: 8, mlp: 8192, vocabulary: 128_257 };
/** Written for a GPU, where our side packs and computes in bf16; never run there yet. */
const onGpu: Record<string, Sizes> = {
  "1B": {
    shape: { ...llama, layers: 16, width: 2048 },
    batch: [384, 16],
    microTokens: 16_384,
    steps: [8, 40],
    rounds: 5,
  },
  "3B": {
    shape: { ...llama, layers: 28, width: 3072, heads: 24 },
    batch: [384, 16],
    microTokens: 16_384,
    steps: [4, 20],
    rounds: 3,
  },
};
/** Dense matrix rates of data sheets, bf16, FLOP/s; other devices are measured. */
const sheets: readonly (readonly [RegExp, number])[] = [
  [/H200|H100/, 989e12],
  [/A100/, 312e12],
];

interface Round {
  readonly ours: Stepped & { readonly tokens: number };
  readonly recipe: Stepped & { readonly tokens: number };
}
interface Outcome {
  readonly case: string;
  readonly info: Opened["info"];
  readonly packed: boolean;
  readonly rate: { readonly flops: number; readonly from: string };
  /** FLOPs of the model per real token (6N + attention), ours and the recipe's rows. */
  readonly flopsPerToken: number;
  readonly rounds: readonly Round[];
  /** Largest relative difference of the two methods' losses, where both did the same steps. */
  readonly lossDifference: number | undefined;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { gpu: { type: "boolean" }, json: { type: "string" }, rounds: { type: "string" }, only: { type: "string" } },
  });
  const found = findPython(process.env, root);
  if (found === undefined) throw new Error("bench:train needs .venv or BACKTRAIL_PYTHON");
  const gpu = values.gpu === true;
  const host = { python: found.python, device: gpu ? "cuda:0" : "cpu", threads: gpu ? 0 : 1 };
  const folder = await mkdtemp(join(tmpdir(), "backtrail-bench-"));
  try {
    const data = await prepare(folder);
    const outcomes: Outcome[] = [];
    let versions: Opened["versions"] = {};
    for (const [name, sizes] of Object.entries(gpu ? onGpu : onCpu)) {
      if (values.only !== undefined && values.only !== name) continue;
      const measured = await measure(name, { ...sizes, rounds: Number(values.rounds ?? sizes.rounds) }, host, data);
      outcomes.push(measured.outcome);
      versions = measured.versions;
    }
    const about = machine(versions, host);
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

function specOf(shape: Shape, data: Data, dtype: ModelSpec["dtype"]): ModelSpec {
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
  return { version: "bench", source, dtype, addTokens: [data.backtrack], reservedTokens: {} };
}

type Host = { readonly python: string; readonly device: string; readonly threads: number };

async function measure(name: string, sizes: Sizes, host: Host, data: Data) {
  const ours = startSide("train_direct.py", host);
  const recipe = startSide("train_reference.py", host);
  try {
    return await measureSides(name, sizes, host, data, ours, recipe);
  } finally {
    await Promise.all([ours.close(), recipe.close()]);
  }
}

/** One step of each that does not count, then `rounds` that do. */
async function measureSides(name: string, sizes: Sizes, host: Host, data: Data, ours: Side, recipe: Side) {
  const dtype = host.device === "cpu" ? "float32" : "bfloat16";
  const model = specOf(sizes.shape, data, dtype);
  const dataset = { dataset: "train", shards: data.shards, maxTokens: 128, overlong: "refuse" };
  const opened = await ours.ask<Opened>({ do: "open", load: { model, optimizer: { kind: "adamw" } }, dataset });
  const { info, lengths, trained } = opened;
  const [ourBatch, theirBatch] = sizes.batch;
  const rowsAt = (step: number, batch: number) => rowsOfStep(seed, step, batch, examples);
  const theirSteps = 1 + sizes.rounds * sizes.steps[1];
  const rows = Array.from({ length: theirSteps }, (_, index) => [...rowsAt(index + 1, theirBatch)]);
  await recipe.ask({ do: "open", load: { model: { ...model, dtype: "float32" } }, dataset, rows, adam });
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
  const runRecipe = async (from: number, count: number) => {
    const answer = await recipe.ask<Stepped>({ do: "steps", count });
    return { ...answer, tokens: rows.slice(from - 1, from - 1 + count).reduce((total, step) => total + sum(step, lengths), 0) };
  };
  const first = { ours: await runOurs(1, 1), recipe: await runRecipe(1, 1) };
  const rounds: Round[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    const one = () => runOurs(2 + round * sizes.steps[0], sizes.steps[0]);
    const other = () => runRecipe(2 + round * sizes.steps[1], sizes.steps[1]);
    // Each goes first every other time.
    const pair = round % 2 === 0 ? { ours: await one(), recipe: await other() } : await reversed(one, other);
    rounds.push(pair);
    const [a, b] = [pair.ours, pair.recipe].map(
      ({ seconds, cpuSeconds }) => `${seconds.toFixed(1)} s (CPU ${cpuSeconds.toFixed(1)})`,
    );
    process.stderr.write(`${name}, round ${round + 1}: ${a} and ${b}\n`);
  }
  const sheet = sheets.find(([device]) => device.test(info.device));
  const rate = sheet ? { flops: sheet[1], from: "data sheet" } : { flops: opened.matrixRate, from: "measured matrix product" };
  const flopsPerToken = flopsOf(info.parameters, sizes.shape, lengths);
  const lossDifference = ourBatch === theirBatch ? worst([first, ...rounds]) : undefined;
  const outcome: Outcome = { case: name, info, packed, rate, flopsPerToken, rounds, lossDifference };
  return { outcome, versions: opened.versions };
}

async function reversed<A, B>(ours: () => Promise<A>, recipe: () => Promise<B>): Promise<{ ours: A; recipe: B }> {
  const done = await recipe();
  return { ours: await ours(), recipe: done };
}

/** 6 FLOPs for each parameter and token, and attention: 6 x layers x width x length for a causal row (forward and backward). */
function flopsOf(parameters: number, shape: Shape, lengths: readonly number[]): number {
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const pairs = lengths.reduce((sum, length) => sum + length * length, 0);
  return 6 * parameters + (6 * shape.layers * shape.width * pairs) / tokens;
}

function worst(rounds: readonly { readonly ours: Stepped; readonly recipe: Stepped }[]): number {
  const differences = rounds.flatMap(({ ours, recipe }) =>
    ours.losses.map((loss, index) => Math.abs(loss / (recipe.losses[index] ?? Number.NaN) - 1)),
  );
  return Math.max(...differences);
}

function machine(versions: Opened["versions"], host: Host) {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  const list = cpus();
  return {
    cpu: list[0]?.model.trim() ?? "unknown",
    cores: list.length,
    device: host.device,
    threads: host.threads,
    node: process.version,
    versions,
    commit: `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "--", "src", "py", "bench") === "" ? "" : " with local changes"}`,
    date: new Date().toISOString().slice(0, 10),
  };
}

const spread = (values: readonly number[], show: (value: number) => string) =>
  `${show(median(values))} (${show(Math.min(...values))}..${show(Math.max(...values))})`;

/** A Markdown table: medians over rounds with their range; the ratio is the median of the ratios of each round's pair. */
function render(about: ReturnType<typeof machine>, outcomes: readonly Outcome[]): string {
  const onCpuTime = about.device === "cpu";
  const rateOf = (one: Stepped & { tokens: number }) => one.tokens / (onCpuTime ? one.cpuSeconds : one.seconds);
  const unit = `real tokens/${onCpuTime ? "CPU-" : ""}s`;
  const lines = outcomes.map(({ case: name, rounds, info, packed, rate, flopsPerToken, lossDifference }) => {
    const [ours, recipe] = [rounds.map((pair) => rateOf(pair.ours)), rounds.map((pair) => rateOf(pair.recipe))];
    const share = (rates: readonly number[]) => `${((100 * median(rates) * flopsPerToken) / rate.flops).toFixed(1)}%`;
    const peak = (side: "ours" | "recipe") =>
      `${(Math.max(...rounds.map((pair) => pair[side].peakBytes)) / 2 ** 30).toFixed(2)}`;
    const ratios = rounds.map((pair) => rateOf(pair.ours) / rateOf(pair.recipe));
    const cells = [
      `${name}, ${(info.parameters / 1e6).toFixed(1)}M, ${info.dtype}${packed ? ", packed" : ""}`,
      spread(ours, (value) => value.toFixed(0)),
      spread(recipe, (value) => value.toFixed(0)),
      spread(ratios, (value) => `${value.toFixed(2)}x`),
      `${share(ours)} / ${share(recipe)}`,
      `${(rate.flops / 1e12).toFixed(3)} (${rate.from})`,
      `${peak("ours")} / ${peak("recipe")}`,
      lossDifference === undefined ? "other batch" : lossDifference.toExponential(1),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const named = ["python", "torch", "transformers"].map((key) => `${key} ${about.versions[key] ?? "?"}`);
  return [
    `${about.cpu}, ${about.cores} cores; device ${about.device}, ${about.threads || "default"} kernel threads; node ${about.node}, ${named.join(", ")}; commit ${about.commit}, ${about.date}; ${outcomes.map(({ case: name, rounds }) => `${name}: ${rounds.length} rounds`).join(", ")}.`,
    "",
    `| case | ours, ${unit} | recipe, ${unit} | ours / recipe, per pair | MFU (6N + attention), ours / recipe | device TFLOP/s | peak memory GiB, ours / recipe | losses differ by |`,
    "|---|---|---|---|---|---|---|---|",
    ...lines,
    "",
  ].join("\n");
}

await main();
