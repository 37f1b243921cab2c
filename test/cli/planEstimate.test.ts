// What `plan` tells of memory, tokens and time: counted on drawn examples, for every kind of model.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ArmEstimator, type EstimatePlace } from "../../src/cli/planArmEstimate.ts";
import { estimateLine } from "../../src/cli/planArmLines.ts";
import { estimateStages } from "../../src/cli/planEstimate.ts";
import { loadSweep } from "../../src/cli/sweep.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { ArmSettings } from "../../src/config/schema.ts";
import { usualSlots } from "../../src/plan/estimate.ts";
import { flagsOf, place as planPlace, publishAll, config as sweepConfig } from "./planSweeps.ts";

const place = { cwd: "/", device: "NVIDIA H200", dtype: "bfloat16", threads: 1 } as const;
const settingsOf = (model: string, rest = "", puzzle = "numbers: 4, operands: [1, 99]") => {
  const text = `name: x\npuzzle: {kind: countdown, ${puzzle}}\nmodel: ${model}\n${rest}decode: {greedy: {policy: greedy}}\n`;
  const settings = parseConfig(text, "x.yaml").arms[0]?.settings;
  if (settings === undefined) throw new Error("no arm");
  return settings;
};
const estimateArm = (settings: ArmSettings, at: EstimatePlace) => new ArmEstimator(at).estimate(settings);
const paper = "train: {batch: {examples: 64}}\n";

describe("ArmEstimator", () => {
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
    expect(found?.decode.slots).toBe(usualSlots("cpu"));
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
    expect(estimateLine(unknown, "cpu")).toMatch(/^memory unknown until the model is here/);
  });
});

describe("estimateLine", () => {
  it("is one line that states its assumptions", async () => {
    const found = await estimateArm(settingsOf("{from: unsloth/Llama-3.2-1B}", paper), place);
    expect(estimateLine(found, "NVIDIA H200")).toMatch(
      /^1\.24B parameters; training about 29\.\d GiB \(weights, gradients, Adam 18\.4 GiB; .* rows: .*; 6\d\.\dM tokens \(4\d an example\), 4\.\de\+17 FLOP, about .* on NVIDIA H200 \(assumed 50% of 780 TFLOP\/s\)$/,
    );
    const elsewhere = await estimateArm(settingsOf("{from: unsloth/Llama-3.2-1B}", paper), { ...place, device: "Card" });
    expect(estimateLine(elsewhere, "Card")).toContain("time unknown: no rate is known for Card");
    // Weights and gradients 8 bytes a parameter, and a quarter of the 8 of both moments.
    const shared = await estimateArm(settingsOf("{from: unsloth/Llama-3.2-1B}", paper), { ...place, ranks: 4, sharded: true });
    expect(estimateLine(shared, "NVIDIA H200")).toContain(
      "Adam 11.5 GiB if DeepSpeed shares Adam out to 4 ranks, 6.9 GiB more if it is not there (see doctor); activations",
    );
  });
});

describe("what the arm needs at least", () => {
  it("is one example or one row at a time, and less with adapters or with a shared optimizer", async () => {
    const settings = settingsOf("{from: unsloth/Llama-3.2-1B}", paper);
    const full = await estimateArm(settings, place);
    const parameters = 1_235_814_400;
    // Weights, gradients, both moments and casts; beside them one example of at most 52 tokens.
    expect(full?.train?.least).toBeGreaterThan(18 * parameters);
    expect(full?.train?.least).toBeLessThan(18 * parameters + 2 ** 30);
    expect(full?.train?.memory.total).toBeGreaterThan(18 * parameters + 6 * 2 ** 30);
    // Weights in bfloat16, and one row of 192 tokens of 32 KiB.
    expect(full?.decode.least).toBe(2 * parameters + 192 * 32_768 + 128_256 * 24);
    const lora = await estimateArm(settingsOf("{from: unsloth/Llama-3.2-1B}", "train: {lora: {rank: 8}}\n"), place);
    // Per layer: 8 x (2 (2048 + 2048) + 2 (2048 + 512) + 3 (2048 + 8192)) adapter weights.
    const adapters = 8 * 16 * (2 * 4096 + 2 * 2560 + 3 * 10_240);
    expect(lora?.train?.memory).toMatchObject({
      weights: 4 * (parameters + adapters),
      gradients: 4 * adapters,
      optimizer: 8 * adapters,
    });
    const shared = await estimateArm(settings, { ...place, ranks: 4, sharded: true });
    expect(shared?.train?.memory.optimizer).toBe(2 * parameters);
    expect(shared?.train?.microTokens).toBe((full?.train?.microTokens ?? 0) / 4);
  });

  it("counts a decoding's completions: one, N, and N for each round", async () => {
    const policies = "decode: {b: {policy: best-of-n, samples: 4}, s: {policy: self-backtrack, samples: 4, rounds: 2}}\n";
    const text = `name: x\npuzzle: {kind: countdown, numbers: 3}\nmodel: {from: unsloth/Llama-3.2-1B}\n${policies}data: {test: {seen: 10, unseen: 0}}\n`;
    const [arm] = parseConfig(text, "x.yaml").arms;
    if (arm === undefined) throw new Error("no arm");
    const work = (await estimateArm(arm.settings, place))?.decode.work;
    expect((work?.s?.tokens ?? 0) / (work?.b?.tokens ?? 1)).toBeCloseTo(3, 9);
    // Some 20 tokens each, 10 problems, 4 completions.
    expect(work?.b?.tokens).toBeGreaterThan(10 * 4 * 10);
    expect(work?.b?.tokens).toBeLessThan(10 * 4 * 60);
    expect(work?.b?.assumption).toBe("5% of 780 TFLOP/s");
  });
});

describe("estimateStages", () => {
  const torch = { ...flagsOf(), mock: false };

  it("gives every stage of a torch sweep its needs, the same to arms that differ in their seed alone", async () => {
    const at = planPlace(sweepConfig.replace("{arms:", "{seeds: 3, arms:"));
    const sweep = await loadSweep(at.io, "tiny.yaml", torch);
    const needs = await estimateStages(at.io, sweep);
    expect([...needs.keys()]).toEqual(sweep.plan.stages.map(({ key }) => key));
    const of = (id: string) => needs.get(sweep.plan.stages.find((stage) => stage.id === id)?.key ?? "");
    expect(of("problems base/seed=1")).toMatchObject({ memoryBytes: 0, seconds: undefined, diskBytes: 12 * 180 });
    const train = of("train base/seed=1");
    expect(train?.memoryBytes).toBeGreaterThan(100_000);
    expect(train?.seconds).toBeGreaterThan(0);
    expect(of("train base/seed=2")).toEqual(train);
    expect(of("decode direct/seed=3/b1")?.seconds).toBeGreaterThan(of("decode direct/seed=3/greedy")?.seconds ?? Number.NaN);
  });

  it("asks no memory for mock workers, and takes times of earlier stages alone", async () => {
    const at = planPlace();
    const [first] = (await estimateStages(at.io, await loadSweep(at.io, "tiny.yaml", flagsOf()))).values();
    expect(first).toMatchObject({ memoryBytes: 0, seconds: undefined });
    await publishAll(at, [], 40);
    const again = await loadSweep(at.io, "tiny.yaml", flagsOf("train.steps=10"));
    const needs = await estimateStages(at.io, again);
    const train = again.plan.stages.find(({ id }) => id === "train base");
    expect(needs.get(train?.key ?? "")?.memoryBytes).toBe(0);
    expect(needs.get(train?.key ?? "")?.seconds).toBeCloseTo(20, 0);
  });
});
