// What each primitive does in the mock: params and bins in, result and bins out, without tensors. Knows nothing of sockets.
import { deriveSeed } from "../../lib/rng.ts";
import type { IncomingBins, OutgoingBin, OutgoingBins } from "../../protocol/codec.ts";
import { type ModelSpec, type Params, type PrimitiveName, primitives } from "../../protocol/primitives.ts";
import { numbers, sequences } from "./bins.ts";
import { loadMockModel, type MockModel, restoreMockModel, saveMockModel } from "./checkpoint.ts";
import { loadMockDataset, type MockDataset } from "./dataset.ts";
import { forwardMock } from "./forward.ts";
import { completeMock, type MockCompletion } from "./generate.ts";
import { JobError } from "./jobError.ts";
import type { Noise } from "./oracle.ts";

export const mockVersions = { mock: "1", node: process.versions.node };
const completionsPerChunk = 32;
/** Of the hidden states that `score` makes up. */
const hiddenWidth = 4;

interface MockSession {
  readonly model: MockModel;
  readonly datasets: Map<string, MockDataset>;
}

/** What a call may do besides returning: send chunks, show progress, notice a cancel. */
export interface CallContext {
  readonly session: string;
  /** Resolves when the coordinator's window has room for the next. Throws JobError("cancelled"). */
  chunk(texts: string[], bins: OutgoingBins): Promise<void>;
  /** Gives the worker's socket a turn. Throws JobError("cancelled"). */
  progress(done: number, total: number): Promise<void>;
}

export interface CallResult {
  readonly result: Record<string, unknown>;
  readonly bins?: OutgoingBins;
}

/** Uniform in [0, 1), a function of the parts alone. */
function noiseOf(...parts: (string | number)[]): number {
  return deriveSeed("mock", ...parts)[0] / 0x100000000;
}

export class MockPrimitives {
  readonly #noise: Noise;
  readonly #modelsKept: number;
  /** The least recently used one first. */
  readonly #models = new Map<string, Promise<MockModel>>();
  readonly #sessions = new Map<string, MockSession>();

  constructor(noise: Noise, modelsKept: number) {
    this.#noise = noise;
    this.#modelsKept = modelsKept;
  }

  /** Runs one call. Throws JobError. */
  async run(
    name: string,
    params: Readonly<Record<string, unknown>>,
    bins: IncomingBins,
    context: CallContext,
  ): Promise<CallResult> {
    if (!Object.hasOwn(primitives, name))
      throw new JobError("bad-request", `unknown primitive "${name}"; there is: ${Object.keys(primitives).join(", ")}`);
    const primitive = name as PrimitiveName;
    const parsed = primitives[primitive].params.safeParse(params);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new JobError("bad-request", `${name}: "${issue?.path.map(String).join(".") ?? ""}": ${issue?.message ?? "wrong"}`);
    }
    return await this.#table[primitive](parsed.data, bins, context);
  }

  // biome-ignore lint/suspicious/noExplicitAny: `run` has checked the params against the schema of the same name.
  readonly #table: Record<PrimitiveName, (params: any, bins: IncomingBins, context: CallContext) => Promise<CallResult>> = {
    load_model: async (params: Params<"load_model">, _bins, context) => {
      const model = await loadMockModel(params.model);
      this.#sessions.set(context.session, { model, datasets: new Map() });
      return { result: { info: model.info } };
    },
    load_dataset: (params: Params<"load_dataset">, _bins, context) => this.#loadDataset(params, context),
    forward_backward: async (params: Params<"forward_backward">, bins, context) => {
      const { model, datasets } = this.#session(context);
      return { result: forwardMock(model, datasets, params, bins) };
    },
    optim_step: async (params: Params<"optim_step">, _bins, context) => {
      const { model } = this.#session(context);
      if (params.step !== model.step + 1)
        throw new JobError("bad-request", `optim_step ${params.step} follows step ${model.step}; expected ${model.step + 1}`);
      model.step = params.step;
      return { result: { step: params.step, gradientNorm: 0.5 + noiseOf("norm", params.step) } };
    },
    save: async (params: Params<"save">, _bins, context) => {
      const bytes = await saveMockModel(this.#session(context).model, params.path, params.resume);
      return { result: { path: params.path, bytes } };
    },
    restore: async (params: Params<"restore">, _bins, context) => ({
      result: { step: await restoreMockModel(this.#session(context).model, params.path) },
    }),
    generate: (params: Params<"generate">, bins, context) => this.#generate(params, bins, context),
    score: (params: Params<"score">, bins) => this.#score(params, bins),
    tokenize: (params: Params<"tokenize">) => this.#tokenize(params),
    info: async () => ({
      result: {
        models: [...this.#models.keys()],
        sessions: [...this.#sessions.keys()],
        memoryBytes: process.memoryUsage().rss,
        versions: mockVersions,
      },
    }),
    unload: async (_params, _bins, context) => {
      this.#sessions.delete(context.session);
      return { result: {} };
    },
  };

  #session(context: CallContext): MockSession {
    const session = this.#sessions.get(context.session);
    if (!session) throw new JobError("session", `session "${context.session}" has no model: load_model comes first`);
    return session;
  }

  #model(spec: ModelSpec): Promise<MockModel> {
    const kept = this.#models.get(spec.version);
    this.#models.delete(spec.version);
    for (const version of this.#models.keys()) if (this.#models.size >= this.#modelsKept) this.#models.delete(version);
    const model = kept ?? loadMockModel(spec);
    this.#models.set(spec.version, model);
    if (kept) return kept;
    // For the test that calls go where their model is.
    process.stderr.write(`loads ${spec.version}\n`);
    // A model that could not be loaded may be there the next time.
    model.catch(() => this.#models.delete(spec.version));
    return model;
  }

  async #loadDataset(params: Params<"load_dataset">, context: CallContext): Promise<CallResult> {
    const session = this.#session(context);
    const dataset = await loadMockDataset(session.model, params);
    session.datasets.set(params.dataset, dataset);
    const { rows, overlong, lint } = dataset;
    const lengths = Int32Array.from(rows, (row) => row.length);
    const trained = Int32Array.from(rows, (row) => row.trained);
    const total = (array: Int32Array) => array.reduce((sum, value) => sum + value, 0);
    return {
      result: { rows: rows.length, tokens: total(lengths), trainedTokens: total(trained), overlong, lint },
      bins: { lengths, trained },
    };
  }

  async #generate(params: Params<"generate">, bins: IncomingBins, context: CallContext): Promise<CallResult> {
    const model = await this.#model(params.model);
    const prefixes = sequences(bins);
    const counts = numbers(bins, "counts", "int32");
    const seeds = numbers(bins, "seeds", "uint32");
    const budgets = numbers(bins, "budgets", "int32");
    const owners = counts.flatMap((count, index) => Array.from({ length: count }, () => index));
    if (counts.length !== prefixes.length || seeds.length !== 2 * owners.length || budgets.length !== owners.length) {
      throw new JobError(
        "bad-request",
        `${prefixes.length} prefixes, ${counts.length} counts, ${seeds.length} seed words and ${budgets.length} budgets do not fit together`,
      );
    }
    let tokens = 0;
    for (let first = 0; first < owners.length; first += completionsPerChunk) {
      const indices = owners.slice(first, first + completionsPerChunk).map((_, offset) => first + offset);
      const done = indices.map((index) => {
        const seed = [seeds[2 * index] as number, seeds[2 * index + 1] as number] as const;
        return completeMock(
          model,
          { prefix: prefixes[owners[index] as number] as number[], seed, budget: budgets[index] as number },
          params,
          this.#noise,
        );
      });
      tokens += done.reduce((sum, completion) => sum + completion.tokens.length, 0);
      await context.chunk(
        done.map((completion) => completion.text),
        chunkBins(indices, done),
      );
      await context.progress(indices.length + first, owners.length);
    }
    const prefixTokens = prefixes.reduce((sum, prefix, index) => sum + (counts[index] === 0 ? 0 : prefix.length), 0);
    return { result: { completions: owners.length, tokens, prefixTokens } };
  }

  async #score(params: Params<"score">, bins: IncomingBins): Promise<CallResult> {
    const model = await this.#model(params.model);
    const all = sequences(bins);
    const logprobs = all.flatMap((sequence) =>
      sequence.map((token, index) =>
        index === 0 ? 0 : -0.01 - 0.5 * noiseOf(model.spec.version, model.tokenizer.decode(sequence.slice(0, index)), token),
      ),
    );
    const named = all.flatMap((sequence) =>
      sequence.flatMap((_, index) =>
        params.named.map(
          (token) => -0.01 - 5 * noiseOf(model.spec.version, model.tokenizer.decode(sequence.slice(0, index + 1)), token),
        ),
      ),
    );
    const out: Record<string, OutgoingBin> = { logprobs: Float32Array.from(logprobs) };
    const result = { sequences: all.length, tokens: logprobs.length };
    if (params.named.length > 0) out.named = { data: Float32Array.from(named), shape: [logprobs.length, params.named.length] };
    const layers = params.hidden ?? [];
    if (layers.length > 0) {
      const hidden = logprobs.flatMap((_, at) =>
        layers.flatMap((layer) => Array.from({ length: hiddenWidth }, (_, unit) => noiseOf("hidden", at, layer, unit))),
      );
      out.hidden = { data: Float32Array.from(hidden), shape: [logprobs.length, layers.length, hiddenWidth] };
    }
    return { result, bins: out };
  }

  async #tokenize(params: Params<"tokenize">): Promise<CallResult> {
    const { info, tokenizer } = await this.#model(params.model);
    const encoded = params.texts.map((text) => tokenizer.encode(text));
    for (const [index, { tokens }] of encoded.entries()) {
      const back = tokenizer.decode(tokens);
      const text = params.texts[index];
      if (back === text) continue;
      throw new JobError(
        "tokenizer",
        `this tokenizer does not restore texts: ${JSON.stringify(text)} comes back as ${JSON.stringify(back)}`,
      );
    }
    return {
      result: { sequences: encoded.length, endToken: info.endToken, context: info.context, addedTokens: info.addedTokens },
      bins: {
        tokens: Int32Array.from(encoded.flatMap(({ tokens }) => tokens)),
        lengths: Int32Array.from(encoded, ({ tokens }) => tokens.length),
        charEnds: Int32Array.from(encoded.flatMap(({ ends }) => ends)),
      },
    };
  }
}

function chunkBins(indices: readonly number[], done: readonly MockCompletion[]): OutgoingBins {
  return {
    completion: Int32Array.from(indices),
    lengths: Int32Array.from(done, ({ tokens }) => tokens.length),
    finish: Uint8Array.from(done, ({ finish }) => finish),
    tokens: Int32Array.from(done.flatMap(({ tokens }) => tokens)),
    logprobs: Float32Array.from(done.flatMap(({ logprobs }) => logprobs)),
    sampledLogprobs: Float32Array.from(done.flatMap(({ sampled }) => sampled)),
    charEnds: Int32Array.from(done.flatMap(({ ends }) => ends)),
  };
}
