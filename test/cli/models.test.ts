// What plan, doctor and model show say of a published model that cannot be used; nothing here asks a network.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { modelShowCommand } from "../../src/cli/model.ts";
import { modelNotes, requireModels } from "../../src/cli/models.ts";
import { planCommand } from "../../src/cli/plan.ts";
import { loadSweep } from "../../src/cli/sweep.ts";
import { namedStages, withInputs } from "../../src/run/select.ts";
import { realPython } from "../python/pythons.ts";
import { config, flagsOf, place, publishAll } from "./planSweeps.ts";

const shape = { model_type: "llama", hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };

/** A sweep that starts from `from` in a folder with a half-copied checkpoint `half`; the cache of the Hub is empty. */
function published(from: string, env: Record<string, string> = {}) {
  const at = place(config.replace(/^model: .*$/m, `model: {from: ${from}}`));
  mkdirSync(join(at.folder, "half"));
  writeFileSync(join(at.folder, "half", "config.json"), JSON.stringify({ ...shape, vocab_size: 12 }));
  const cache = mkdtempSync(join(tmpdir(), "backtrail-hub-"));
  const io = { ...at.io, env: { PATH: process.env.PATH, BACKTRAIL_PYTHON: realPython, HF_HOME: cache, ...env } };
  return { ...at, io, flags: { ...flagsOf(), mock: false } };
}

/** What a plan says when nothing is made yet. */
async function notes({ io, flags }: Pick<ReturnType<typeof published>, "io" | "flags">): Promise<string[]> {
  const sweep = await loadSweep(io, "tiny.yaml", flags);
  return modelNotes(io, sweep, sweep.plan.stages);
}

describe("a published model", { timeout: 120_000 }, () => {
  it("that a run would refuse is told in the plan, with the reason the run gives", async () => {
    const { io, flags, folder, told } = published("./half");
    expect(await planCommand(io, "tiny.yaml", flags)).toBe(0);
    const reason = `${join(folder, "half")} holds no tokenizer.json`;
    expect(told()).toContain(`\nmodel: a run would refuse it: ${reason}`);
    expect(await planCommand(io, "tiny.yaml", { ...flags, json: true })).toBe(0);
    expect(JSON.parse(told())).toMatchObject({
      notes: [
        `model: a run would refuse it: ${reason} (a tokenizer of the \`tokenizers\` library): copy it there from the model that this one was made from`,
      ],
    });
    await expect(requireModels(io, await loadSweep(io, "tiny.yaml", flags), realPython, {})).rejects.toMatchObject({
      code: "model-not-found",
      message: expect.stringContaining(`model.from: ${reason}`),
    });
  });

  it("of the Hub that is not in the cache is one to fetch, or out of reach", async () => {
    const online = published("o/model");
    expect(await notes(online)).toEqual([
      "o/model is not in the local cache: a run fetches it from the Hub first; without a network give a directory (--set model.from=/path)",
    ]);
    const offline = published("o/model", { HF_HUB_OFFLINE: "1" });
    expect(await notes(offline)).toEqual([
      expect.stringMatching(/^a run would refuse it: o\/model is not in the local cache, and HF_HUB_OFFLINE is set/),
    ]);
  });

  it("is asked for only where a stage that the run may start needs it", async () => {
    const { io, flags, told } = published("./half");
    const set = ["sweep={arms: {direct: {model.from: ./whole}}}"];
    cpSync(join(io.cwd, "half"), join(io.cwd, "whole"), { recursive: true });
    writeFileSync(join(io.cwd, "whole", "tokenizer.json"), "{}");
    writeFileSync(join(io.cwd, "whole", "model.safetensors"), "\u0002\0\0\0\0\0\0\0{}");
    const sweep = await loadSweep(io, "tiny.yaml", { ...flags, set });
    const stagesOf = (...names: string[]) => ({ only: withInputs(sweep.plan, namedStages(sweep.plan, names, "--only")) });
    const refused = expect.objectContaining({
      code: "model-not-found",
      message: expect.stringMatching(/holds no tokenizer\.json.* \(arms base; --only runs others without them\)$/),
    });
    await expect(requireModels(io, sweep, realPython, stagesOf("direct"))).resolves.toBeUndefined();
    await expect(requireModels(io, sweep, realPython, stagesOf("problems base"))).resolves.toBeUndefined();
    await expect(requireModels(io, sweep, realPython, stagesOf("base/b1"))).rejects.toEqual(refused);
    // A training needs its dataset first.
    await expect(requireModels(io, sweep, realPython, { limit: 1 })).resolves.toBeUndefined();
    await expect(requireModels(io, sweep, realPython, { limit: 2 })).rejects.toEqual(refused);
    expect(await planCommand(io, "tiny.yaml", { ...flags, set })).toBe(0);
    expect(told()).toMatch(/^model: a run would refuse it: .* \(arms base; --only runs others without them\)$/m);
  });

  it("is not asked for again where all that needs it is in the store", async () => {
    const at = published("./half");
    const sweep = await publishAll(at, [], 10);
    await expect(requireModels(at.io, sweep, realPython, {})).resolves.toBeUndefined();
    rmSync(join(sweep.storeRoot, "decode", sweep.plan.arms[0]?.decode.greedy as string), { recursive: true });
    // It decodes the checkpoint that training left.
    await expect(requireModels(at.io, sweep, realPython, {})).resolves.toBeUndefined();
  });

  it("is told beside workers that this machine cannot give", async () => {
    const { io, flags, told } = published("./half", { CUDA_VISIBLE_DEVICES: "" });
    expect(await planCommand(io, "tiny.yaml", { ...flags, set: ["workers.gpus=2"] })).toBe(0);
    expect(told()).toContain("\nworkers: a run here would refuse them: workers.gpus is 2, but PyTorch sees no GPU here.");
    const missing = { ...flags, set: ["workers.ranks=2", "workers.deepspeed=nowhere.json"] };
    expect(await planCommand(io, "tiny.yaml", missing)).toBe(0);
    expect(told()).toMatch(/\nworkers: a run here would refuse them: .*nowhere\.json: there is no such file\./);
  });

  it("is not asked for where mock workers stand in", async () => {
    const at = published("./half");
    expect(await notes({ ...at, flags: { ...at.flags, mock: true } })).toEqual([]);
  });

  it("is shown with what stops it", async () => {
    const { io, told } = published("./half");
    expect(await modelShowCommand(io, "half", { json: false })).toBe(0);
    expect(told()).toMatch(/^half: llama\nNOT USABLE {3}.*half holds no tokenizer\.json/);
  });

  it("is shown as JSON with the memory that the text tells, by its uses", async () => {
    const { io, folder, told } = published("./half");
    expect(await modelShowCommand(io, "half", { json: true })).toBe(0);
    const json = JSON.parse(told());
    // 16 wide, 32 inside, 12 tokens, head of its own: embeddings and head, attention, feed-forward, three norms.
    const parameters = 2 * 12 * 16 + 4 * 16 * 16 + 3 * 16 * 32 + 3 * 16;
    expect(json.memoryBytes).toEqual({ train: 16 * parameters, float32: 4 * parameters, bfloat16: 2 * parameters });
    const { train, decode } = json.memoryInAll;
    expect(train).toMatchObject({ tokens: 16_384, bfloat16: { weights: 4 * parameters, optimizer: 8 * parameters } });
    expect(train.bfloat16.activations).toBeGreaterThan(16_384 * 16);
    expect(train.float32.activations).toBeGreaterThan(train.bfloat16.activations);
    // Keys and values, 16 wide, of two bytes a number.
    const cache = 512 * 192 * 2 * 16 * 2;
    expect(decode).toMatchObject({ rows: 512, tokens: 192, bfloat16: { weights: 2 * parameters, cache } });
    for (const { total, ...uses } of [train.float32, train.bfloat16, decode.bfloat16] as Record<string, number>[])
      expect(Object.values(uses).reduce((sum, bytes) => sum + bytes, 0)).toBe(total);
    expect(await modelShowCommand(io, "half", { json: false })).toBe(0);
    const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
    const text = told();
    expect(text).toContain(`in all about ${gib(train.bfloat16.total)} to train with 16384 tokens`);
    expect(text).toContain(`${gib(decode.bfloat16.total)} to decode 512 rows of 192 tokens`);

    writeFileSync(join(folder, "half", "config.json"), JSON.stringify({ model_type: "opt", vocab_size: 12 }));
    expect(await modelShowCommand(io, "half", { json: true })).toBe(0);
    expect(JSON.parse(told())).toMatchObject({ modelType: "opt", memoryInAll: null });
  });
});
