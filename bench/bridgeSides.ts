// The two methods of bench/bridge.ts: the training loop and the generator over a real pool, and the same primitives in one
// Python process (bridge_direct.py). Both do the work of one round and say how long it took and what came out.
import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TrainSettings } from "../src/config/schema.ts";
import { createGenerator } from "../src/decode/batchingGenerator.ts";
import type { GenerateRequest } from "../src/decode/generator.ts";
import type { ModelSpec } from "../src/protocol/primitives.ts";
import type { StepRecord, TrainJournal } from "../src/train/journal.ts";
import { rowsOfStep } from "../src/train/schedule.ts";
import { trainSft } from "../src/train/sft.ts";
import type { Pool } from "../src/worker/pool.ts";
import type { Answer, Session, Workers } from "../src/worker/port.ts";

/** Steps of a round before the clock starts. */
export const warmSteps = 5;

export interface Case {
  readonly name: string;
  readonly folder: string;
  readonly seed: number;
  readonly model: ModelSpec;
  readonly settings: TrainSettings & { readonly steps: number };
  readonly shards: readonly { readonly path: string; readonly sha256: string }[];
  readonly examples: number;
  /** What a generate call asks for: requests in the order of the calls, `perCall` of them in each. */
  readonly requests: readonly GenerateRequest[];
  readonly perCall: number;
}

export interface Trained {
  readonly seconds: number;
  readonly losses: readonly number[];
}

export interface BridgeTrained extends Trained {
  readonly records: readonly StepRecord[];
  /** Share of the time that the worker spent inside calls. */
  readonly busy: number;
  /** CPU seconds of this process, all threads. */
  readonly nodeCpuSeconds: number;
}

export interface Generated {
  readonly seconds: number;
  readonly tokens: readonly (readonly number[])[];
}

/** Where the final checkpoint of a case lies, rewritten by every round. */
export const checkpointOf = (one: Case) => join(one.folder, "checkpoint");

/** One training on the pool by the loop of src/train, timed from the end of step `warmSteps` to the end of the last. */
export async function trainOverBridge(pool: Pool, one: Case): Promise<BridgeTrained> {
  const records: StepRecord[] = [];
  const spent: number[] = [];
  let [began, ended] = [0, 0];
  let cpu = process.cpuUsage();
  let nodeCpuSeconds = 0;
  const journal: TrainJournal = {
    append: (record) => {
      records.push(record);
      if (record.step === warmSteps) [began, cpu] = [performance.now(), process.cpuUsage()];
      if (record.step !== one.settings.steps) return;
      ended = performance.now();
      const { user, system } = process.cpuUsage(cpu);
      nodeCpuSeconds = (user + system) / 1e6;
    },
    cutAfter: async () => undefined,
    sync: async () => undefined,
    latest: async () => undefined,
    setLatest: async () => undefined,
    discard: (path) => rm(path, { recursive: true, force: true }),
  };
  await trainSft({
    workers: timed(pool, spent),
    model: one.model,
    settings: one.settings,
    seed: one.seed,
    shards: one.shards,
    examples: one.examples,
    workDirectory: one.folder,
    journal,
    outputDirectory: checkpointOf(one),
  });
  const seconds = (ended - began) / 1000;
  const inside = spent.slice(2 * warmSteps).reduce((sum, value) => sum + value, 0);
  return { seconds, losses: records.map(({ loss }) => loss), records, busy: inside / seconds, nodeCpuSeconds };
}

/** The pool, with the worker's own seconds of every forward_backward and optim_step noted. */
function timed(pool: Pool, spent: number[]): Workers {
  const wrap = (session: Session): Session => ({
    id: session.id,
    worker: session.worker,
    close: () => session.close(),
    call: async (name, params, bins) => {
      const answer: Answer<typeof name> = await session.call(name, params, bins);
      if (name === "forward_backward" || name === "optim_step") spent.push(answer.seconds);
      return answer;
    },
  });
  return {
    size: pool.size,
    gpus: pool.gpus,
    session: async (options) => wrap(await pool.session(options)),
    free: pool.free.bind(pool),
  };
}

/** All requests of a case through the generator of src/decode, as a policy's burst would come. */
export async function generateOverBridge(pool: Pool, model: ModelSpec, one: Case): Promise<Generated> {
  const completionsPerCall = one.requests.slice(0, one.perCall).reduce((sum, { seeds }) => sum + seeds.length, 0);
  const generator = createGenerator(pool, model, { completionsPerCall });
  const began = performance.now();
  const answers = await Promise.all(one.requests.map((request) => generator.generate(request)));
  const seconds = (performance.now() - began) / 1000;
  return { seconds, tokens: answers.flat().map(({ tokens }) => [...tokens]) };
}

export interface Direct {
  readonly versions: Readonly<Record<string, string>>;
  train(one: Case, records: readonly StepRecord[]): Promise<Trained>;
  generate(model: ModelSpec, one: Case): Promise<Generated>;
  close(): Promise<void>;
}

/** Starts the plain Python loop. `environment` must be that of the pool's workers. */
export async function startDirect(options: {
  readonly python: string;
  readonly device: string;
  readonly threads: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}): Promise<Direct> {
  const script = fileURLToPath(new URL("bridge_direct.py", import.meta.url));
  const child = spawn(options.python, [script, options.device, String(options.threads)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      ...options.environment,
      PYTHONPATH: fileURLToPath(new URL("../py", import.meta.url)),
      OMP_WAIT_POLICY: "PASSIVE",
      MKL_NUM_THREADS: String(options.threads),
    },
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("bridge_direct.py ended; its last words are above");
    return JSON.parse(value);
  };
  const ask = (command: object) => {
    child.stdin.write(`${JSON.stringify(command)}\n`);
    return read();
  };
  const { versions } = await read();
  return {
    versions,
    train: (one, records) => ask({ do: "train", ...trainCommand(one, records) }),
    generate: (model, one) => ask({ do: "generate", ...generateCommand(model, one) }),
    close: () => {
      child.stdin.end();
      return ended;
    },
  };
}

/** The same steps as the loop's: rows by (seed, step), weights and rates as recorded. */
function trainCommand(one: Case, records: readonly StepRecord[]) {
  const { settings } = one;
  const [beta1, beta2] = settings.betas;
  return {
    model: one.model,
    dataset: { dataset: "train", shards: one.shards, maxTokens: settings.maxTokens, overlong: "refuse" },
    adam: { beta1, beta2, epsilon: settings.epsilon, weight_decay: settings.weightDecay, clip_norm: settings.clip },
    warm: warmSteps,
    rows: records.map(({ step }) => [...rowsOfStep(one.seed, step, settings.batch.examples, one.examples)]),
    weights: records.map(({ trainedTokens }) => 1 / trainedTokens),
    rates: records.map(({ learningRate }) => learningRate),
  };
}

/** The same calls as the generator's: `perCall` requests in each, bulk arrays as in src/decode/batchingGenerator.ts. */
function generateCommand(model: ModelSpec, one: Case) {
  const first = one.requests[0] as GenerateRequest;
  const calls: Record<string, readonly [string, readonly unknown[]]>[] = [];
  for (let from = 0; from < one.requests.length; from += one.perCall) {
    const requests = one.requests.slice(from, from + one.perCall);
    calls.push({
      tokens: ["int32", requests.flatMap(({ prefix }) => [...prefix])],
      lengths: ["int32", requests.map(({ prefix }) => prefix.length)],
      counts: ["int32", requests.map(({ seeds }) => seeds.length)],
      seeds: ["uint32", requests.flatMap(({ seeds }) => seeds)],
      budgets: ["int32", requests.flatMap(({ seeds, maxNewTokens }) => seeds.map(() => maxNewTokens))],
    });
  }
  const { temperature, stops } = first;
  return { params: { model, temperature, topK: 0, topP: 1, stops, beams: "independent", slots: 0 }, calls };
}
