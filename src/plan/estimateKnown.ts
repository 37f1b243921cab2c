// Configs of published checkpoints that our configs name, so that a plan can be made before anything is fetched. Data.
import type { Json } from "../lib/hash.ts";

const llama32 = {
  model_type: "llama",
  vocab_size: 128_256,
  intermediate_size: 8192,
  num_key_value_heads: 8,
  max_position_embeddings: 131_072,
  tie_word_embeddings: true,
};
const llama1b = { ...llama32, hidden_size: 2048, num_hidden_layers: 16, num_attention_heads: 32, head_dim: 64 };
const llama3b = { ...llama32, hidden_size: 3072, num_hidden_layers: 28, num_attention_heads: 24, head_dim: 128 };

const known: Readonly<Record<string, Readonly<Record<string, Json>>>> = {
  "unsloth/Llama-3.2-1B": llama1b,
  "meta-llama/Llama-3.2-1B": llama1b,
  "yangxw/Llama-3.2-1B-countdown-backtrack": { ...llama1b, vocab_size: 128_257 },
  "unsloth/Llama-3.2-3B": llama3b,
  "meta-llama/Llama-3.2-3B": llama3b,
};

/** The config of a well-known Hub id, as far as sizes go. */
export function knownConfig(id: string): Readonly<Record<string, Json>> | undefined {
  return known[id];
}
