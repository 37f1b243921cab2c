// Estimates against what transformers itself builds, and against figures worked out by hand.
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { modelPresets, type PresetName } from "../../src/config/modelPresets.ts";
import { modelSettings } from "../../src/config/modelSettings.ts";
import type { Json } from "../../src/lib/hash.ts";
import { cacheBytesPerToken, type ModelShape, modelShape, trainFlopsPerToken } from "../../src/plan/estimateModel.ts";
import { architectureConfig } from "../../src/run/modelSpec.ts";
import { realPython } from "../python/pythons.ts";

/** unsloth/Llama-3.2-1B and -3B, as their config.json says. */
const llama1b = {
  model_type: "llama",
  vocab_size: 128_256,
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 16,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 64,
  max_position_embeddings: 131_072,
  tie_word_embeddings: true,
};
const llama3b = {
  ...llama1b,
  hidden_size: 3072,
  num_hidden_layers: 28,
  num_attention_heads: 24,
  head_dim: 128,
};

function shape(config: Record<string, Json>, vocabulary?: number): ModelShape {
  const found = modelShape(config, vocabulary);
  if (found === undefined) throw new Error("no shape");
  return found;
}

const countParameters = `
import json, sys, torch, transformers
counts = []
for fields in json.load(sys.stdin):
    config = transformers.AutoConfig.for_model(fields.pop("model_type"), **fields)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    counts.append(sum(parameter.numel() for parameter in model.parameters()))
print(json.dumps(counts))
`;

describe("modelShape", () => {
  it("counts the parameters that transformers builds, for every preset and family", { timeout: 120_000 }, () => {
    const tiny = { hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 48, vocab_size: 31 };
    const configs: Record<string, Json>[] = [
      ...Object.keys(modelPresets).map((preset) => ({
        ...architectureConfig(modelSettings.parse({ preset: preset as PresetName, context: 96 }) as never),
        vocab_size: 50,
      })),
      llama1b,
      llama3b,
      { ...tiny, model_type: "llama", num_key_value_heads: 2, attention_bias: true, mlp_bias: true },
      { ...tiny, model_type: "qwen3", num_key_value_heads: 2, tie_word_embeddings: false },
      { ...tiny, model_type: "mistral", num_key_value_heads: 2, tie_word_embeddings: false },
      { ...tiny, model_type: "gpt_neox", tie_word_embeddings: false },
      { ...tiny, model_type: "gpt_neox", attention_bias: false },
      { model_type: "gpt2", n_embd: 32, n_layer: 2, n_head: 4, n_positions: 40, vocab_size: 31, tie_word_embeddings: true },
    ];
    const said = execFileSync(realPython, ["-c", countParameters], { input: JSON.stringify(configs), encoding: "utf8" });
    expect(configs.map((config) => shape(config).parameters)).toEqual(JSON.parse(said));
  });

  it("knows what it does not know", () => {
    expect(modelShape({ model_type: "mamba", hidden_size: 8, num_hidden_layers: 1 })).toBeUndefined();
    expect(modelShape({ model_type: "llama", hidden_size: 8 })).toBeUndefined();
  });

  it("has the published figures of Llama 3.2: 1.236 B and 3.213 B parameters, 32 and 112 KiB of cache per token", () => {
    expect(shape(llama1b).parameters / 1e9).toBeCloseTo(1.236, 3);
    expect(shape(llama3b).parameters / 1e9).toBeCloseTo(3.213, 3);
    expect(cacheBytesPerToken(shape(llama1b), 2)).toBe(32 * 1024);
    expect(cacheBytesPerToken(shape(llama3b), 2)).toBe(112 * 1024);
    // A token that is added has a row in the one tied matrix.
    expect(shape(llama1b, 128_257).parameters - shape(llama1b).parameters).toBe(2048);
  });

  it("multiplies every weight but the looked-up rows, six times per trained token", () => {
    // 2 layers of 4 x 8 x 8 + 3 x 8 x 16 + 16, a last norm of 8, an untied head of 10 x 8; attention 12 x 2 x 8 x 5.
    const small = { model_type: "llama", hidden_size: 8, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 10 };
    const weights = 2 * (256 + 384 + 16) + 8 + 80;
    const untied = shape({ ...small, intermediate_size: 16, tie_word_embeddings: false });
    expect(trainFlopsPerToken(untied, 10)).toBe(6 * weights + 960);
    expect(trainFlopsPerToken(shape({ ...small, intermediate_size: 16, tie_word_embeddings: true }), 10)).toBe(
      6 * weights + 960,
    );
  });
});
