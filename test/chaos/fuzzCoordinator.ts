// The pool under fire: real mock workers do real calls while strangers, and a registered worker gone mad, say what the protocol
// does not know. Every wrong message must be counted under its name, every call must end as if nothing had happened.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { tokenizerConfigJson, tokenizerJson } from "../../src/trace/tokenizer.ts";
import { type Launcher, localLauncher } from "../../src/worker/launcher.ts";
import { MockTokenizer } from "../../src/worker/mock/tokenizer.ts";
import { createPool, type Pool } from "../../src/worker/pool.ts";
import { MadWorker } from "./fuzzMad.ts";
import { type FuzzMessage, fuzzMessage } from "./fuzzMessages.ts";
import { Peer } from "./fuzzPeer.ts";
import { type FuzzPlan, type FuzzReport, faultsOf, type MemorySample, memoryTrend } from "./fuzzReport.ts";

const realWorkers = 2;
/** Names of the strangers; one does not read what it is answered. */
const deaf = "stranger-3";
const strangers = ["stranger-1", "stranger-2", "__proto__", deaf];
/** One message in so many comes from the mad worker. */
const madEvery = 10;
/** So many messages of the mad worker between two answers of it. */
const raveBetweenAnswers = 20;
const lanes = 2;
const samples = 100;
/** How long nothing may be counted before the messages that are missing count as lost. */
const patienceMs = 20_000;

/** Mock workers, and in the last place one that is mad. */
function launcherWith(mad: (worker: MadWorker) => void): Launcher {
  const local = localLauncher({ flavour: "mock", environment: process.env });
  return {
    ...local,
    launch: (start, logFile, slot) => {
      if (slot < realWorkers) return local.launch(start, logFile, slot);
      const worker = new MadWorker(start, logFile);
      mad(worker);
      return worker.process;
    },
  };
}

/** Calls whose answers are known: those that the same workers gave before the fuzz. */
class Caller {
  readonly #pool: Pool;
  readonly #tokenizer: string;
  readonly #expected: string[] = [];
  done = 0;
  readonly faults: string[] = [];

  constructor(pool: Pool, tokenizer: string) {
    this.#pool = pool;
    this.#tokenizer = tokenizer;
  }

  async learn(): Promise<void> {
    for (let index = 0; index < 8; index++) this.#expected.push(await this.#call(index));
  }

  async again(number: number): Promise<void> {
    const index = number % this.#expected.length;
    const answer = await this.#call(index).catch((error: unknown) => `failed: ${String(error)}`);
    this.done++;
    if (answer !== this.#expected[index] && this.faults.length < 10)
      this.faults.push(`call ${number}: ${answer.slice(0, 300)}`);
  }

  /** Five completions of a prompt, by chunks, as text. Only a worker with memory fits: not the mad one. */
  async #call(index: number): Promise<string> {
    const prompt = selfBacktracking.prompt({ puzzle: "countdown", numbers: [3, 5, 7, 2 + index], target: 15 });
    const { tokens } = new MockTokenizer(tokenizerJson(selfBacktracking.vocabulary)).encode(prompt);
    const source = { kind: "architecture" as const, config: {}, tokenizer: this.#tokenizer, seed: 7 };
    const model = { version: "m", source, dtype: "float32" as const, addTokens: [], reservedTokens: {} };
    const params = { model, temperature: 0.7, topK: 0, topP: 1, stops: [], beams: "independent" as const, slots: 0 };
    const bins = {
      tokens: Int32Array.from(tokens),
      lengths: Int32Array.of(tokens.length),
      counts: Int32Array.of(5),
      seeds: Uint32Array.from({ length: 10 }, (_, at) => at + index),
      budgets: new Int32Array(5).fill(30),
    };
    let said: unknown[] = [];
    const { result } = await this.#pool.free("generate", params, bins, {
      needs: { memoryBytes: 2 },
      onChunk: ({ texts, bins: arrays }) => said.push(texts, Array.from(arrays.tokens?.data ?? [])),
      onRestart: () => {
        said = [];
      },
    });
    return JSON.stringify([said, result]);
  }
}

/** Who sends, and what the pool must have counted for it. */
class Crowd {
  readonly sent = { malformed: 0, strangers: 0 };
  readonly #peers: readonly Peer[];
  readonly #mad: () => MadWorker;

  constructor(endpoint: string, mad: () => MadWorker) {
    this.#mad = mad;
    this.#peers = strangers.map((name) => new Peer(endpoint, name, name === deaf ? undefined : () => undefined));
  }

  async #stranger(index: number, message: FuzzMessage): Promise<void> {
    this.sent[message.fault === "none" ? "strangers" : "malformed"]++;
    await this.#peers[index % this.#peers.length]?.send(message.frames);
  }

  async send(index: number, message: FuzzMessage): Promise<void> {
    if (index % madEvery !== 0 || !(await this.#mad().rave(message))) await this.#stranger(index, message);
    if (index % (madEvery * raveBetweenAnswers) === 0) await this.#mad().answer();
  }

  close(): void {
    for (const peer of this.#peers) peer.close();
  }
}

/** Resolves when so many messages are counted, or nothing more comes. */
async function counted(pool: Pool, total: () => number): Promise<void> {
  const known = () => {
    const { malformed, strangers: unknown, undue } = pool.describe().messages;
    return malformed + unknown + undue;
  };
  let last = { count: known(), at: performance.now() };
  while (known() < total() && performance.now() - last.at < patienceMs) {
    await pause(20);
    if (known() !== last.count) last = { count: known(), at: performance.now() };
  }
  // What would be one too many must have time to come.
  await pause(100);
}

/** Sends the messages of the plan to a pool at work. `onProgress` hears how many have been sent. */
export async function fuzzCoordinator(plan: FuzzPlan, onProgress: (sent: number) => void): Promise<FuzzReport> {
  const folder = mkdtempSync(join(tmpdir(), "btf-"));
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizerJson(selfBacktracking.vocabulary)));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(tokenizerConfigJson(selfBacktracking.vocabulary)));
  const mads: MadWorker[] = [];
  const lost: string[] = [];
  const pool = await createPool({
    launcher: launcherWith((worker) => mads.push(worker)),
    size: realWorkers + 1,
    logDirectory: folder,
    start: "now",
    // Other work on this machine must not look like a hung worker.
    timeouts: { silence: 60_000 },
    onEvent: (event) => {
      if (event.kind === "worker-lost") lost.push(`${event.worker} was lost: ${event.reason}`);
    },
  });
  try {
    const caller = new Caller(pool, folder);
    await caller.learn();
    const mad = () => mads.at(-1) ?? fail("the mad worker never started");
    const crowd = new Crowd(mad().endpoint, mad);
    const report = await fire(plan, { pool, caller, crowd, mads }, onProgress);
    crowd.close();
    return { ...report, faults: [...faultsOf(report), ...caller.faults, ...lost] };
  } finally {
    await pool.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function fail(reason: string): never {
  throw new Error(reason);
}

interface Scene {
  readonly pool: Pool;
  readonly caller: Caller;
  readonly crowd: Crowd;
  readonly mads: readonly MadWorker[];
}

async function fire(
  { seed, first, messages }: FuzzPlan,
  { pool, caller, crowd, mads }: Scene,
  onProgress: (sent: number) => void,
): Promise<Omit<FuzzReport, "faults">> {
  const began = performance.now();
  const memory: MemorySample[] = [];
  let firing = true;
  const real = Array.from({ length: lanes }, async (_, lane) => {
    for (let number = lane; firing; number += lanes) await caller.again(number);
  });
  // Calls that any worker may get, also the mad one.
  const anywhere = (async () => {
    while (firing) await pool.free("info", {}).then(({ result }) => result.models.length > 1 && caller.faults.push("info"));
  })();
  const pending: Promise<void>[] = [];
  for (let sent = 0; sent < messages; sent++) {
    pending.push(crowd.send(first + sent, fuzzMessage("coordinator", seed, first + sent)));
    if (pending.length === 64) await Promise.all(pending.splice(0));
    if (sent % Math.ceil(messages / samples) === 0) {
      memory.push({ messages: sent, bytes: process.memoryUsage.rss() });
      onProgress(sent);
    }
  }
  await Promise.all(pending);
  const sum = () =>
    mads.reduce((all, { sent }) => ({ malformed: all.malformed + sent.malformed, undue: all.undue + sent.undue }), {
      malformed: 0,
      undue: 0,
    });
  const expected = () => ({ ...crowd.sent, undue: sum().undue, malformed: crowd.sent.malformed + sum().malformed });
  firing = false;
  const answering = setInterval(() => void mads.at(-1)?.answer(), 10);
  await Promise.all([...real, anywhere]);
  clearInterval(answering);
  await counted(pool, () => Object.values(expected()).reduce((all, count) => all + count, 0));
  const { malformed, strangers: unknown, undue } = pool.describe().messages;
  return {
    side: "coordinator",
    seed,
    seconds: (performance.now() - began) / 1000,
    sent: expected(),
    counted: { malformed, strangers: unknown, undue },
    calls: caller.done,
    memory: memoryTrend(memory),
  };
}
