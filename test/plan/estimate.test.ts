// Estimates against what transformers itself builds, and against figures worked out by hand.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { modelPresets, type PresetName } from "../../src/config/modelPresets.ts";
import { modelSettings } from "../../src/config/modelSettings.ts";
import type { Json } from "../../src/lib/hash.ts";
import {
  aboutTokens,
  decodeMemory,
  deviceRate,
  trainDisk,
  trainMemory,
  trainWork,
  usualSlots,
} from "../../src/plan/estimate.ts";
import { knownConfig } from "../../src/plan/estimateKnown.ts";
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

const GiB = 2 ** 30;

/** Bytes that autograd really keeps for the layers of small models: everything saved that is no parameter, each storage once. */
const measureActivations = `
import json, sys, torch, transformers
def kept(fields, bf16, checkpointing):
    config = transformers.AutoConfig.for_model(fields.pop("model_type"), **fields)
    model = transformers.AutoModelForCausalLM.from_config(config).train()
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    own = {item.untyped_storage().data_ptr() for item in [*model.parameters(), *model.buffers()]}
    found, alive = {}, []
    def pack(item):
        if item.untyped_storage().data_ptr() not in own:
            found[item.untyped_storage().data_ptr()] = item.untyped_storage().nbytes()
            alive.append(item)
        return item
    ids = torch.randint(0, 31, (8, 64), generator=torch.Generator().manual_seed(0))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda item: item):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            model.base_model(ids, use_cache=False)
    return sum(found.values())
print(json.dumps([kept(dict(fields), bf16, ck) for fields, bf16, ck in json.load(sys.stdin)]))
`;

describe("trainMemory", () => {
  it("says of activations what autograd keeps, within a twelfth", { timeout: 120_000 }, () => {
    const llama = { model_type: "llama", hidden_size: 96, num_attention_heads: 4, num_key_value_heads: 2, vocab_size: 31 };
    const configs: Record<string, Json>[] = [
      { ...llama, num_hidden_layers: 6, intermediate_size: 200, tie_word_embeddings: true },
      { ...llama, num_hidden_layers: 6, num_key_value_heads: 4, intermediate_size: 384, model_type: "qwen2" },
      {
        model_type: "gpt_neox",
        hidden_size: 96,
        num_hidden_layers: 6,
        num_attention_heads: 4,
        intermediate_size: 192,
        vocab_size: 31,
      },
      {
        model_type: "gpt2",
        n_embd: 96,
        n_layer: 6,
        n_head: 4,
        n_positions: 64,
        vocab_size: 31,
        resid_pdrop: 0,
        embd_pdrop: 0,
        attn_pdrop: 0,
      },
    ];
    const cases = configs.flatMap((config) => [false, true].map((bf16) => ({ config, bf16, checkpointing: false })));
    cases.push({ config: configs[0] as Record<string, Json>, bf16: false, checkpointing: true });
    const input = JSON.stringify(cases.map(({ config, bf16, checkpointing }) => [config, bf16, checkpointing]));
    const measured = JSON.parse(
      execFileSync(realPython, ["-c", measureActivations], { input, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] }),
    ) as number[];
    const ratios = cases.map(({ config, bf16, checkpointing }, index) => {
      const found = shape(config);
      const memory = trainMemory(found, { compute: bf16 ? "bfloat16" : "float32", microTokens: 512, checkpointing });
      // With checkpointing one layer is computed again at a time; the forward pass alone keeps the inputs.
      const plain = { compute: "float32", microTokens: 512, checkpointing: false } as const;
      const of = (layers: number) => trainMemory({ ...found, layers }, plain).activations;
      const layer = checkpointing ? of(2) - of(1) : 0;
      const casts = bf16 ? 2 * (found.parameters - found.embeddings) : 0;
      return (memory.activations - layer + casts) / (measured[index] as number);
    });
    expect(ratios.filter((ratio) => Math.abs(ratio - 1) > 1 / 12)).toEqual([]);
  });

  it("is 16 bytes a parameter, and for bfloat16 2 more while it computes: Llama-3.2-1B and -3B", () => {
    const none = { microTokens: 0, checkpointing: false };
    const one = trainMemory(shape(llama1b), { compute: "float32", ...none });
    expect(one.total).toBe(16 * shape(llama1b).parameters);
    expect(one.total / 1e9).toBeCloseTo(19.8, 1);
    const three = trainMemory(shape(llama3b), { compute: "bfloat16", ...none });
    expect((three.weights + three.gradients + three.optimizer) / 1e9).toBeCloseTo(51.4, 1);
    expect(three.casts / 1e9).toBeCloseTo(6.43, 2);
  });

  it("adds up by hand for 16k tokens of the 1B model", () => {
    const options = { compute: "bfloat16", microTokens: 16_384, checkpointing: false } as const;
    // Per token and layer: 26 x 2048 + 4 x 2048 + 4 x 512 + 8 x 8192 = 129024 bytes; 16 layers.
    const memory = trainMemory(shape(llama1b), options);
    expect(memory.activations).toBe(16_384 * (16 * 129_024 + 8 * 2048));
    expect(memory.logits).toBe(3 * 2 ** 30);
    expect(trainMemory(shape(llama1b), { ...options, compute: "float32" }).logits).toBe(3 * 2 ** 28);
    expect(trainMemory(shape(llama1b), { ...options, checkpointing: true }).activations).toBe(
      16_384 * (16 * 4 * 2048 + 129_024 + 8 * 2048),
    );
    expect(trainMemory(shape(llama1b), { ...options, microTokens: 10 }).logits).toBe(12 * 10 * 128_256);
  });
});

describe("decodeMemory", () => {
  it("is weights, cache and the sampler's rows", () => {
    const memory = decodeMemory(shape(llama1b), { compute: "bfloat16", slots: 512, tokens: 128 });
    expect(memory.weights / 1e9).toBeCloseTo(2.47, 2);
    expect(memory.cache).toBe(2 * GiB);
    expect(memory.sampler).toBe(512 * 128_256 * 24);
    expect(memory.total).toBe(memory.weights + memory.cache + memory.sampler);
  });

  it("has as many rows as the worker decodes at a time", () => {
    const slots = readFileSync(new URL("../../py/backtrail_worker/decode/slots.py", import.meta.url), "utf8");
    const [, cpu, gpu] = slots.match(/^CPU_SLOTS, GPU_SLOTS = (\d+), (\d+)$/m) ?? [];
    expect([usualSlots("cpu"), usualSlots("cuda:0")]).toEqual([Number(cpu), Number(gpu)]);
  });
});

describe("work, time and disk", () => {
  it("has the whole published run at 20 minutes of an H200 at half its rate", () => {
    const work = trainWork(shape(llama1b), { examples: 1_500_000, meanTokens: 42.2 });
    expect(work.tokens).toBeCloseTo(63.3e6, -3);
    const rate = deviceRate("NVIDIA H200", "bfloat16", 1);
    expect(rate?.assumption).toBe("50% of 780 TFLOP/s");
    expect(work.flops / (rate?.rate ?? 1) / 60).toBeCloseTo(20.1, 0);
    const three = trainWork(shape(llama3b), { examples: 1_500_000, meanTokens: 42.2 });
    expect(three.flops / (rate?.rate ?? 1) / 60).toBeCloseTo(52, 0);
  });

  it("knows no rate of a device it does not know, and an eighth of it for float32", () => {
    expect(deviceRate("Some Card 9000", "bfloat16", 1)).toBeUndefined();
    expect(deviceRate("NVIDIA H200", "float32", 1)?.rate).toBe(780e12 / 16);
    expect(deviceRate("cpu", "float32", 2)).toEqual({ rate: 0.3 * 0.2e12, assumption: "30% of 0.2 TFLOP/s, 2 threads" });
  });

  it.each([
    // Each checkpoint for resume is weights and two moments, 12 bytes a parameter; the last is weights alone.
    ["three for resume at once, in a long training", 9, 36],
    ["two, and the last", 2, 28],
    ["one that an interrupt would save, and the last", 0, 16],
  ])("counts checkpoints on disk: %s", (_, saves, bytes) => {
    const parameters = 1_235_814_400;
    expect(trainDisk(shape(llama1b), { saves })).toEqual({ left: 4 * parameters, peak: bytes * parameters });
  });

  it("counts moments of adapters alone where they alone are trained", () => {
    const adapters = 8 * 16 * (2 * 4096 + 2 * 2560 + 3 * 10_240);
    expect(trainDisk(shape(llama1b), { saves: 9, loraRank: 8 }).peak).toBe(3 * (4 * 1_235_814_400 + 8 * adapters));
  });

  it("counts about the tokens of Llama-3: 24 for a prompt of four numbers, 46 for the whole direct example", () => {
    const prompt = "###Question: numbers [45, 39, 2, 10]->target 62\n###Response:\n";
    expect(aboutTokens(prompt)).toBe(24);
    expect(aboutTokens("1234+5")).toBe(1 + 4);
    expect(aboutTokens("45-39=6\n<backtrack>")).toBe(1 + 7);
  });

  it("knows the checkpoints that our configs name", () => {
    expect(shape(knownConfig("unsloth/Llama-3.2-1B") as never).parameters).toBe(shape(llama1b).parameters);
    expect(shape(knownConfig("unsloth/Llama-3.2-3B") as never).parameters).toBe(shape(llama3b).parameters);
    expect(knownConfig("nobody/none")).toBeUndefined();
  });
});
