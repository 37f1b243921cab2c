// What every worker must do, whatever it is made of: the same cases against the mock and the torch worker.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deriveSeed64 } from "../../src/lib/rng.ts";
import { type ModelSpec, type Params, primitives } from "../../src/protocol/primitives.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { localLauncher } from "../../src/worker/launcher.ts";
import { createPool, type Pool } from "../../src/worker/pool.ts";
import { type Chunk, type Session, SessionLost } from "../../src/worker/port.ts";
import {
  alive,
  keptDirectory,
  startCoordinator,
  tinyModel,
  tokenizerDirectory,
  until,
  workedRows,
  writeShard,
} from "../worker/helpers.ts";

const python = process.env.BACKTRAIL_PYTHON ?? fileURLToPath(new URL("../../.venv/bin/python", import.meta.url));
const patience = { timeout: 180_000 };

const adam = { learningRate: 0.003, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.01, clipNorm: 1 };
const prompts = [
  selfBacktracking.prompt({ puzzle: "countdown", numbers: [3, 5, 7], target: 15 }),
  selfBacktracking.prompt({ puzzle: "countdown", numbers: [45, 39, 2, 10], target: 62 }),
];

interface Completion {
  readonly tokens: readonly number[];
  readonly logprobs: readonly number[];
  readonly text: string;
  readonly ends: readonly number[];
  readonly finish: number;
}

/** Completions by index, and how many chunks they came in. Checks each chunk's shapes on the way. */
async function generate(
  pool: Pool,
  model: ModelSpec,
  prefixes: readonly (readonly number[])[],
  seeds: readonly (readonly (readonly [number, number])[])[],
  changes: Partial<Params<"generate">> = {},
  saw: (kind: "chunk" | "restart") => void = () => undefined,
) {
  const params = {
    model,
    temperature: 1,
    topK: 0,
    topP: 1,
    stops: ["Goal Reached!", "<backtrack>"],
    beams: "independent" as const,
    slots: 0,
    ...changes,
  };
  const flat = seeds.flat();
  const bins = {
    tokens: Int32Array.from(prefixes.flat()),
    lengths: Int32Array.from(prefixes, ({ length }) => length),
    counts: Int32Array.from(seeds, ({ length }) => length),
    seeds: Uint32Array.from(flat.flat()),
    budgets: new Int32Array(flat.length).fill(16),
  };
  const found = new Map<number, Completion>();
  let chunks = 0;
  const onChunk = ({ texts, bins: { completion, lengths, finish, tokens, logprobs, sampledLogprobs, charEnds } }: Chunk) => {
    chunks++;
    saw("chunk");
    let at = 0;
    for (const [row, text] of texts.entries()) {
      const length = lengths?.data[row] as number;
      const part = (bin: typeof tokens) => [...(bin?.data.slice(at, at + length) ?? [])];
      expect(part(sampledLogprobs)).toHaveLength(length);
      found.set(completion?.data[row] as number, {
        tokens: part(tokens),
        logprobs: part(logprobs),
        text,
        ends: part(charEnds),
        finish: finish?.data[row] as number,
      });
      at += length;
    }
  };
  const onRestart = () => {
    found.clear();
    saw("restart");
  };
  const { result } = await pool.free("generate", params, bins, { onChunk, onRestart });
  expect(found.size).toBe(flat.length);
  const all = flat.map((_, index) => found.get(index) as Completion);
  expect(result).toMatchObject({
    completions: flat.length,
    tokens: all.reduce((sum, { tokens }) => sum + tokens.length, 0),
    prefixTokens: bins.tokens.length,
  });
  return { all, chunks };
}

describe.each(["mock", "torch"] as const)("the %s worker", patience, (flavour) => {
  let pool: Pool;
  let model: ModelSpec;
  let tokenizer: string;
  let directory: string;
  let shard: { path: string; sha256: string };

  beforeAll(async () => {
    if (flavour === "torch" && !existsSync(python)) {
      throw new Error(
        `the contract suite needs a Python with torch: ${python} does not exist. Run \`backtrail setup\`, or set BACKTRAIL_PYTHON.`,
      );
    }
    directory = keptDirectory();
    tokenizer = tokenizerDirectory(true);
    model = tinyModel(tokenizer);
    shard = writeShard(workedRows, true);
    const launcher = localLauncher({ flavour, python, environment: process.env });
    pool = await createPool({ launcher, size: 1, threads: 1, device: "cpu", logDirectory: join(directory, "logs") });
  });
  afterAll(() => pool?.close());

  async function inSession<T>(work: (session: Session) => Promise<T>, spec = model): Promise<T> {
    const session = await pool.session();
    try {
      await session.call("load_model", { model: spec, optimizer: { kind: "adamw" } });
      return await work(session);
    } finally {
      await session.close();
    }
  }
  const load = (session: Session, changes: Partial<Params<"load_dataset">> = {}) =>
    session.call("load_dataset", { dataset: "d", shards: [shard], maxTokens: 64, overlong: "refuse", ...changes });
  const tokenize = async (texts: string[]) => {
    const { result, bins } = await pool.free("tokenize", { model, texts });
    let at = 0;
    const rows = Array.from(bins.lengths?.data ?? [], (length) => {
      const row = {
        tokens: [...(bins.tokens?.data.slice(at, at + length) ?? [])],
        ends: [...(bins.charEnds?.data.slice(at, at + length) ?? [])],
      };
      at += length;
      return row;
    });
    return { result, rows };
  };

  it("introduces itself with all primitives, versions, a device and its credit", async () => {
    await pool.free("info", {});
    const [worker] = pool.describe().workers;
    expect(worker).toMatchObject({ flavour, phase: "ready", name: "worker-1" });
    expect(Object.keys(worker?.versions ?? {}).length).toBeGreaterThan(0);
    expect(worker?.pid).toBeGreaterThan(0);
    expect([...(worker?.capabilities ?? [])].sort()).toEqual(Object.keys(primitives).sort());
  });

  it("loads a model from an architecture and a derived tokenizer", async () => {
    const session = await pool.session();
    const { info } = (await session.call("load_model", { model })).result;
    await session.close();
    expect(info).toMatchObject({
      modelType: "llama",
      context: 128,
      dtype: "float32",
      endToken: 1,
      padToken: 0,
      addedTokens: { "<backtrack>": 3 },
    });
    expect(info.vocabulary).toBe(25);
    expect(info.parameters).toBe(25 * 32 + 2 * (4 * 32 * 32 + 3 * 32 * 64 + 2 * 32) + 32);
  });

  it("puts an added token into a reserved one's row, and appends it otherwise", async () => {
    const added = { ...model, version: "added", addTokens: ["<new>"] };
    const reserved = { ...added, version: "reserved", reservedTokens: { "<new>": "<backtrack>" } };
    expect((await pool.free("tokenize", { model: added, texts: ["1<new>"] })).result.addedTokens).toEqual({ "<new>": 25 });
    const answer = await pool.free("tokenize", { model: reserved, texts: ["1<new>"] });
    expect(answer.result.addedTokens).toEqual({ "<new>": 3 });
    expect(answer.bins.tokens?.data.at(-1)).toBe(3);
    const empty = { ...model, version: "empty", addTokens: [""] };
    await expect(pool.free("tokenize", { model: empty, texts: [] })).rejects.toMatchObject({ code: "bad-request" });
  });

  it("tokenizes: one token a piece, character ends in UTF-16 units, no token added", async () => {
    const texts = ["12+3=15\nGoal Reached!", "<backtrack>", ""];
    const { result, rows } = await tokenize(texts);
    expect(result).toEqual({ sequences: 3, endToken: 1, context: 128, addedTokens: { "<backtrack>": 3 } });
    expect(rows[0]?.ends).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 21]);
    expect(rows[1]).toEqual({ tokens: [3], ends: [11] });
    expect(rows[2]).toEqual({ tokens: [], ends: [] });
    // A character without a token would be trained on as something else.
    await expect(tokenize(["1\u{1f600}2"])).rejects.toMatchObject({ code: "tokenizer" });
  });

  it("loads a dataset: lengths, trained tokens and lint follow from the spans", async () => {
    const { rows } = await tokenize(workedRows.map(({ prompt, response }) => prompt + response));
    await inSession(async (session) => {
      const { result, bins } = await load(session);
      expect([...(bins.lengths?.data ?? [])]).toEqual(rows.map(({ tokens }) => tokens.length + 1));
      // Good: 8 + 8 + 8 tokens of three lines, the goal and the end. Bad: one line, the marker and the end; not the wrong line.
      expect([...(bins.trained?.data ?? [])]).toEqual([26, 10]);
      expect(result).toEqual({
        rows: 2,
        tokens: rows.reduce((sum, { tokens }) => sum + tokens.length + 1, 0),
        trainedTokens: 36,
        overlong: 0,
        lint: { rowsWithAddedToken: 1, rowsTrainingAddedToken: 1, rowsTrainingEnd: 2, rowsWithoutTrainedToken: 0 },
      });
    });
  });

  it("counts in the lint what a wrong mask leaves out", async () => {
    const [good, bad] = workedRows as [(typeof workedRows)[0], (typeof workedRows)[0]];
    const wrong = writeShard(
      [
        { ...good, spans: [], trainEnd: false },
        { ...bad, spans: [[0, 8]], trainEnd: false },
      ],
      true,
    );
    await inSession(async (session) => {
      const { lint } = (await load(session, { shards: [wrong] })).result;
      expect(lint).toEqual({
        rowsWithAddedToken: 1,
        rowsTrainingAddedToken: 0,
        rowsTrainingEnd: 0,
        rowsWithoutTrainedToken: 1,
      });
    });
  });

  it("refuses a shard that was changed, and rows that are too long, cuts or drops them if asked", async () => {
    await inSession(async (session) => {
      await expect(load(session, { shards: [{ ...shard, sha256: "0".repeat(64) }] })).rejects.toMatchObject({
        name: "WorkerError",
        code: "digest",
      });
      await expect(load(session, { maxTokens: 40 })).rejects.toMatchObject({ code: "too-long" });
      // The good row has 41 tokens with its end, the bad one 33.
      const dropped = (await load(session, { maxTokens: 40, overlong: "drop" })).result;
      expect(dropped).toMatchObject({ rows: 1, overlong: 1 });
      const cut = await load(session, { maxTokens: 40, overlong: "truncate" });
      expect(cut.result).toMatchObject({ rows: 2, overlong: 1, lint: { rowsTrainingEnd: 1 } });
      expect(Math.max(...(cut.bins.lengths?.data ?? []))).toBe(40);
    });
  });

  /** Both rows, each of their 36 trained tokens with the same weight. */
  const batch = { rows: Int32Array.of(0, 1), weights: new Float32Array(2).fill(1 / 36) };
  async function train(session: Session, from: number, to: number): Promise<number[]> {
    const losses: Promise<number>[] = [];
    const steps: Promise<unknown>[] = [];
    for (let step = from; step <= to; step++) {
      losses.push(
        session.call("forward_backward", { dataset: "d", loss: "cross_entropy" }, batch).then(({ result }) => result.loss),
      );
      steps.push(session.call("optim_step", { step, ...adam }));
    }
    await Promise.all(steps);
    return await Promise.all(losses);
  }

  it("trains, pipelined: the loss is the weighted sum of the nll, it falls, each step answers", async () => {
    await inSession(async (session) => {
      await load(session);
      const first = (await session.call("forward_backward", { dataset: "d", loss: "cross_entropy" }, batch)).result;
      expect(first).toMatchObject({ trainedTokens: 36, tokens: 74 });
      expect(first.loss).toBeCloseTo(first.nll / 36, 4);
      const step = (await session.call("optim_step", { step: 1, ...adam })).result;
      expect(step.step).toBe(1);
      expect(step.gradientNorm).toBeGreaterThan(0);
      const losses = await train(session, 2, 20);
      expect(losses.at(-1)).toBeLessThan((losses[0] as number) * 0.9);
    });
  });

  it("takes rows inline", async () => {
    await inSession(async (session) => {
      const bins = {
        tokens: Int32Array.of(9, 10, 11, 12, 13),
        lengths: Int32Array.of(3, 2),
        tokenWeights: Float32Array.of(0, 1, 1, 0, 0.5),
      };
      const { result } = await session.call("forward_backward", { loss: "cross_entropy" }, bins);
      expect(result).toMatchObject({ tokens: 5, trainedTokens: 3 });
      expect(result.loss).toBeGreaterThan(0);
      expect(result.loss).toBeLessThan(result.nll);
    });
  });

  it("packs: the same sums", async () => {
    await inSession(async (session) => {
      await load(session);
      const call = async (packed: boolean) =>
        (await session.call("forward_backward", { dataset: "d", loss: "cross_entropy", packed }, batch)).result;
      const [apart, packed] = [await call(false), await call(true)];
      expect(packed).toMatchObject({ tokens: apart.tokens, trainedTokens: apart.trainedTokens });
      expect(packed.loss).toBeCloseTo(apart.loss, 4);
    });
  });

  it("takes a policy-gradient loss with advantages, old and, for a KL term, reference log-probs", async () => {
    const bins = {
      tokens: Int32Array.of(9, 10, 11, 12, 13),
      lengths: Int32Array.of(3, 2),
      tokenWeights: Float32Array.of(0, 1, 1, 0, 0.5),
      advantages: Float32Array.of(0, 1, -1, 0, 0.5),
      oldLogprobs: Float32Array.of(0, -4, -4, 0, -4),
    };
    const refLogprobs = Float32Array.of(0, -4, -3, 0, -5);
    const policy = { clipLow: 0.2, clipHigh: 0.28, kl: 0 };
    await inSession(async (session) => {
      const { result } = await session.call("forward_backward", { loss: "policy_gradient", policy }, bins);
      expect(result).toMatchObject({ tokens: 5, trainedTokens: 3, kl: 0, clipped: expect.any(Number) });
      const withKl = { ...policy, kl: 0.1 };
      const held = await session.call(
        "forward_backward",
        { loss: "policy_gradient", policy: withKl },
        { ...bins, refLogprobs },
      );
      expect(held.result.kl).toBeGreaterThan(0);
      const lacking = session.call("forward_backward", { loss: "policy_gradient", policy: withKl }, bins);
      await expect(lacking).rejects.toMatchObject({ code: "bad-request" });
    });
    await inSession(async (session) => {
      const without = session.call("forward_backward", { loss: "policy_gradient" }, bins);
      await expect(without).rejects.toMatchObject({ code: "bad-request", message: expect.stringContaining("policy") });
    });
  });

  it("refuses wrong rows and weights, and the session does not go on after a call that may have half changed the model", async () => {
    await inSession(async (session) => {
      await load(session);
      const wrong = session.call(
        "forward_backward",
        { dataset: "d", loss: "cross_entropy" },
        { ...batch, rows: Int32Array.of(0) },
      );
      const after = session.call("optim_step", { step: 1, ...adam });
      await expect(wrong).rejects.toMatchObject({ code: "bad-request" });
      await expect(after).rejects.toMatchObject({ code: "session" });
    });
    // The worker itself is sound.
    await inSession(async (session) => expect((await load(session)).result.rows).toBe(2));
  });

  it("saves and restores: a replay has the same losses; the checkpoint loads by path", async () => {
    const resume = join(directory, "resume");
    const weights = join(directory, "weights");
    const before = await inSession(async (session) => {
      await load(session);
      await train(session, 1, 4);
      const saved = (await session.call("save", { path: resume, resume: true })).result;
      expect(saved).toEqual({ path: resume, bytes: expect.any(Number) });
      expect(saved.bytes).toBeGreaterThan(0);
      await session.call("save", { path: weights, resume: false });
      return await train(session, 5, 8);
    });
    const again = await inSession(async (session) => {
      await load(session);
      expect((await session.call("restore", { path: resume })).result.step).toBe(4);
      return await train(session, 5, 8);
    });
    expect(again).toEqual(before);
    for (const path of [resume, weights])
      expect(readdirSync(path)).toEqual(expect.arrayContaining(["config.json", "tokenizer.json"]));
    expect(readdirSync(directory).filter((name) => /tmp|part|beside/.test(name))).toEqual([]);
    const byPath = { ...model, version: "saved", source: { kind: "path" as const, path: weights } };
    expect((await pool.free("tokenize", { model: byPath, texts: ["1"] })).result.addedTokens).toEqual({ "<backtrack>": 3 });
    await inSession(async (session) => expect((await load(session)).result.rows).toBe(2), byPath);
  });

  it("says which model is not there", async () => {
    const absent = { ...model, version: "absent", source: { kind: "path" as const, path: join(directory, "absent") } };
    const session = await pool.session();
    await expect(session.call("load_model", { model: absent })).rejects.toMatchObject({
      code: "model-not-found",
      message: expect.stringContaining("absent"),
    });
    await session.close();
    await expect(pool.free("tokenize", { model: absent, texts: ["1"] })).rejects.toMatchObject({ code: "model-not-found" });
  });

  it("refuses a session call that does not begin with load_model", async () => {
    const session = await pool.session();
    await expect(load(session)).rejects.toMatchObject({ code: "session" });
    await session.close();
  });

  it("generates: shapes fit, texts are the tokens', stops and budgets end completions", async () => {
    const { rows } = await tokenize(prompts);
    const seeds = rows.map((_, prefix) => Array.from({ length: 20 }, (__, sample) => deriveSeed64(1, prefix, sample)));
    const { all, chunks } = await generate(
      pool,
      model,
      rows.map(({ tokens }) => tokens),
      seeds,
    );
    expect(chunks).toBeGreaterThan(0);
    for (const { tokens, logprobs, text, ends, finish } of all) {
      expect(ends.at(-1) ?? 0).toBe(text.length);
      expect(ends).toEqual([...ends].sort((a, b) => a - b));
      expect(logprobs.every((value) => value <= 0 && Number.isFinite(value))).toBe(true);
      expect(tokens.length).toBeLessThanOrEqual(16);
      if (finish === 2) expect(tokens).toHaveLength(16);
      expect(finish === 0).toBe(text.endsWith("Goal Reached!") || text.endsWith("<backtrack>"));
      expect(tokens).not.toContain(1);
      expect((await tokenize([text])).rows[0]?.tokens.length).toBeLessThanOrEqual(tokens.length);
    }
  });

  it("generates the same tokens whatever else is in the batch, and the same greedily whatever the seed", async () => {
    const { rows } = await tokenize(prompts);
    const prefixes = rows.map(({ tokens }) => tokens);
    const seeds = prefixes.map((_, prefix) => Array.from({ length: 6 }, (__, sample) => deriveSeed64(2, prefix, sample)));
    const together = (await generate(pool, model, prefixes, seeds)).all;
    const reversed = (await generate(pool, model, [...prefixes].reverse(), [...seeds].reverse(), { slots: 3 })).all;
    const alone: Completion[] = [];
    for (const [index, prefix] of prefixes.entries()) {
      for (const seed of seeds[index] ?? []) alone.push(...(await generate(pool, model, [prefix], [[seed]])).all);
    }
    const tokens = (completions: readonly Completion[]) => completions.map((completion) => completion.tokens);
    expect(tokens(alone)).toEqual(tokens(together));
    expect(tokens([...reversed.slice(6), ...reversed.slice(0, 6)])).toEqual(tokens(together));
    for (const [index, { logprobs }] of alone.entries()) {
      for (const [at, value] of logprobs.entries())
        expect(Math.abs(value - (together[index]?.logprobs[at] as number))).toBeLessThan(1e-4);
    }
    expect(new Set(tokens(together).map(String)).size).toBeGreaterThan(2);
    const greedy = (await generate(pool, model, prefixes, seeds, { temperature: 0 })).all;
    for (const [index, completion] of greedy.entries()) expect(completion.tokens).toEqual(greedy[index < 6 ? 0 : 6]?.tokens);
  });

  it("gives no completions for no prefixes", async () => {
    expect((await generate(pool, model, [], [])).all).toEqual([]);
  });

  it("refuses bins that do not fit together", async () => {
    const params = { model, temperature: 1, topK: 0, topP: 1, stops: [], beams: "independent" as const, slots: 0 };
    const good = {
      tokens: Int32Array.of(9, 9),
      lengths: Int32Array.of(2),
      counts: Int32Array.of(1),
      seeds: Uint32Array.of(1, 2),
      budgets: Int32Array.of(4),
    };
    for (const bad of [
      { lengths: Int32Array.of(3) },
      { tokens: new Int32Array(0), lengths: Int32Array.of(0) },
      { counts: Int32Array.of(2) },
      { budgets: Int32Array.of(4, 4) },
      { tokens: Float32Array.of(1, 2) },
    ]) {
      await expect(pool.free("generate", params, { ...good, ...bad })).rejects.toMatchObject({ code: "bad-request" });
    }
  });

  it("scores: one log-probability a token, zero for the first, and those of named tokens at each position", async () => {
    const bins = { tokens: Int32Array.of(9, 10, 11, 12, 13), lengths: Int32Array.of(3, 2) };
    const { result, bins: out } = await pool.free("score", { model, named: [3, 1] }, bins);
    expect(result).toEqual({ sequences: 2, tokens: 5 });
    const logprobs = [...(out.logprobs?.data ?? [])];
    expect([logprobs[0], logprobs[3]]).toEqual([0, 0]);
    expect([1, 2, 4].every((index) => (logprobs[index] as number) < 0)).toBe(true);
    expect(out.named).toMatchObject({ type: "float32", shape: [5, 2] });
    const plain = await pool.free("score", { model, named: [] }, bins);
    expect([...(plain.bins.logprobs?.data ?? [])]).toEqual(logprobs);
  });

  it("refuses an unknown primitive and unknown or wrong params with bad-request", async () => {
    const call = pool.free.bind(pool) as (name: string, params: unknown) => Promise<unknown>;
    await expect(call("forward_backwards", {})).rejects.toMatchObject({
      code: "bad-request",
      message: /unknown primitive "forward_backwards"/,
    });
    await expect(call("tokenize", { model })).rejects.toMatchObject({ code: "bad-request" });
    await expect(call("info", { extra: 1 })).rejects.toMatchObject({ code: "bad-request" });
    await expect(call("optim_step", { step: 1, ...adam })).rejects.toMatchObject({ code: "bad-request" });
  });

  it("gives up a cancelled call and takes the next", async () => {
    const { rows } = await tokenize(prompts.slice(0, 1));
    const prefix = rows[0]?.tokens as number[];
    const count = 20_000;
    const params = { model, temperature: 1, topK: 0, topP: 1, stops: [], beams: "independent" as const, slots: 64 };
    const bins = {
      tokens: Int32Array.from(prefix),
      lengths: Int32Array.of(prefix.length),
      counts: Int32Array.of(count),
      seeds: Uint32Array.from({ length: 2 * count }, (_, index) => index),
      budgets: new Int32Array(count).fill(100),
    };
    const controller = new AbortController();
    let completions = 0;
    const onChunk = ({ texts }: Chunk) => {
      completions += texts.length;
      controller.abort();
    };
    await expect(pool.free("generate", params, bins, { signal: controller.signal, onChunk })).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(completions).toBeLessThan(count);
    expect((await tokenize(["1"])).rows).toHaveLength(1);
    expect(pool.describe().workers[0]?.name).toBe("worker-1");
  });

  it("holds the models used last, as the pool believes it does, and tells its memory and what it could not read", async () => {
    const versions = ["first", "second", "third"];
    for (const version of versions)
      await pool.free(
        "score",
        { model: { ...model, version }, named: [] },
        { tokens: Int32Array.of(3), lengths: Int32Array.of(1) },
      );
    const { models } = (await pool.free("info", {})).result;
    const described = () => pool.describe().workers[0];
    expect(models).toEqual(["second", "third"]);
    expect(described()?.models).toEqual(models);
    await until(() => (described()?.memoryBytes ?? 0) > 0);
    expect(described()).toMatchObject({ call: "", malformedByWorker: 0, gpus: 0 });
    expect((described()?.deviceMemoryBytes ?? 0) > 0).toBe(flavour === "torch");
  });

  it("reports what it holds", async () => {
    await inSession(async () => {
      // Free calls never run beside a session: the next one waits for its end.
    });
    const { result } = await pool.free("info", {});
    expect(result.sessions).toEqual([]);
    expect(result.memoryBytes).toBeGreaterThan(1e6);
  });

  it("killed in mid-call is replaced: the call is answered once, its chunks are whole; a session is lost", async () => {
    const { rows } = await tokenize(prompts.slice(0, 1));
    const prefix = rows[0]?.tokens as number[];
    const seeds = [Array.from({ length: 2000 }, (_, sample) => deriveSeed64(3, sample))];
    const undisturbed = (await generate(pool, model, [prefix], seeds)).all;
    const before = pool.describe().workers[0];
    const seen: string[] = [];
    const disturbed = await generate(pool, model, [prefix], seeds, {}, (kind) => {
      seen.push(kind);
      if (seen.length === 1) process.kill(before?.pid as number, "SIGKILL");
    });
    expect(seen.filter((kind) => kind === "restart")).toHaveLength(1);
    expect(disturbed.all.map(({ tokens }) => tokens)).toEqual(undisturbed.map(({ tokens }) => tokens));
    const session = await pool.session();
    await session.call("load_model", { model });
    const pending = session.call("save", { path: join(directory, "never"), resume: false });
    const lost = expect(pending).rejects.toBeInstanceOf(SessionLost);
    process.kill(pool.describe().workers[0]?.pid as number, "SIGKILL");
    await lost;
    await session.close();
    expect((await pool.free("info", {})).result.sessions).toEqual([]);
    expect(pool.describe().workers[0]?.name).toBe("worker-1.3");
  });

  it("does not outlive a coordinator that is killed with SIGKILL", async () => {
    const { child, workers } = await startCoordinator(flavour, python);
    expect(workers.map(alive)).toEqual([true, true]);
    process.kill(workers[0] as number, "SIGSTOP");
    child.kill("SIGKILL");
    await until(() => !workers.some(alive));
    expect(workers.map(alive)).toEqual([false, false]);
  });

  it("leaves in order when the pool closes, with exit code 0", async () => {
    const exits: unknown[] = [];
    const inner = localLauncher({ flavour, python, environment: process.env });
    const launcher = {
      ...inner,
      launch: (...args: Parameters<typeof inner.launch>) => {
        const worker = inner.launch(...args);
        void worker.exited.then((exit) => exits.push(exit));
        return worker;
      },
    };
    const logs = join(directory, "logs-of-the-last");
    const own = await createPool({ launcher, size: 1, threads: 1, device: "cpu", logDirectory: logs });
    await own.free("info", {});
    const pid = own.describe().workers[0]?.pid as number;
    await own.close();
    expect(exits).toEqual([{ code: 0, signal: null }]);
    expect(alive(pid)).toBe(false);
  });

  it("refuses settings that are not its own", async () => {
    const launcher = localLauncher({ flavour, python, environment: process.env });
    const own = await createPool({
      launcher,
      size: 1,
      logDirectory: join(directory, "x"),
      mock: { nonsense: 1 },
      timeouts: { restart: 10 },
    });
    try {
      await expect(own.free("info", {})).rejects.toMatchObject({ code: "no-workers", message: /nonsense/ });
    } finally {
      await own.close();
    }
  });
});
