// The mock's models and their directories: config.json, tokenizer.json, tokenizer_config.json and mock.json, which stands
// for the weights. Written beside, then renamed, as the torch worker does.
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import type { ModelInfo, ModelSpec } from "../../protocol/primitives.ts";
import { JobError } from "./jobError.ts";
import { MockTokenizer, readTokenizerFile, type TokenizerFile, withToken } from "./tokenizer.ts";

const mockFile = z.strictObject({
  /** Whether training rows held an added token: only then does the model ever emit it. */
  backtrack: z.boolean(),
  format: z.string().optional(),
  step: z.number().int().nonnegative(),
  /** Whether `restore` may read it. */
  resume: z.boolean(),
});

export interface MockModel {
  readonly spec: ModelSpec;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tokenizerFile: TokenizerFile;
  readonly tokenizerConfig: Readonly<Record<string, unknown>>;
  readonly tokenizer: MockTokenizer;
  readonly info: ModelInfo;
  backtrack: boolean;
  /** Name of the format that training rows were in; undefined before any. */
  format: string | undefined;
  step: number;
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new JobError("model-not-found", `${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function readOptional(file: string): Promise<Record<string, unknown>> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** A model from an architecture or a mock checkpoint. */
export async function loadMockModel(spec: ModelSpec): Promise<MockModel> {
  const { source } = spec;
  if (source.kind === "hub") throw new JobError("model-not-found", `the mock worker cannot load ${source.id} from the Hub`);
  const fresh = source.kind === "architecture";
  const directory = fresh ? source.tokenizer : source.path;
  const config = fresh ? source.config : ((await readJson(join(directory, "config.json"))) as Record<string, unknown>);
  const state = fresh
    ? { backtrack: false, step: 0, format: undefined }
    : mockFile.parse(await readJson(join(directory, "mock.json")));
  let file = readTokenizerFile(await readJson(join(directory, "tokenizer.json")));
  for (const token of spec.addTokens) file = withToken(file, token, spec.reservedTokens[token]);
  const tokenizerConfig = await readOptional(join(directory, "tokenizer_config.json"));
  const tokenizer = new MockTokenizer(file);
  const info = describe(spec, config, tokenizerConfig, tokenizer);
  return {
    spec,
    config,
    tokenizerFile: file,
    tokenizerConfig,
    tokenizer,
    info,
    backtrack: state.backtrack,
    format: state.format,
    step: state.step,
  };
}

function whole(value: unknown, otherwise: number): number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : otherwise;
}

function describe(
  spec: ModelSpec,
  config: Readonly<Record<string, unknown>>,
  tokenizerConfig: Readonly<Record<string, unknown>>,
  tokenizer: MockTokenizer,
): ModelInfo {
  const named = (key: string) => (typeof tokenizerConfig[key] === "string" ? tokenizer.id(tokenizerConfig[key]) : undefined);
  const endToken = named("eos_token") ?? whole(config.eos_token_id, tokenizer.id("<eos>") ?? 0);
  const width = whole(config.hidden_size, 64);
  const layers = whole(config.num_hidden_layers, 2);
  const inner = whole(config.intermediate_size, 4 * width);
  return {
    modelType: typeof config.model_type === "string" ? config.model_type : "mock",
    parameters: tokenizer.size * width + layers * (4 * width * width + 3 * width * inner + 2 * width) + width,
    vocabulary: tokenizer.size,
    context: whole(config.max_position_embeddings, 128),
    endToken,
    padToken: named("pad_token") ?? endToken,
    addedTokens: Object.fromEntries(spec.addTokens.map((token) => [token, tokenizer.id(token) as number])),
    dtype: spec.dtype,
    device: "cpu",
    memoryBytes: process.memoryUsage().rss,
  };
}

/** Removes what stands beside a directory under its name; also of a worker that was killed meanwhile. */
async function dropDrafts(path: string): Promise<void> {
  const present = await readdir(dirname(path)).catch(() => []);
  const drafts = present.filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith(".tmp"));
  for (const name of drafts) await rm(join(dirname(path), name), { recursive: true, force: true });
}

/** Writes the model's directory; returns its size in bytes. */
export async function saveMockModel(model: MockModel, path: string, resume: boolean): Promise<number> {
  const beside = `${path}.${process.pid}.tmp`;
  const files = {
    "config.json": { ...model.config, vocab_size: model.info.vocabulary },
    "tokenizer.json": model.tokenizerFile,
    "tokenizer_config.json": model.tokenizerConfig,
    "mock.json": { backtrack: model.backtrack, format: model.format, step: model.step, resume },
  };
  try {
    await dropDrafts(path);
    await mkdir(beside, { recursive: true });
    let bytes = 0;
    for (const [name, value] of Object.entries(files)) {
      const text = `${JSON.stringify(value)}\n`;
      await writeFile(join(beside, name), text);
      bytes += Buffer.byteLength(text);
    }
    await rm(path, { recursive: true, force: true });
    await rename(beside, path);
    return bytes;
  } catch (error) {
    await dropDrafts(path);
    throw new JobError("save-failed", `cannot save to ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Takes the state of a directory that `save` with `resume` wrote. */
export async function restoreMockModel(model: MockModel, path: string): Promise<number> {
  const state = mockFile.parse(await readJson(join(path, "mock.json")));
  if (!state.resume) throw new JobError("bad-request", `${path} holds no optimizer state: it was saved without resume`);
  model.backtrack = state.backtrack;
  model.format = state.format;
  model.step = state.step;
  return state.step;
}
