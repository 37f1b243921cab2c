// What each arm of a sweep will need: the settings, a few drawn examples and the model's config, put through plan/estimate.ts.
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ArmSettings } from "../config/schema.ts";
import { recipeFor } from "../data/recipe.ts";
import { UserError } from "../lib/errors.ts";
import type { Json } from "../lib/hash.ts";
import {
  aboutTokens,
  type Compute,
  type DecodeMemory,
  decodeMemory,
  deviceRate,
  diskBytes,
  type TrainMemory,
  trainMemory,
  trainWork,
  usualSlots,
} from "../plan/estimate.ts";
import { knownConfig } from "../plan/estimateKnown.ts";
import { type ModelShape, modelShape } from "../plan/estimateModel.ts";
import { architectureConfig } from "../run/modelSpec.ts";
import { formatDuration } from "../run/progress.ts";
import { findFormat } from "../trace/registry.ts";
import { countTokens } from "../trace/tokenCount.ts";
import { tokenList } from "../trace/tokenizer.ts";

export interface ArmEstimate {
  readonly parameters: number;
  readonly decode: DecodeMemory & { readonly slots: number };
  readonly train?: {
    readonly memory: TrainMemory;
    readonly microTokens: number;
    readonly meanTokens: number;
    /** Whether meanTokens was counted on drawn examples; else it is the bound train.maxTokens. */
    readonly counted: boolean;
    readonly tokens: number;
    readonly flops: number;
    readonly seconds?: number;
    readonly assumption?: string;
    readonly diskBytes: number;
  };
}

export interface EstimatePlace {
  readonly cwd: string;
  readonly device: string;
  readonly dtype: Compute;
  readonly threads: number;
}

/** Drawn to learn how long examples are. */
const examplesDrawn = 48;
/** Bytes of an example where none could be drawn. */
const usualExampleBytes = 500;

/** Undefined for a model whose shape cannot be told from here: one of another family, or one that has to be fetched first. */
export async function estimateArm(settings: ArmSettings, place: EstimatePlace): Promise<ArmEstimate | undefined> {
  const { model, train, data } = settings;
  const vocabulary = findFormat(settings.puzzle.kind, data.train.format).vocabulary;
  const isScratch = "architecture" in model;
  const shape = isScratch
    ? modelShape(architectureConfig(model), tokenList(vocabulary).length)
    : await publishedShape(model.from, place.cwd);
  if (shape === undefined) return undefined;
  const compute = model.dtype === "auto" ? place.dtype : model.dtype;
  const slots = usualSlots(place.device);
  const longest = Math.min(shape.context, Math.max(128, train?.maxTokens ?? 0) + 64);
  const decode = { ...decodeMemory(shape, { compute, slots, tokens: longest }), slots };
  if (train === undefined) return { parameters: shape.parameters, decode };
  const drawn = drawnLengths(settings, (text) => (isScratch ? 1 + countTokens(vocabulary, text) : 1 + aboutTokens(text)));
  const meanTokens = Math.min(drawn?.tokens ?? train.maxTokens, train.maxTokens);
  const { examples: perStep, microBatch = perStep, microTokens: bound = Number.POSITIVE_INFINITY } = train.batch;
  const microTokens = Math.min(bound, microBatch * Math.min(drawn?.longest ?? train.maxTokens, train.maxTokens));
  const examples = train.steps === undefined ? train.epochs * data.train.size : train.steps * perStep;
  const work = trainWork(shape, { examples, meanTokens });
  const rate = deviceRate(place.device, compute, Math.max(1, place.threads));
  const time = rate === undefined ? {} : { seconds: work.flops / rate.rate, assumption: rate.assumption };
  const memory = trainMemory(shape, { compute, microTokens, checkpointing: train.gradientCheckpointing });
  const disk = diskBytes(shape, { examples: data.train.size, exampleBytes: drawn?.bytes ?? usualExampleBytes });
  const counted = drawn !== undefined;
  return {
    parameters: shape.parameters,
    decode,
    train: { memory, microTokens, meanTokens, counted, ...work, ...time, diskBytes: disk },
  };
}

async function publishedShape(from: string, cwd: string): Promise<ModelShape | undefined> {
  const text = await readFile(join(resolve(cwd, from), "config.json"), "utf8").catch(() => undefined);
  const config = text === undefined ? knownConfig(from) : (JSON.parse(text) as Record<string, Json>);
  return config === undefined ? undefined : modelShape(config);
}

/** Mean and largest tokens, and mean bytes, of some examples, spread over the draws; undefined where the recipe needs what is not there yet. */
function drawnLengths(
  { puzzle, data, seed }: ArmSettings,
  tokensOf: (text: string) => number,
): { readonly tokens: number; readonly longest: number; readonly bytes: number } | undefined {
  try {
    const recipe = recipeFor({ puzzle, train: data.train, seed });
    const step = Math.max(1, Math.floor(recipe.size / examplesDrawn));
    const examples = Array.from({ length: Math.min(examplesDrawn, recipe.size) }, (_, index) => recipe.make(index * step));
    const found = examples.filter((example) => example !== undefined);
    if (found.length === 0) return undefined;
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const tokens = found.map(({ prompt, response }) => tokensOf(prompt + response));
    const bytes = mean(found.map((example) => JSON.stringify(example).length + 1));
    return { tokens: mean(tokens), longest: Math.max(...tokens), bytes };
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** One line for an arm. */
export function estimateLine(name: string, estimate: ArmEstimate | undefined, device: string): string {
  if (estimate === undefined)
    return `arm ${name}: memory unknown until the model is here (\`backtrail model show\` fetches its config)\n`;
  const { decode, train, parameters } = estimate;
  const decoding = `decoding about ${gib(decode.total)} (${decode.slots} rows: weights ${gib(decode.weights)}, cache ${gib(decode.cache)})`;
  const model = `${big(parameters)} parameters`;
  if (train === undefined) return `arm ${name}: ${model}; ${decoding}\n`;
  const { memory } = train;
  const states = memory.weights + memory.gradients + memory.optimizer;
  const training = `training about ${gib(memory.total)} (weights, gradients, Adam ${gib(states)}; activations ${gib(memory.activations)} for ${Math.round(train.microTokens)} tokens at once; logits ${gib(memory.logits)})`;
  const length = `${train.meanTokens.toFixed(0)} an example${train.counted ? "" : ", the most there can be"}`;
  const time =
    train.seconds === undefined
      ? `time unknown: no rate is known for ${device}`
      : `about ${formatDuration(train.seconds)} on ${device} (assumed ${train.assumption})`;
  return `arm ${name}: ${model}; ${training}; ${decoding}; ${big(train.tokens)} tokens (${length}), ${train.flops.toExponential(1)} FLOP, ${time}; disk about ${gib(train.diskBytes)}\n`;
}

function gib(bytes: number): string {
  return bytes < 2 ** 30 ? `${Math.max(1, Math.round(bytes / 2 ** 20))} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function big(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(2)}B`;
  return count >= 1e6 ? `${(count / 1e6).toFixed(1)}M` : `${Math.round(count / 1e3)}k`;
}
