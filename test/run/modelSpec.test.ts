// Settings become what the worker and transformers call them.
import { describe, expect, it } from "vitest";
import { modelSettings } from "../../src/config/schema.ts";
import { architectureConfig, initialModelSpec, trainedModelSpec } from "../../src/run/modelSpec.ts";

const scratch = (more: object) =>
  modelSettings.parse({ architecture: "llama", width: 64, layers: 2, heads: 4, ...more }) as Parameters<
    typeof architectureConfig
  >[0];
const options = { seed: 1, tokenizer: "tok", dtype: "float32" as const, isDirectory: false, backtrack: "<backtrack>" };

describe("architectureConfig", () => {
  it("uses each family's own words, and defaults that follow the width and the heads", () => {
    expect(architectureConfig(scratch({ context: 32 }))).toEqual({
      model_type: "llama",
      initializer_range: 0.02,
      tie_word_embeddings: true,
      hidden_size: 64,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 4,
      intermediate_size: 256,
      max_position_embeddings: 32,
    });
    expect(architectureConfig(scratch({ keyValueHeads: 2, mlp: 100 }))).toMatchObject({
      num_key_value_heads: 2,
      intermediate_size: 100,
    });
    expect(architectureConfig(scratch({ architecture: "gpt_neox" }))).not.toHaveProperty("num_key_value_heads");
  });

  it("switches GPT-2's dropout off: the same weights must give the same loss", () => {
    expect(architectureConfig(scratch({ architecture: "gpt2" }))).toMatchObject({
      n_embd: 64,
      n_layer: 2,
      n_head: 4,
      n_inner: 256,
      resid_pdrop: 0,
      embd_pdrop: 0,
      attn_pdrop: 0,
    });
  });
});

describe("initialModelSpec", () => {
  it("tells a folder from a Hub id, and passes the revision on", () => {
    const model = modelSettings.parse({ from: "owner/model", revision: "abc" });
    expect(initialModelSpec(model, options).source).toEqual({ kind: "hub", id: "owner/model", revision: "abc" });
    expect(initialModelSpec(model, { ...options, isDirectory: true }).source).toEqual({ kind: "path", path: "owner/model" });
  });

  it("names the weights by all that makes them", () => {
    const version = (more: object, other: object = {}) => initialModelSpec(scratch(more), { ...options, ...other }).version;
    expect(version({})).toBe(version({ mlp: 256 }));
    for (const changed of [version({ mlp: 8 }), version({}, { seed: 2 }), version({}, { dtype: "bfloat16" })])
      expect(changed).not.toBe(version({}));
  });

  it("takes over a reserved token where one is named, and adds the marker where not", () => {
    const spec = (backtrackToken: unknown) => initialModelSpec(modelSettings.parse({ from: "a/b", backtrackToken }), options);
    expect(spec("add")).toMatchObject({ addTokens: ["<backtrack>"], reservedTokens: {} });
    expect(spec({ reserved: "<|r0|>" }).reservedTokens).toEqual({ "<backtrack>": "<|r0|>" });
  });
});

it("a trained model is named by its stage's key", () => {
  const spec = trainedModelSpec("key", "/store/train/key/checkpoint", "bfloat16", "<backtrack>");
  expect(spec).toMatchObject({ version: "key", source: { kind: "path" }, dtype: "bfloat16" });
});
