// A directory laid out as the published graph models are, decoded by the config that names the Hub's, without a network.
import { execFile } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { into, root, run, temporary } from "./cli.ts";

const python = process.env.BACKTRAIL_PYTHON ?? join(root, ".venv", "bin", "python");
const folder = join(root, "configs", "published");
const small = ["data.test.seen=3", "data.test.sets=null", "decode.greedy.maxNewTokens=12"].flatMap((set) => ["--set", set]);

/** Weights and config, no tokenizer: 70 tokens and the end, rounded up to 72 rows. */
const makeModel = `
import sys
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM
shape = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
config = GPTNeoXConfig(vocab_size=72, bos_token_id=70, eos_token_id=70, max_position_embeddings=2048, **shape)
GPTNeoXForCausalLM(config).save_pretrained(sys.argv[1])
`;

it("configs/published/graph-neox.yaml decodes one model's directory with the tokenizer beside it", {
  timeout: 180_000,
}, async () => {
  const home = temporary();
  const model = join(home, "model");
  await promisify(execFile)(python, ["-c", makeModel, model]);
  const env = { BACKTRAIL_PYTHON: python, CUDA_VISIBLE_DEVICES: "", HF_HUB_OFFLINE: "1", HF_HOME: join(home, "hub") };
  const arm = "neox-6x4x256";
  const own = ["--only", arm, "--set", `sweep.arms.${arm}={model.from: ${model}}`];
  const command = ["run", join(folder, "graph-neox.yaml"), ...into(home), ...small];
  const without = await run([...command, ...own], { env });
  expect(without.code, without.err).toBe(2);
  expect(without.err).toContain(`${model} holds no tokenizer.json`);
  expect(existsSync(join(home, "store"))).toBe(false);
  copyFileSync(join(folder, "graph-neox.tokenizer.json"), join(model, "tokenizer.json"));
  const { code, err } = await run([...command, ...own], { env });
  expect(code, err).toBe(0);
  const decoded = readdirSync(join(home, "store", "decode"));
  expect(decoded).toHaveLength(1);
  const lines = readFileSync(join(home, "store", "decode", decoded[0] as string, "attempts.jsonl"), "utf8");
  expect(lines.trimEnd().split("\n")).toHaveLength(3);
  const all = await run(command, { env });
  expect(all.code, all.err).toBe(2);
  expect(all.err).toMatch(/nnheui\/gptneox_6x4x128.* is not in the local cache.*\(arms neox-6x4x128; --only runs others/);
});
