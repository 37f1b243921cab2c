// The steps of one session: from the resume point to the end, or until the session is lost or the run is interrupted.
// Invariants: answers are recorded in the order of steps, each step once; a resume point is recorded only after the
// metrics up to its step are on disk and its losses are known to be finite.
import { abortError } from "../lib/abort.ts";
import { UserError } from "../lib/errors.ts";
import type { MaskLint, ModelInfo } from "../protocol/primitives.ts";
import type { Answer, Session } from "../worker/port.ts";
import type { ResumePoint, StepRecord } from "./journal.ts";
import { checkMask } from "./lint.ts";
import { type MicroLimit, microBatches, packs, unpackedBecause } from "./microBatches.ts";
import { learningRate, rowsOfStep } from "./schedule.ts";
import type { SftInputs, SftResult } from "./sftTypes.ts";

export interface SessionRun {
  readonly inputs: SftInputs;
  readonly session: Session;
  readonly steps: number;
  /** Where to start; undefined = from the initial weights. */
  readonly point: ResumePoint | undefined;
  /** Told of every resume point once it is on disk. */
  readonly recorded: (point: ResumePoint) => void;
  /** What a forward pass may hold by the settings, and since memory ran out; undefined = it never did. */
  readonly asSet: MicroLimit;
  readonly halved: MicroLimit | undefined;
  /** What to say with every step's progress. */
  readonly notice: string | undefined;
  /** Told how many examples a forward pass gets, before it is sent. */
  readonly sending: (examples: number) => void;
}

/** A step whose answers are not in yet. */
interface InFlight {
  readonly step: number;
  readonly tokens: number;
  readonly trainedTokens: number;
  readonly learningRate: number;
  readonly microBatch: number;
  readonly answers: Promise<{
    readonly losses: readonly Answer<"forward_backward">[];
    readonly update: Answer<"optim_step">;
    readonly at: number;
  }>;
  /** The resume checkpoint taken after this step, if one is due. */
  readonly saved?: { readonly path: string; readonly answer: Promise<unknown> };
}

interface Loaded {
  readonly info: ModelInfo;
  readonly lint: MaskLint;
  /** Per row: all tokens, trained tokens. */
  readonly lengths: Int32Array;
  readonly trained: Int32Array;
  readonly packed: boolean;
}

const dataset = "train";
/** Steps sent before the oldest answer is awaited. Long steps hide the round trip with fewer, and stop sooner on Ctrl-C. */
const depth = { short: 4, long: 2, longSeconds: 0.5 };

/** Runs a session to the end of training and saves the final checkpoint. Rejects with SessionLost when the worker goes. */
export async function runSession(run: SessionRun): Promise<Omit<SftResult, "restarts">> {
  const { inputs, session, steps, point } = run;
  const loaded = await load(run);
  const totals = { tokens: point?.tokens ?? 0, trainedTokens: point?.trainedTokens ?? 0, loss: point?.loss ?? Number.NaN };
  const collector = new Collector(run, totals, loaded.packed);
  const pipeline: InFlight[] = [];
  for (let step = (point?.step ?? 0) + 1; step <= steps && !inputs.signal?.aborted; step++) {
    while (pipeline.length >= collector.depth) await collector.collect(pipeline.shift() as InFlight);
    if (inputs.signal?.aborted) break;
    pipeline.push(await send(run, loaded, step));
  }
  for (const inFlight of pipeline) await collector.collect(inFlight);
  if (inputs.signal?.aborted) {
    await collector.saveAtInterrupt();
    throw abortError(inputs.signal);
  }
  await inputs.journal.sync();
  await inputs.journal.discard(inputs.outputDirectory);
  await session.call("save", { path: inputs.outputDirectory, resume: false });
  return {
    steps,
    tokens: totals.tokens,
    trainedTokens: totals.trainedTokens,
    finalLoss: totals.loss,
    examplesSeen: steps * inputs.settings.batch.examples,
    lint: loaded.lint,
    info: loaded.info,
  };
}

/** Model, data and, when resuming, the state of the checkpoint. */
async function load({ inputs, session, point }: SessionRun): Promise<Loaded> {
  const { gradientCheckpointing, compile, batch, lora } = inputs.settings;
  const wanted = {
    model: inputs.model,
    optimizer: { kind: "adamw" as const },
    gradientCheckpointing,
    compile,
    ...(lora === undefined ? {} : { lora: { ...lora, seed: inputs.seed } }),
  };
  const { info } = (await session.call("load_model", wanted)).result;
  for (const notice of [unpackedBecause(batch.packing, info), unshardedBecause(inputs, info)])
    if (notice !== undefined) inputs.onNotice?.(notice);
  const answer = await session.call("load_dataset", {
    dataset,
    shards: inputs.shards.map(({ path, sha256 }) => ({ path, sha256 })),
    maxTokens: inputs.settings.maxTokens,
    overlong: "refuse",
  });
  const { rows, lint } = answer.result;
  const lengths = answer.bins.lengths?.data;
  const trained = answer.bins.trained?.data;
  if (
    !(lengths instanceof Int32Array) ||
    !(trained instanceof Int32Array) ||
    lengths.length !== rows ||
    trained.length !== rows
  ) {
    throw new Error(`load_dataset: ${rows} rows, but "lengths" and "trained" are not int32 arrays of that length`);
  }
  if (rows !== inputs.examples) throw new Error(`load_dataset: ${rows} rows, but the dataset has ${inputs.examples} examples`);
  checkMask(lint, rows, inputs.model.addTokens);
  if (point) {
    const restored = (await session.call("restore", { path: point.path })).result.step;
    if (restored !== point.step) throw new Error(`${point.path} holds step ${restored}, the journal says ${point.step}`);
  }
  // Copies: received arrays may be views of the transport's memory and are kept for the whole run.
  return { info, lint, lengths: lengths.slice(), trained: trained.slice(), packed: packs(batch.packing, info) };
}

/** What to say where ranks were to share out the training state and do not. */
function unshardedBecause({ sharded }: SftInputs, { ranks, sharding }: ModelInfo): string | undefined {
  if (!sharded || sharding !== "none") return undefined;
  return `DeepSpeed is not installed or does not import (see doctor): each of ${ranks} ranks keeps the whole training state (same results, more memory)`;
}

/** Sends one step: its micro-batches, the update and, when due, the checkpoint. Does not wait for answers. */
async function send({ inputs, session, steps, ...run }: SessionRun, loaded: Loaded, step: number): Promise<InFlight> {
  const { settings } = inputs;
  const { packed } = loaded;
  const rows = rowsOfStep(inputs.seed, step, settings.batch.examples, inputs.examples);
  let tokens = 0;
  let trainedTokens = 0;
  for (const row of rows) {
    tokens += loaded.lengths[row] as number;
    trainedTokens += loaded.trained[row] as number;
  }
  const weight = trainedTokens === 0 ? 0 : 1 / trainedTokens;
  const parts = microBatches(rows, (row) => loaded.lengths[row] as number, run.halved ?? run.asSet, packed);
  const microBatch = Math.max(...parts.map(({ length }) => length));
  run.sending(microBatch);
  const losses = parts.map((part) => {
    const weights = new Float32Array(part.length).fill(weight);
    return session.call("forward_backward", { dataset, loss: "cross_entropy", packed }, { rows: part, weights });
  });
  const rate = learningRate(settings, step, steps);
  const [beta1, beta2] = settings.betas;
  const { epsilon, weightDecay, clip: clipNorm } = settings;
  const update = session.call("optim_step", { step, learningRate: rate, beta1, beta2, epsilon, weightDecay, clipNorm });
  const timed = update.then((answer) => ({ update: answer, at: performance.now() }));
  const answers = Promise.all([Promise.all(losses), timed]).then(([all, last]) => ({ losses: all, ...last }));
  // Awaited later, in order; until then a lost session must not count as an unhandled rejection.
  answers.catch(() => {});
  const inFlight = { step, tokens, trainedTokens, learningRate: rate, microBatch, answers };
  if (step % settings.checkpointEvery !== 0 || step === steps) return inFlight;
  const path = checkpointPath(inputs, step);
  await inputs.journal.discard(path);
  const answer = session.call("save", { path, resume: true });
  answer.catch(() => {});
  return { ...inFlight, saved: { path, answer } };
}

function checkpointPath(inputs: SftInputs, step: number): string {
  return `${inputs.workDirectory}/checkpoint-${step}`;
}

/** Takes answers in order into the journal and keeps the totals. */
class Collector {
  readonly #run: SessionRun;
  readonly #totals: { tokens: number; trainedTokens: number; loss: number };
  readonly #packed: boolean;
  #point: ResumePoint | undefined;
  #step: number;
  #lastAt = performance.now();
  #smoothSeconds = 0;
  depth = depth.short;

  constructor(run: SessionRun, totals: { tokens: number; trainedTokens: number; loss: number }, packed: boolean) {
    this.#run = run;
    this.#totals = totals;
    this.#packed = packed;
    this.#point = run.point;
    this.#step = run.point?.step ?? 0;
  }

  async collect(inFlight: InFlight): Promise<void> {
    const { inputs, halved } = this.#run;
    const { losses, update, at } = await inFlight.answers;
    const loss = losses.reduce((sum, answer) => sum + answer.result.loss, 0);
    const trained = losses.reduce((sum, answer) => sum + answer.result.trainedTokens, 0);
    const { gradientNorm } = update.result;
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) throw diverged(inFlight, loss, gradientNorm);
    if (trained !== inFlight.trainedTokens) {
      throw new Error(
        `step ${inFlight.step}: the worker trained ${trained} tokens, the dataset counts ${inFlight.trainedTokens}`,
      );
    }
    const seconds = Math.max(1e-6, (at - this.#lastAt) / 1000);
    this.#lastAt = at;
    this.#totals.tokens += inFlight.tokens;
    this.#totals.trainedTokens += inFlight.trainedTokens;
    this.#totals.loss = loss;
    this.#step = inFlight.step;
    const epoch = Number(((inFlight.step * inputs.settings.batch.examples) / inputs.examples).toFixed(6));
    const { step, learningRate: rate, tokens, trainedTokens, microBatch } = inFlight;
    const tokensPerSecond = Number((tokens / seconds).toFixed(1));
    await inputs.journal.append({
      step,
      epoch,
      loss,
      learningRate: rate,
      gradientNorm,
      tokens,
      trainedTokens,
      microBatch,
      ...(halved === undefined ? {} : { halvedTo: halved.rows }),
      packed: this.#packed,
      tokensPerSecond,
    } satisfies StepRecord);
    this.#report(seconds, { loss, tokensPerSecond, microBatch });
    if (inFlight.saved) {
      await inFlight.saved.answer;
      await this.#record(inFlight.saved.path);
    }
  }

  /** After an interrupt, with nothing in flight: keeps what has been learned since the last checkpoint. */
  async saveAtInterrupt(): Promise<void> {
    if (this.#step === (this.#point?.step ?? 0)) return;
    const path = checkpointPath(this.#run.inputs, this.#step);
    await this.#run.inputs.journal.discard(path);
    await this.#run.session.call("save", { path, resume: true });
    await this.#record(path);
  }

  async #record(path: string): Promise<void> {
    const { halved, inputs } = this.#run;
    const { journal } = inputs;
    await journal.sync();
    this.#point = { step: this.#step, path, ...this.#totals, ...(halved === undefined ? {} : { halved }) };
    await journal.setLatest(this.#point);
    this.#run.recorded(this.#point);
  }

  #report(seconds: number, step: { loss: number; tokensPerSecond: number; microBatch: number }): void {
    this.#smoothSeconds = this.#smoothSeconds === 0 ? seconds : 0.9 * this.#smoothSeconds + 0.1 * seconds;
    this.depth = this.#smoothSeconds > depth.longSeconds ? depth.long : depth.short;
    const { inputs, steps, notice } = this.#run;
    const etaSeconds = this.#smoothSeconds * (steps - this.#step);
    inputs.onProgress?.({ ...step, step: this.#step, steps, etaSeconds, ...(notice === undefined ? {} : { notice }) });
  }
}

function diverged({ step, learningRate: rate }: InFlight, loss: number, gradientNorm: number): UserError {
  return new UserError(
    "diverged",
    `training: at step ${step} the loss is ${loss} and the gradient norm ${gradientNorm} (learning rate ${rate}). ` +
      "Lower train.learningRate, raise train.warmupSteps or set train.clip; the checkpoints before this step are kept.",
  );
}
