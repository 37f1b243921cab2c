// The closed set of worker primitives: what goes in, what comes out. The Python twin is py/backtrail_worker/protocol.py;
// test/contract/ holds golden messages that both read. Numbers in bulk travel as raw frames named in `bins` (see
// messages.ts); the comments give their names, types and shapes. A worker never normalises and never learns what a puzzle is.
import { z } from "zod";

const count = z.number().int().nonnegative();
const positive = z.number().int().positive();

/** Where a model comes from. `path` is a directory in save_pretrained layout on the shared file system. */
export const modelSource = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("path"), path: z.string() }),
  z.strictObject({ kind: z.literal("hub"), id: z.string(), revision: z.string().optional() }),
  /** Random weights: `config` is a transformers config (`model_type` and its fields), `tokenizer` a directory with tokenizer.json. */
  z.strictObject({
    kind: z.literal("architecture"),
    config: z.record(z.string(), z.unknown()),
    tokenizer: z.string(),
    seed: count,
  }),
]);
export type ModelSource = z.infer<typeof modelSource>;

export const dtype = z.enum(["float32", "bfloat16"]);

/** How a model is to be loaded. Equal specs give equal weights; `version` is the digest under which free calls name them. */
export const modelSpec = z.strictObject({
  version: z.string(),
  source: modelSource,
  dtype,
  /** Tokens that must exist: a missing one gets a new row, unless `reservedTokens` names the token whose row it takes. */
  addTokens: z.array(z.string().min(1)),
  reservedTokens: z.record(z.string(), z.string()),
});
export type ModelSpec = z.infer<typeof modelSpec>;

export const modelInfo = z.strictObject({
  modelType: z.string(),
  parameters: count,
  vocabulary: positive,
  context: positive,
  endToken: count,
  padToken: count,
  /** Ids of the tokens asked for in `addTokens`. */
  addedTokens: z.record(z.string(), count),
  dtype,
  device: z.string(),
  memoryBytes: count,
  /** Of a session on several ranks: how many, and what of the training state is cut over them. */
  ranks: positive.optional(),
  sharding: z.enum(["none", "zero-1", "zero-2", "zero-3"]).optional(),
});
export type ModelInfo = z.infer<typeof modelInfo>;

/** AdamW is the one optimizer of the first version; its hyperparameters come with every optim_step. */
export const optimizerSpec = z.strictObject({ kind: z.literal("adamw") });

/** Low-rank adapters on frozen weights; the rows of added tokens are trained too, and a checkpoint holds all of it merged. */
export const loraSpec = z.strictObject({
  rank: positive,
  /** Scale of the adapters times the rank; default 2 x rank. */
  alpha: z.number().positive().optional(),
  dropout: z.number().min(0).lt(1).optional(),
  /** Last parts of the names of the layers that are adapted; default: every matrix but embeddings and head. */
  targets: z.array(z.string()).min(1).optional(),
  seed: count.optional(),
});

export const maskLint = z.strictObject({
  /** Rows whose text holds an added token (`<backtrack>`), rows where a trained span covers one. */
  rowsWithAddedToken: count,
  rowsTrainingAddedToken: count,
  rowsTrainingEnd: count,
  rowsWithoutTrainedToken: count,
});
export type MaskLint = z.infer<typeof maskLint>;

const finish = { stop: 0, end: 1, length: 2, context: 3 } as const;
/**
 * Why a completion ended, as sent in the `finish` bin: a stop text was produced (kept in the tokens), the end token
 * (not kept), maxNewTokens, or the model's context.
 */
export const finishReason = finish;

/** Parameters and result of each primitive. `session` primitives carry a session id and sequence number in the job header. */
export const primitives = {
  /** Session. Makes the session's trainable model: fp32 master weights, an optimizer, step 0. */
  load_model: {
    params: z.strictObject({
      model: modelSpec,
      optimizer: optimizerSpec.optional(),
      gradientCheckpointing: z.boolean().optional(),
      /** torch.compile of the model's body; the same gradients up to rounding. */
      compile: z.boolean().optional(),
      lora: loraSpec.optional(),
    }),
    result: z.strictObject({ info: modelInfo }),
  },
  /**
   * Session (it needs the session's tokenizer). Rows are the examples of the shards in order: tokens of prompt + response
   * by ONE tokenisation of the whole text, then the end token; a token is trained when its characters lie in a span.
   * Result bins: `lengths` int32 [rows], `trained` int32 [rows] (trained tokens per row).
   * Errors: code "digest" when a shard's sha256 differs, "too-long" when a row exceeds maxTokens and `overlong` is "refuse".
   */
  load_dataset: {
    params: z.strictObject({
      dataset: z.string(),
      shards: z.array(z.strictObject({ path: z.string(), sha256: z.string() })),
      maxTokens: positive,
      overlong: z.enum(["refuse", "truncate", "drop"]),
    }),
    result: z.strictObject({ rows: count, tokens: count, trainedTokens: count, overlong: count, lint: maskLint }),
  },
  /**
   * Session. Adds the gradients of sum(weight * nll) over trained tokens.
   * Bins, by dataset row: `rows` int32 [n], `weights` float32 [n] (per row: the weight of each of its trained tokens).
   * Bins, inline: `tokens` int32 [T], `lengths` int32 [n], `tokenWeights` float32 [T] (0 = not trained; position of the token predicted).
   * policy_gradient (inline only) has `advantages` and `oldLogprobs` float32 [T] as well, and `refLogprobs` float32 [T] when kl > 0;
   * loss = sum of weight * (kl * k3 - min(ratio * A, clip(ratio) * A)), ratio = exp(new - old), k3 = exp(r) - r - 1, r = ref - new.
   */
  forward_backward: {
    params: z.strictObject({
      dataset: z.string().optional(),
      loss: z.enum(["cross_entropy", "policy_gradient"]),
      /** Rows laid end to end, none seeing another; the same loss and gradients up to rounding. Refused where that was not verified. */
      packed: z.boolean().optional(),
      /** With policy_gradient, and only then: the ratio is clipped to [1 - clipLow, 1 + clipHigh]; `kl` weighs the KL estimate. */
      policy: z
        .strictObject({
          clipLow: z.number().min(0).max(1),
          clipHigh: z.number().nonnegative(),
          kl: z.number().nonnegative(),
        })
        .optional(),
    }),
    result: z.strictObject({
      loss: z.number(),
      nll: z.number(),
      tokens: count,
      trainedTokens: count,
      /** policy_gradient only: the sum over trained tokens of the KL estimate, and how many of them were clipped. */
      kl: z.number().optional(),
      clipped: count.optional(),
    }),
  },
  /** Session. One AdamW step after clipping the global gradient norm to `clipNorm` (0 = no clipping); then gradients are zero. */
  optim_step: {
    params: z.strictObject({
      step: positive,
      learningRate: z.number(),
      beta1: z.number(),
      beta2: z.number(),
      epsilon: z.number(),
      weightDecay: z.number(),
      clipNorm: z.number(),
    }),
    result: z.strictObject({ step: positive, gradientNorm: z.number() }),
  },
  /** Session. A save_pretrained directory (weights as safetensors, tokenizer); with `resume` also optimizer state and step. Written beside, then renamed. */
  save: {
    params: z.strictObject({ path: z.string(), resume: z.boolean() }),
    result: z.strictObject({ path: z.string(), bytes: count }),
  },
  /** Session. Weights, optimizer state and step from a directory that `save` with `resume` wrote. */
  restore: {
    params: z.strictObject({ path: z.string() }),
    result: z.strictObject({ step: count }),
  },
  /**
   * Free. Completions of token prefixes.
   * Bins in: `tokens` int32 [T] and `lengths` int32 [P] (the prefixes, end to end), `counts` int32 [P] (completions of each),
   * `seeds` uint32 [C, 2] (low, high word per completion; C = sum of counts), `budgets` int32 [C] (new tokens allowed).
   * The uniform number of token t of a completion is a function of (seed, t) alone, so the tokens do not depend on the batch.
   * temperature 0 = greedy. `stops` are texts; a completion ends when its decoded text ends in one.
   * `beams`: "independent" samples, or the published decoder's beam sampling ("beam-sample", counts = beams = returned).
   * Results come in chunks (messages.ts), each with header `texts` string [k] and bins `completion` int32 [k] (index in 0..C-1),
   * `lengths` int32 [k], `finish` uint8 [k], and end to end over the chunk's completions `tokens` int32, `logprobs` float32
   * (of the model at T=1, untruncated), `sampledLogprobs` float32 (after temperature and truncation), `charEnds` int32
   * (UTF-16 end of each token in the completion's text).
   */
  generate: {
    params: z.strictObject({
      model: modelSpec,
      temperature: z.number().nonnegative(),
      topK: count,
      topP: z.number().positive().max(1),
      stops: z.array(z.string()),
      beams: z.enum(["independent", "beam-sample"]),
      /** Rows decoded at a time; 0 = the worker chooses. */
      slots: count,
      /**
       * "auto" (default): the fastest that is right for the model. For comparison: "reference", the published decoder's way
       * (transformers' generate, one prefix at a time, seeded by its first completion, then a scoring pass), and
       * "continuous", transformers' continuous batching (one global seed). Only "auto" samples each completion by its own seed.
       */
      engine: z.enum(["auto", "reference", "continuous"]).optional(),
    }),
    result: z.strictObject({ completions: count, tokens: count, prefixTokens: count }),
  },
  /**
   * Free. Log-probabilities of given sequences. Bins in: `tokens` int32 [T], `lengths` int32 [n].
   * Bins out: `logprobs` float32 [T] (of each token given those before it; 0 for the first of a sequence) and, with `named`
   * token ids, `named` float32 [T, k] (log-prob of each named token as the NEXT token after each position); with `hidden`
   * layers (0 = embeddings, the last one after the final norm), `hidden` float32 [T, k, width].
   */
  score: {
    params: z.strictObject({ model: modelSpec, named: z.array(count), hidden: z.array(count).optional() }),
    result: z.strictObject({ sequences: count, tokens: count }),
  },
  /** Free. Bins out: `tokens` int32 [T], `lengths` int32 [n], `charEnds` int32 [T] (UTF-16 end of each token). No special tokens are added but those the tokenizer's own template puts in front. */
  tokenize: {
    params: z.strictObject({ model: modelSpec, texts: z.array(z.string()) }),
    result: z.strictObject({ sequences: count, endToken: count, context: positive, addedTokens: z.record(z.string(), count) }),
  },
  /** Free. What the worker holds. */
  info: {
    params: z.strictObject({}),
    result: z.strictObject({
      models: z.array(z.string()),
      sessions: z.array(z.string()),
      memoryBytes: count,
      versions: z.record(z.string(), z.string()),
    }),
  },
  /** Session. Drops the session's model and datasets. */
  unload: { params: z.strictObject({}), result: z.strictObject({}) },
} as const;

export type PrimitiveName = keyof typeof primitives;
export type Params<Name extends PrimitiveName> = z.infer<(typeof primitives)[Name]["params"]>;
export type Result<Name extends PrimitiveName> = z.infer<(typeof primitives)[Name]["result"]>;

/** Calls that belong to one worker and its state, in order; never retried by the pool. */
export const sessionPrimitives = [
  "load_model",
  "load_dataset",
  "forward_backward",
  "optim_step",
  "save",
  "restore",
  "unload",
] as const;
export type SessionPrimitive = (typeof sessionPrimitives)[number];
/** Calls that any worker may answer, any number of times. */
export const freePrimitives = ["generate", "score", "tokenize", "info"] as const;
export type FreePrimitive = (typeof freePrimitives)[number];
