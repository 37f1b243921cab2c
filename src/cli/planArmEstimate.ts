// What one arm will need: its settings, a few drawn examples and the model's config, put through plan/estimate.ts.

import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ArmSettings, PolicySettings } from "../config/schema.ts";
import { testCount } from "../config/testSizes.ts";
import { recipeFor } from "../data/recipe.ts";
import { defaultNewTokens } from "../decode/policies.ts";
import { UserError } from "../lib/errors.ts";
import { canonicalJson, type Json } from "../lib/hash.ts";
import {
  aboutTokens,
  type Compute,
  type DecodeMemory,
  decodeMemory,
  decodeWork,
  deviceRate,
  expectedCompletions,
  type TrainMemory,
  type TrainWork,
  trainDisk,
  trainMemory,
  trainWork,
  usualExampleBytes,
  usualSlots,
} from "../plan/estimate.ts";
import { knownConfig } from "../plan/estimateKnown.ts";
import { type ModelShape, modelShape } from "../plan/estimateModel.ts";
import { architectureConfig } from "../run/modelSpec.ts";
import { findFormat } from "../trace/registry.ts";
import { countTokens } from "../trace/tokenCount.ts";
import { tokenList } from "../trace/tokenizer.ts";
import { stepsOf } from "../train/schedule.ts";

/** Work with the time that a device is assumed to take for it; no time for a device of which nothing is known. */
interface TimedWork extends TrainWork {
  readonly seconds?: number;
  readonly assumption?: string;
}

export interface ArmEstimate {
  readonly parameters: number;
  /** Bytes of an example in a shard. */
  readonly exampleBytes: number;
  readonly decode: DecodeMemory & {
    readonly slots: number;
    /** With a single row: the least with which decoding can go on. */
    readonly least: number;
    /** By policy. */
    readonly work: Readonly<Record<string, TimedWork>>;
  };
  readonly train?: TimedWork & {
    readonly memory: TrainMemory;
    /** Ranks that each keep a share of the optimizer's state, if DeepSpeed works there. */
    readonly shards: number;
    /** With one example at a time: the least with which a step can be made, after running out of memory. */
    readonly least: number;
    readonly microTokens: number;
    readonly meanTokens: number;
    /** Whether meanTokens was counted on drawn examples; else it is the bound train.maxTokens. */
    readonly counted: boolean;
    readonly disk: { readonly left: number; readonly peak: number };
  };
}

export interface EstimatePlace {
  readonly cwd: string;
  readonly device: string;
  readonly dtype: Compute;
  readonly threads: number;
  /** Processes of one worker that train together; default 1. */
  readonly ranks?: number;
  /** Whether the ranks share out the optimizer's state. */
  readonly sharded?: boolean;
}

/** Lengths of drawn examples. */
interface Drawn {
  readonly tokens: number;
  readonly longest: number;
  readonly responseTokens: number;
  readonly bytes: number;
}

/** Drawn to learn how long examples are. */
const examplesDrawn = 48;

/** Estimates the arms of one sweep; arms of the same puzzle and data share their drawn examples. */
export class ArmEstimator {
  readonly #place: EstimatePlace;
  readonly #drawn = new Map<string, Drawn | undefined>();

  constructor(place: EstimatePlace) {
    this.#place = place;
  }

  /** Undefined for a model whose shape cannot be told from here: one of another family, or one that has to be fetched first. */
  async estimate(settings: ArmSettings): Promise<ArmEstimate | undefined> {
    const { model, data, train } = settings;
    const { cwd, device, dtype } = this.#place;
    const vocabulary = findFormat(settings.puzzle.kind, data.train.format).vocabulary;
    const isScratch = "architecture" in model;
    const shape = isScratch
      ? modelShape(architectureConfig(model), tokenList(vocabulary).length)
      : await publishedShape(model.from, cwd);
    if (shape === undefined) return undefined;
    const drawn = this.#lengths(settings, isScratch, (text) =>
      isScratch ? 1 + countTokens(vocabulary, text) : 1 + aboutTokens(text),
    );
    const compute = model.dtype === "auto" ? dtype : model.dtype;
    const slots = usualSlots(device);
    const tokens = Math.min(shape.context, Math.max(defaultNewTokens, train?.maxTokens ?? 0) + 64);
    const memory = (rows: number) => decodeMemory(shape, { compute, slots: rows, tokens });
    const policies = Object.entries(settings.decode).map(
      ([name, policy]) => [name, this.#decodeWork(shape, settings, policy, compute, drawn)] as const,
    );
    const decode = { ...memory(slots), slots, least: memory(1).total, work: Object.fromEntries(policies) };
    const common = { parameters: shape.parameters, exampleBytes: drawn?.bytes ?? usualExampleBytes, decode };
    return train === undefined ? common : { ...common, train: this.#train(shape, settings, train, compute, drawn) };
  }

  #train(
    shape: ModelShape,
    { data }: ArmSettings,
    train: NonNullable<ArmSettings["train"]>,
    compute: Compute,
    drawn: Drawn | undefined,
  ): NonNullable<ArmEstimate["train"]> {
    const { ranks = 1, sharded = false } = this.#place;
    const meanTokens = Math.min(drawn?.tokens ?? train.maxTokens, train.maxTokens);
    const longest = Math.min(drawn?.longest ?? train.maxTokens, train.maxTokens);
    const perRank = Math.ceil(train.batch.examples / ranks);
    const { microBatch = perRank, microTokens: bound = Number.POSITIVE_INFINITY } = train.batch;
    const microTokens = Math.min(bound, Math.min(microBatch, perRank) * longest);
    const examples = train.steps === undefined ? train.epochs * data.train.size : train.steps * train.batch.examples;
    const shards = sharded ? ranks : 1;
    const memory = (atOnce: number) =>
      trainMemory(shape, {
        compute,
        microTokens: atOnce,
        checkpointing: train.gradientCheckpointing,
        loraRank: train.lora?.rank,
        shards,
      });
    const work = this.#timed(trainWork(shape, { examples, meanTokens }), compute, "train");
    const least = memory(Math.min(longest, microTokens)).total;
    const saves = Math.floor(stepsOf(train, data.train.size) / train.checkpointEvery);
    const disk = trainDisk(shape, { saves, loraRank: train.lora?.rank });
    const counted = drawn !== undefined;
    return { ...work, memory: memory(microTokens), shards, least, microTokens, meanTokens, counted, disk };
  }

  #decodeWork(
    shape: ModelShape,
    { puzzle, data: { test } }: ArmSettings,
    policy: PolicySettings,
    compute: Compute,
    drawn: Drawn | undefined,
  ): TimedWork {
    const problems = testCount(puzzle, test);
    const most = policy.maxNewTokens ?? defaultNewTokens;
    const meanTokens = Math.min(drawn?.responseTokens ?? most, most);
    const completions = problems * expectedCompletions(policy);
    const work = decodeWork(shape, { completions, meanTokens, sequence: drawn?.tokens ?? most });
    return this.#timed(work, compute, "decode");
  }

  #timed(work: TrainWork, compute: Compute, use: "train" | "decode"): TimedWork {
    const rate = deviceRate(this.#place.device, compute, Math.max(1, this.#place.threads), use);
    if (rate === undefined) return work;
    const ranks = use === "train" ? (this.#place.ranks ?? 1) : 1;
    return { ...work, seconds: work.flops / rate.rate / ranks, assumption: rate.assumption };
  }

  /** Neither the seed nor the size of a set changes how long its examples are. */
  #lengths(settings: ArmSettings, isScratch: boolean, tokensOf: (text: string) => number): Drawn | undefined {
    const { size: _, ...data } = settings.data.train;
    const name = canonicalJson(plain({ isScratch, puzzle: settings.puzzle, data }));
    if (!this.#drawn.has(name)) this.#drawn.set(name, drawnLengths(settings, tokensOf));
    return this.#drawn.get(name);
  }
}

function plain(value: object): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}

async function publishedShape(from: string, cwd: string): Promise<ModelShape | undefined> {
  const text = await readFile(join(resolve(cwd, from), "config.json"), "utf8").catch(() => undefined);
  const config = text === undefined ? knownConfig(from) : (JSON.parse(text) as Record<string, Json>);
  return config === undefined ? undefined : modelShape(config);
}

/** Of some examples, spread over the draws; undefined where the recipe needs what is not there yet. */
function drawnLengths({ puzzle, data, seed }: ArmSettings, tokensOf: (text: string) => number): Drawn | undefined {
  try {
    const recipe = recipeFor({ puzzle, train: data.train, seed });
    const step = Math.max(1, Math.floor(recipe.size / examplesDrawn));
    const examples = Array.from({ length: Math.min(examplesDrawn, recipe.size) }, (_, index) => recipe.make(index * step));
    const found = examples.filter((example) => example !== undefined);
    if (found.length === 0) return undefined;
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const tokens = found.map(({ prompt, response }) => tokensOf(prompt + response));
    const bytes = mean(found.map((example) => JSON.stringify(example).length + 1));
    const responseTokens = mean(found.map(({ response }) => tokensOf(response)));
    return { tokens: mean(tokens), longest: Math.max(...tokens), responseTokens, bytes };
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
