// The shape of a model as its config says it, and what follows from the shape alone: parameters, cache, floating point operations.
// Reads transformers' names (config.json, or what run/modelSpec.ts writes). Pure.
import type { Json } from "../lib/hash.ts";

/** A decoder language model without its weights. Sizes in elements. */
export interface ModelShape {
  readonly family: string;
  readonly vocabulary: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headWidth: number;
  readonly mlp: number;
  readonly context: number;
  readonly tied: boolean;
  /** Exact number of parameters, tied ones once. */
  readonly parameters: number;
  /** Of them the input embeddings, and positions where they are learned. */
  readonly embeddings: number;
}

type Config = Readonly<Record<string, Json | undefined>>;

/** Matrices and vectors of one layer, and the vectors after the last one. */
interface Counts {
  readonly layer: number;
  readonly last: number;
}

const gated = new Set(["llama", "qwen2", "qwen3", "mistral", "smollm3"]);

/**
 * The shape of a config, or undefined for a model type whose arithmetic is not known here. `vocabulary`: tokens the model will
 * have after those that are added; default: the config's own.
 */
export function modelShape(config: Config, vocabulary?: number): ModelShape | undefined {
  const family = String(config.model_type);
  const isGpt2 = family === "gpt2";
  if (!(gated.has(family) || isGpt2 || family === "gpt_neox")) return undefined;
  const number = (...names: string[]) => names.map((name) => config[name]).find((value) => typeof value === "number");
  const width = number("hidden_size", "n_embd");
  const layers = number("num_hidden_layers", "n_layer");
  const heads = number("num_attention_heads", "n_head");
  const words = vocabulary ?? number("vocab_size");
  if (width === undefined || layers === undefined || heads === undefined || words === undefined) return undefined;
  const context = number("max_position_embeddings", "n_positions") ?? 1024;
  const keyValueHeads = gated.has(family) ? (number("num_key_value_heads") ?? heads) : heads;
  // qwen3 has heads of 128 whatever its width is, unless the config says otherwise.
  const headWidth = number("head_dim") ?? (family === "qwen3" ? 128 : width / heads);
  const mlp = number("intermediate_size", "n_inner") ?? 4 * width;
  const tied = typeof config.tie_word_embeddings === "boolean" ? config.tie_word_embeddings : isGpt2;
  const counts = gated.has(family)
    ? gatedCounts(family, config, { width, heads, keyValueHeads, headWidth, mlp })
    : plainCounts(width, mlp, config.attention_bias !== false);
  const embeddings = words * width + (isGpt2 ? context * width : 0);
  const parameters = embeddings + layers * counts.layer + counts.last + (tied ? 0 : words * width);
  const sizes = { vocabulary: words, width, layers, heads, keyValueHeads, headWidth, mlp, context };
  return { family, ...sizes, tied, parameters, embeddings };
}

/** Llama and its relatives: rotary positions, RMS norms, three matrices in the feed-forward layer. */
function gatedCounts(
  family: string,
  config: Config,
  shape: Pick<ModelShape, "width" | "heads" | "keyValueHeads" | "headWidth" | "mlp">,
): Counts {
  const { width, mlp } = shape;
  const query = shape.heads * shape.headWidth;
  const keyValue = shape.keyValueHeads * shape.headWidth;
  const matrices = 2 * width * query + 2 * width * keyValue + 3 * width * mlp;
  const all = config.attention_bias === true && family !== "qwen2" ? query + 2 * keyValue + width : 0;
  const biases = family === "qwen2" ? query + 2 * keyValue : all;
  const mlpBiases = config.mlp_bias === true ? 2 * mlp + width : 0;
  const headNorms = family === "qwen3" ? 2 * shape.headWidth : 0;
  return { layer: matrices + biases + mlpBiases + headNorms + 2 * width, last: width };
}

/** GPT-2 and GPT-NeoX: biases everywhere, layer norms with weight and bias, two matrices in the feed-forward layer. */
function plainCounts(width: number, mlp: number, attentionBias: boolean): Counts {
  const attention = 4 * width * width + (attentionBias ? 4 * width : 0);
  return { layer: attention + 2 * width * mlp + mlp + width + 4 * width, last: 2 * width };
}

/** Bytes of keys and values per cached token. `elementBytes`: 2 for bfloat16, 4 for float32. */
export function cacheBytesPerToken(shape: ModelShape, elementBytes: number): number {
  return 2 * shape.layers * shape.keyValueHeads * shape.headWidth * elementBytes;
}

/**
 * Floating point operations of one trained token, forward and backward: 6 per weight that is multiplied (embedding look-ups are
 * not, the head is), and 12 x layers x query width x mean keys per query for attention (causal: half the sequence).
 */
export function trainFlopsPerToken(shape: ModelShape, sequence: number): number {
  return 6 * multiplied(shape) + 12 * shape.layers * shape.heads * shape.headWidth * (sequence / 2);
}

/** Floating point operations of one decoded token at a text length: the forward third of a trained one. */
export function decodeFlopsPerToken(shape: ModelShape, sequence: number): number {
  return trainFlopsPerToken(shape, sequence) / 3;
}

/** Parameters of low-rank adapters on every matrix of every layer, which is the default and the most there can be. */
export function adapterParameters(shape: ModelShape, rank: number): number {
  const query = shape.heads * shape.headWidth;
  const keyValue = shape.keyValueHeads * shape.headWidth;
  const attention = 2 * (shape.width + query) + 2 * (shape.width + keyValue);
  const feedForward = (gated.has(shape.family) ? 3 : 2) * (shape.width + shape.mlp);
  return rank * shape.layers * (attention + feedForward);
}

/** Weights that a token is multiplied with. */
function multiplied(shape: ModelShape): number {
  return shape.parameters - shape.embeddings + (shape.tied ? shape.vocabulary * shape.width : 0);
}
