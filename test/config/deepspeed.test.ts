import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseDeepspeed } from "../../src/config/deepspeed.ts";

const folder = fileURLToPath(new URL("../../configs/deepspeed", import.meta.url));
const parse = (value: unknown) => parseDeepspeed(JSON.stringify(value), "mine.json");
const stage2 = { zero_optimization: { stage: 2 } };

describe("the settings that come with us", () => {
  it.each(readdirSync(folder))("%s is accepted, at its stage", (name) => {
    const settings = parseDeepspeed(readFileSync(join(folder, name), "utf8"), name);
    expect(`zero${settings.zero_optimization.stage}.json`).toBe(name);
  });
});

describe("settings of a user", () => {
  it.each([
    ["optimizer", { type: "AdamW", params: { lr: 1e-5 } }, "train.learningRate"],
    ["scheduler", { type: "WarmupLR" }, "train.schedule"],
    ["gradient_clipping", 1.0, "train.clip"],
    ["gradient_accumulation_steps", 4, "train.batch"],
    ["train_batch_size", 64, "train.batch.examples"],
    ["train_micro_batch_size_per_gpu", 8, "train.batch.microBatch"],
    ["managed_gradient_accumulation", true, "train.batch"],
    ["bf16", { enabled: true }, "model.dtype"],
    ["fp16", { enabled: "auto", loss_scale: 0 }, "model.dtype"],
    ["activation_checkpointing", { partition_activations: true }, "train.gradientCheckpointing"],
  ])("%s belongs to the coordinator: a value is refused with the key, and where it is set", (key, value, instead) => {
    expect(() => parse({ ...stage2, [key]: value })).toThrow(`mine.json: ${key} is decided by ${instead}`);
    expect(parse({ ...stage2, [key]: "auto" })).toEqual(stage2);
  });

  it("takes objects of nothing but auto, as files for Hugging Face's trainer have them", () => {
    expect(parse({ ...stage2, bf16: { enabled: "auto" }, optimizer: { type: "auto", params: { lr: "auto" } } })).toEqual(
      stage2,
    );
  });

  it.each([
    ["no stage", { zero_optimization: {} }, "zero_optimization.stage: missing: expected 1 or 2 or 3"],
    [
      "stage 0, which is no ZeRO",
      { zero_optimization: { stage: 0 } },
      "zero_optimization.stage: expected 1 or 2 or 3, found 0",
    ],
    [
      "a misspelt key",
      { zero_optimization: { stage: 2, overlap_com: true } },
      "zero_optimization.overlap_com: unknown key. Did you mean overlap_comm?",
    ],
    ["offloading", { zero_optimization: { stage: 2, offload_optimizer: { device: "cpu" } } }, "offload_optimizer"],
    ["a key it does not know", { ...stage2, zero_optimisation: {} }, "zero_optimisation"],
    ["a list", [], "must be a JSON object"],
  ])("refuses %s", (_, value, message) => {
    expect(() => parse(value)).toThrow(message);
  });

  it("says where JSON breaks", () => {
    expect(() => parseDeepspeed("{", "mine.json")).toThrow("mine.json: not JSON");
  });
});
