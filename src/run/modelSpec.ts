// From the config's model settings to the worker's model spec. The one place that knows transformers' names for widths and heads.
import type { ScratchModel } from "../config/modelSettings.ts";
import type { ModelSettings } from "../config/schema.ts";
import { digest, type Json } from "../lib/hash.ts";
import type { ModelSource, ModelSpec } from "../protocol/primitives.ts";

/** A transformers config (without vocabulary and special tokens, which the worker takes from the tokenizer). */
export function architectureConfig(model: ScratchModel): Record<string, Json> {
  const mlp = model.mlp ?? 4 * model.width;
  const common = {
    model_type: model.architecture,
    initializer_range: model.initStd,
    tie_word_embeddings: model.tieEmbeddings,
  };
  if (model.architecture === "gpt2") {
    const shape = { n_embd: model.width, n_layer: model.layers, n_head: model.heads, n_inner: mlp, n_positions: model.context };
    return { ...common, ...shape, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 };
  }
  const shape = {
    hidden_size: model.width,
    num_hidden_layers: model.layers,
    num_attention_heads: model.heads,
    intermediate_size: mlp,
    max_position_embeddings: model.context,
  };
  const rotary = rotaryConfig(model);
  if (model.architecture === "gpt_neox") {
    const residual = model.parallelResidual === undefined ? {} : { use_parallel_residual: model.parallelResidual };
    return { ...common, ...shape, ...rotary, ...residual };
  }
  return { ...common, ...shape, ...rotary, num_key_value_heads: model.keyValueHeads ?? model.heads };
}

/** transformers' `rope_parameters`, where the settings say anything of them: its own defaults are 10000 and, for gpt_neox, 0.25. */
function rotaryConfig({ ropeTheta, rotaryShare }: ScratchModel): Record<string, Json> {
  if (ropeTheta === undefined && rotaryShare === undefined) return {};
  const share = rotaryShare === undefined ? {} : { partial_rotary_factor: rotaryShare };
  return { rope_parameters: { rope_type: "default", rope_theta: ropeTheta ?? 10_000, ...share } };
}

/**
 * The spec of a model before training (or as published). `isDirectory` decides between a path and a Hub id. `backtrack`: the
 * format's marker, which becomes a token; undefined for a format that has none.
 */
export function initialModelSpec(
  model: ModelSettings,
  options: {
    seed: number;
    tokenizer: string;
    dtype: "float32" | "bfloat16";
    isDirectory: boolean;
    backtrack: string | undefined;
  },
): ModelSpec {
  const source: ModelSource =
    "architecture" in model
      ? { kind: "architecture", config: architectureConfig(model), tokenizer: options.tokenizer, seed: options.seed }
      : options.isDirectory
        ? { kind: "path", path: model.from }
        : { kind: "hub", id: model.from, ...(model.revision === undefined ? {} : { revision: model.revision }) };
  const { dtype, backtrack } = options;
  const { backtrackToken } = model;
  const reserved = backtrackToken === "add" || backtrack === undefined ? {} : { [backtrack]: backtrackToken.reserved };
  const rest = { dtype, addTokens: tokensOf(backtrack), reservedTokens: reserved };
  return { version: digest({ source: source as unknown as Json, ...rest }), source, ...rest };
}

/** The spec of a checkpoint that training left. `version` is the train stage's key. */
export function trainedModelSpec(
  version: string,
  path: string,
  dtype: "float32" | "bfloat16",
  backtrack: string | undefined,
): ModelSpec {
  return { version, source: { kind: "path", path }, dtype, addTokens: tokensOf(backtrack), reservedTokens: {} };
}

function tokensOf(backtrack: string | undefined): string[] {
  return backtrack === undefined ? [] : [backtrack];
}
