// What a training or a decoding will need, before anything is loaded: memory, tokens, time, disk. Pure arithmetic on a model's
// shape; every assumption is a named constant here. Estimates, not promises: the allocator's own waste is not in them.
import type { PolicySettings } from "../config/schema.ts";
import {
  adapterParameters,
  cacheBytesPerToken,
  decodeFlopsPerToken,
  type ModelShape,
  trainFlopsPerToken,
} from "./estimateModel.ts";

export type Compute = "float32" | "bfloat16";

/** Bytes, part by part. */
export interface TrainMemory {
  readonly weights: number;
  readonly gradients: number;
  readonly optimizer: number;
  /** Copies of the weights in the compute type, kept from the forward to the backward pass. */
  readonly casts: number;
  readonly activations: number;
  readonly logits: number;
  readonly total: number;
}

/**
 * Bytes that one token of one layer keeps for the backward pass: per element of the width, of the queries, of keys or values,
 * and of the feed-forward width. Measured with saved-tensor hooks on transformers 5.18 with SDPA (test/plan/estimate.test.ts).
 */
const kept: Readonly<Record<string, Readonly<Record<Compute, readonly [number, number, number, number]>>>> = {
  gated: { float32: [24, 8, 8, 16], bfloat16: [26, 4, 4, 8] },
  gpt_neox: { float32: [40, 0, 0, 8], bfloat16: [22, 0, 0, 4] },
  gpt2: { float32: [32, 0, 0, 20], bfloat16: [20, 0, 0, 10] },
};

/**
 * Logits are made for so many elements at a time, in float32, and about three times that is held (py train/head.py). The worker
 * goes by the device; bfloat16 stands for a GPU here.
 */
const logitsAtOnce: Readonly<Record<Compute, number>> = { float32: 2 ** 26, bfloat16: 2 ** 28 };
const logitCopies = 3;
/** Sampling holds so many bytes per row and word (py decode/slots.py). */
const samplerBytes = 24;

const elementBytes = (compute: Compute) => (compute === "float32" ? 4 : 2);

/** Bytes that `tokens` tokens keep between forward and backward pass. */
function activationBytes(shape: ModelShape, compute: Compute, tokens: number, checkpointing: boolean): number {
  const [width, query, keyValue, mlp] = (kept[shape.family] ?? kept.gated)?.[compute] ?? [0, 0, 0, 0];
  const layer =
    width * shape.width +
    query * shape.heads * shape.headWidth +
    keyValue * shape.keyValueHeads * shape.headWidth +
    mlp * shape.mlp;
  // With checkpointing each layer keeps its input, in float32, and one layer at a time all of it.
  const lastNorm = 8 * shape.width;
  return tokens * (lastNorm + (checkpointing ? shape.layers * 4 * shape.width + layer : shape.layers * layer));
}

/**
 * Memory of one device that trains with fp32 masters and AdamW. `microTokens`: tokens of one forward pass, padding included.
 * `loraRank`: of adapters, where they alone are trained. `shards`: ranks that each keep a share of the optimizer's state.
 */
export function trainMemory(
  shape: ModelShape,
  options: {
    readonly compute: Compute;
    readonly microTokens: number;
    readonly checkpointing: boolean;
    readonly loraRank?: number | undefined;
    readonly shards?: number;
  },
): TrainMemory {
  const { compute, microTokens, checkpointing, loraRank, shards = 1 } = options;
  const adapters = loraRank === undefined ? 0 : adapterParameters(shape, loraRank);
  const count = shape.parameters + adapters;
  const trained = loraRank === undefined ? count : adapters;
  const parts = {
    weights: 4 * count,
    gradients: 4 * trained,
    optimizer: (8 * trained) / shards,
    casts: compute === "bfloat16" ? 2 * count : 0,
    activations: activationBytes(shape, compute, microTokens, checkpointing),
    logits: 4 * logitCopies * Math.min(logitsAtOnce[compute], microTokens * shape.vocabulary),
  };
  return { ...parts, total: Object.values(parts).reduce((sum, part) => sum + part, 0) };
}

export interface DecodeMemory {
  readonly weights: number;
  readonly cache: number;
  readonly sampler: number;
  readonly total: number;
}

/** Memory of decoding `slots` rows of at most `tokens` tokens. */
export function decodeMemory(
  shape: ModelShape,
  options: { readonly compute: Compute; readonly slots: number; readonly tokens: number },
): DecodeMemory {
  const bytes = elementBytes(options.compute);
  const weights = bytes * shape.parameters;
  const cache = options.slots * options.tokens * cacheBytesPerToken(shape, bytes);
  const sampler = options.slots * shape.vocabulary * samplerBytes;
  return { weights, cache, sampler, total: weights + cache + sampler };
}

/** Rows that the worker decodes at a time when it has the memory (py decode/slots.py). */
export function usualSlots(device: string): number {
  return device === "cpu" ? 192 : 512;
}

export interface TrainWork {
  readonly tokens: number;
  readonly flops: number;
}

/** Tokens and operations of a training: examples x mean length. */
export function trainWork(shape: ModelShape, options: { readonly examples: number; readonly meanTokens: number }): TrainWork {
  const tokens = options.examples * options.meanTokens;
  return { tokens, flops: tokens * trainFlopsPerToken(shape, options.meanTokens) };
}

/**
 * Tokens and operations of a decoding: completions x the tokens that each writes, at a text length of `sequence`. Prompts
 * are not counted: they are short, and shared by the completions of a problem.
 */
export function decodeWork(
  shape: ModelShape,
  options: { readonly completions: number; readonly meanTokens: number; readonly sequence: number },
): TrainWork {
  const tokens = options.completions * options.meanTokens;
  return { tokens, flops: tokens * decodeFlopsPerToken(shape, options.sequence) };
}

export interface DeviceRate {
  /** Operations per second that the work is assumed to reach. */
  readonly rate: number;
  /** How that was arrived at, for the user. */
  readonly assumption: string;
}

/** Dense matrix rates in TFLOP/s of bfloat16 as large multiplications really reach them; float32 at an eighth. */
const gpus: readonly (readonly [RegExp, number])[] = [
  [/\bB[23]00\b/, 1500],
  [/\bH[12]00\b|GH200/, 780],
  [/\bA100\b|A800/, 270],
  [/\bL40S?\b/, 180],
  [/RTX 5090/, 190],
  [/RTX 4090/, 150],
];
/**
 * Share of the matrix rate that is reached (model FLOPs utilisation). Decoding on a CPU: the quickstart, 18,000 tokens a second
 * of each worker, on 2026-11-21; decoding on a GPU is bound by memory and launches: a guess, until it is measured.
 */
const utilisation = { train: { gpu: 0.5, cpu: 0.3 }, decode: { gpu: 0.05, cpu: 0.2 } } as const;
/** One core with AVX-512 or AVX2, float32. */
const coreRate = 0.1;

/** What a device is assumed to do, or undefined for one that is not known here. `threads`: CPU threads of one worker. */
export function deviceRate(
  device: string,
  compute: Compute,
  threads: number,
  use: keyof typeof utilisation = "train",
): DeviceRate | undefined {
  const share = utilisation[use];
  if (device === "cpu") {
    const peak = coreRate * threads;
    const assumption = `${Math.round(100 * share.cpu)}% of ${peak.toFixed(1)} TFLOP/s, ${threads} thread${threads === 1 ? "" : "s"}`;
    return { rate: share.cpu * peak * 1e12, assumption };
  }
  const found = gpus.find(([name]) => name.test(device));
  if (found === undefined) return undefined;
  const peak = compute === "bfloat16" ? found[1] : found[1] / 8;
  return { rate: share.gpu * peak * 1e12, assumption: `${Math.round(100 * share.gpu)}% of ${peak} TFLOP/s` };
}

/** Checkpoints for resume that a training keeps (store/trainJournal.ts); the next one is whole before the oldest goes. */
const keptCheckpoints = 2;

/**
 * Bytes on disk of a training. `left`: the final checkpoint in float32. `peak`: while it trains, with its checkpoints for
 * resume, each of all weights and the Adam moments of those that are trained. `saves`: checkpoints that it makes on its way.
 */
export function trainDisk(
  shape: ModelShape,
  options: { readonly saves: number; readonly loraRank?: number | undefined },
): { readonly left: number; readonly peak: number } {
  const trained = options.loraRank === undefined ? shape.parameters : adapterParameters(shape, options.loraRank);
  const left = 4 * shape.parameters;
  const resume = left + 8 * trained;
  // An interrupt saves one too.
  const saves = Math.max(1, options.saves);
  const saving = Math.min(keptCheckpoints + 1, saves) * resume;
  const ending = Math.min(keptCheckpoints, saves) * resume + left;
  return { left, peak: Math.max(saving, ending) };
}

/** Bytes of a test problem, of a verdict and of an example of unknown length, as JSON lines; the quickstart's. */
export const problemBytes = 180;
export const verdictBytes = 370;
export const usualExampleBytes = 500;

/** Bytes of an artefact of attempts: for each problem, each completion and, as text, each token. As the quickstart's. */
export function attemptsBytes(count: { readonly problems: number; readonly completions: number; readonly tokens: number }) {
  return 200 * count.problems + 110 * count.completions + 8 * count.tokens;
}

/**
 * Completions that a policy is expected to ask for, for one problem. A rollback round may expand up to sqrt(N) states; mostly
 * it finds about one that is new.
 */
export function expectedCompletions(policy: PolicySettings): number {
  if (policy.policy === "greedy") return 1;
  return policy.samples * (policy.policy === "self-backtrack" ? 1 + policy.rounds : 1);
}

const llamaSplit = /[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;

/** About as many tokens as a published byte-level tokenizer of Llama-3's kind makes of a text, BOS included. */
export function aboutTokens(text: string): number {
  return 1 + (text.replace(/<[a-z]+>/g, "~").match(llamaSplit)?.length ?? 0);
}
