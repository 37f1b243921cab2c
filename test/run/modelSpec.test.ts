// Settings become what the worker and transformers call them.
import { describe, expect, it } from "vitest";
import type { PresetName } from "../../src/config/modelPresets.ts";
import { modelSettings } from "../../src/config/modelSettings.ts";
import { modelShape } from "../../src/plan/estimateModel.ts";
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

  it("adds no token for a format that has no marker, as those of the published graph models", () => {
    const published = initialModelSpec(modelSettings.parse({ from: "a/b" }), { ...options, backtrack: undefined });
    expect(published).toMatchObject({ addTokens: [], reservedTokens: {} });
    expect(trainedModelSpec("key", "/checkpoint", "float32", undefined).addTokens).toEqual([]);
  });
});

it("a trained model is named by its stage's key", () => {
  const spec = trainedModelSpec("key", "/store/train/key/checkpoint", "bfloat16", "<backtrack>");
  expect(spec).toMatchObject({ version: "key", source: { kind: "path" }, dtype: "bfloat16" });
});

describe("presets", () => {
  const shapeOf = (preset: PresetName, more: object = {}) => {
    const shape = modelShape(architectureConfig(scratchOf({ preset, ...more })), 50);
    if (shape === undefined) throw new Error(`no shape for ${preset}`);
    return shape;
  };
  const scratchOf = (value: object) => modelSettings.parse(value) as Parameters<typeof architectureConfig>[0];
  /** Millions of parameters without embeddings, head, biases and norms' share, as the publication computes them. */
  it.each([
    ["qwen2-3m", 3.34],
    ["qwen2-17m", 17.8],
    ["qwen2-38m", 38.0],
    ["qwen2-144m", 144.7],
    // By its table of sizes: 24 x (2 x 1024 x 1024 + 2 x 1024 x 256 + 3 x 1024 x 4096).
    ["qwen2-365m", 364.9],
    // 16 x 12 x 1024 x 1024 and GPT-Neo's 50257 words are the 250M of its name, give or take the positions.
    ["sos-250m", 201.3],
    ["llama-50m", 49.5],
    ["llama-100m", 100.7],
    ["llama-150m", 149.4],
  ] as const)("%s has %d million parameters besides its embeddings", (preset, millions) => {
    const { parameters, embeddings } = shapeOf(preset);
    expect(Math.abs((parameters - embeddings) / 1e6 - millions)).toBeLessThan(0.01 * millions);
  });

  it("states the graph models as they were published: layers x heads, a quarter rotated, parallel residual", () => {
    expect(architectureConfig(scratchOf({ preset: "neox-6x4", context: 2048 }))).toMatchObject({
      model_type: "gpt_neox",
      hidden_size: 256,
      num_hidden_layers: 6,
      num_attention_heads: 4,
      intermediate_size: 512,
      max_position_embeddings: 2048,
      use_parallel_residual: true,
      rope_parameters: { rope_type: "default", rope_theta: 10_000, partial_rotary_factor: 0.25 },
    });
    expect(shapeOf("neox-12x8")).toMatchObject({ layers: 12, heads: 8, width: 512, headWidth: 64 });
  });

  it("is a scratch model like one written out: no trace of the name, keys overridden, defaults filled in", () => {
    const written = { architecture: "qwen2", width: 512, layers: 8, heads: 4, keyValueHeads: 1, ropeTheta: 1e6 };
    expect(modelSettings.parse({ preset: "qwen2-17m", mlp: 300, context: 512 })).toEqual(
      modelSettings.parse({ ...written, mlp: 300, context: 512 }),
    );
    expect(architectureConfig(scratchOf({ preset: "qwen2-3m" })).rope_parameters).toEqual({
      rope_type: "default",
      rope_theta: 1e6,
    });
  });

  it("refuses an unknown name, and a setting that the architecture lacks", () => {
    expect(modelSettings.safeParse({ preset: "qwen2-18m" }).success).toBe(false);
    const wrong = modelSettings.safeParse({ preset: "sos-250m", ropeTheta: 1e4 });
    expect(wrong.error?.message).toMatch(/gpt2 has no such setting: it belongs to llama, qwen2, gpt_neox/);
  });

  it("leaves a config that names none of its settings as it was", () => {
    expect(architectureConfig(scratch({}))).not.toHaveProperty("rope_parameters");
    expect(architectureConfig(scratch({ architecture: "gpt_neox" }))).not.toHaveProperty("use_parallel_residual");
  });
});
