// What `plan` tells of memory, tokens and time: counted on drawn examples, for every kind of model.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { estimateArm, estimateLine } from "../../src/cli/planEstimate.ts";
import { parseConfig } from "../../src/config/load.ts";

const place = { cwd: "/", device: "NVIDIA H200", dtype: "bfloat16", threads: 1 } as const;
const settingsOf = (model: string, rest = "", puzzle = "numbers: 4, operands: [1, 99]") => {
  const text = `name: x\npuzzle: {kind: countdown, ${puzzle}}\nmodel: ${model}\n${rest}decode: {greedy: {policy: greedy}}\n`;
  const settings = parseConfig(text, "x.yaml").arms[0]?.settings;
  if (settings === undefined) throw new Error("no arm");
  return settings;
};
const paper = "train: {batch: {examples: 64}}\n";

describe("estimateArm", () => {
  it("counts the published run: 42 tokens an example, 63 million in all, 20 minutes of an H200", async () => {
    const found = await estimateArm(settingsOf("{from: unsloth/Llama-3.2-1B}", paper), place);
    expect(found?.parameters).toBe(1_235_814_400);
    // Measured with the real tokenizer on 2000 examples: mean 42.2, at most 50.
    expect(found?.train?.meanTokens).toBeGreaterThan(40.5);
    expect(found?.train?.meanTokens).toBeLessThan(44);
    expect(found?.train).toMatchObject({ counted: true, assumption: "50% of 780 TFLOP/s" });
    expect(found?.train?.microTokens).toBeLessThanOrEqual(64 * 52);
    expect((found?.train?.tokens ?? 0) / 1e6).toBeCloseTo(1.5 * (found?.train?.meanTokens ?? 0), 6);
    expect((found?.train?.seconds ?? 0) / 60).toBeGreaterThan(19);
    expect((found?.train?.seconds ?? 0) / 60).toBeLessThan(21.5);
    expect(found?.train?.memory.weights).toBe(4 * 1_235_814_400);
  });

  it("takes the sizes of a scratch model from its settings and its format's vocabulary", async () => {
    const train = "train: {steps: 10, maxTokens: 64, batch: {examples: 32, microBatch: 8}}\n";
    const scratch = settingsOf("{architecture: llama, width: 64, layers: 2, heads: 2, mlp: 160}", train);
    const found = await estimateArm(scratch, { ...place, device: "cpu", dtype: "float32" });
    const vocabulary = ((found?.parameters ?? 0) - 2 * (4 * 64 * 64 + 3 * 64 * 160 + 2 * 64) - 64) / 64;
    expect(vocabulary).toBe(Math.round(vocabulary));
    expect(vocabulary).toBeGreaterThan(20);
    expect(vocabulary).toBeLessThan(60);
    expect(found?.train?.tokens).toBeCloseTo(320 * (found?.train?.meanTokens ?? 0), 6);
    expect(found?.train?.microTokens).toBeLessThanOrEqual(8 * 64);
    expect(found?.decode.slots).toBe(256);
  });

  it("reads a directory's config.json, and says when it cannot know", async () => {
    const directory = mkdtempSync(join(tmpdir(), "backtrail-estimate-"));
    const config = { model_type: "gpt_neox", hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 9 };
    writeFileSync(join(directory, "config.json"), JSON.stringify({ ...config, intermediate_size: 64 }));
    const found = await estimateArm(settingsOf(`{from: ${directory}}`), place);
    // Embeddings and an untied head, attention, feed-forward, biases, three norms.
    expect(found?.parameters).toBe(2 * 9 * 32 + 4 * 32 * 32 + 4 * 32 + 2 * 32 * 64 + 64 + 32 + 3 * 2 * 32);
    expect(found?.train).toBeUndefined();
    const unknown = await estimateArm(settingsOf("{from: nobody/none}"), place);
    expect(unknown).toBeUndefined();
    expect(estimateLine("a", unknown, "cpu")).toMatch(/^arm a: memory unknown until the model is here/);
  });
});

describe("estimateLine", () => {
  it("is one line that states its assumptions", async () => {
    const found = await estimateArm(settingsOf("{from: unsloth/Llama-3.2-1B}", paper), place);
    expect(estimateLine("a", found, "NVIDIA H200")).toMatch(
      /^arm a: 1\.24B parameters; training about 27\.\d GiB \(weights, gradients, Adam 18\.4 GiB; .* rows: .*; 6\d\.\dM tokens \(4\d an example\), 4\.\de\+17 FLOP, about .* on NVIDIA H200 \(assumed 50% of 780 TFLOP\/s\); disk about 3\d\.\d GiB\n$/,
    );
    const elsewhere = await estimateArm(settingsOf("{from: unsloth/Llama-3.2-1B}", paper), { ...place, device: "Card" });
    expect(estimateLine("a", elsewhere, "Card")).toContain("time unknown: no rate is known for Card");
  });
});
