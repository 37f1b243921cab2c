// A worker process under fire: a coordinator that says what the protocol does not know, and now and then asks for something
// real. The worker must live, count each wrong message, refuse each job that it cannot do, and answer what is right.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { decodeFromWorker, encode, type Outgoing } from "../../src/protocol/codec.ts";
import { type FromWorker, protocolVersion, type ToWorker } from "../../src/protocol/messages.ts";
import { exitClause, type Launcher, localLauncher, type WorkerProcess } from "../../src/worker/launcher.ts";
import { openRouter, type RouterTransport } from "../../src/worker/transport.ts";
import { type FuzzMessage, fuzzMessage, idOf } from "./fuzzMessages.ts";
import { type FuzzPlan, type FuzzReport, faultsOf, type MemorySample, memoryTrend } from "./fuzzReport.ts";

const v = protocolVersion;
const worker = "fuzzed";
/** Wrong messages between two right calls: what the worker has not read yet waits in this process. */
const between = 250;
/** A worker of PyTorch loads it with its first call. */
const patienceMs = 120_000;
const heartbeatMs = 100;

export type Flavour = "torch" | "mock";

/** The coordinator that sends it all, and what has come back. */
class Coordinator {
  readonly #transport: RouterTransport;
  /** Refused by the time that it is over, or a fault. */
  readonly #unanswered = new Set<string>();
  readonly #waiting = new Map<string, () => void>();
  readonly faults: string[] = [];
  /** As the worker last said. */
  malformed = 0;
  memoryBytes = 0;
  beats = 0;
  refused = 0;
  greeted = false;

  private constructor(transport: RouterTransport) {
    this.#transport = transport;
  }

  static async open(): Promise<Coordinator> {
    const holder: { coordinator?: Coordinator } = {};
    const transport = await openRouter({
      maxMessageBytes: 1 << 26,
      onMessage: (_, frames) => holder.coordinator?.receive(frames),
      onUndelivered: (_, reason) => holder.coordinator?.fault(`a message could not be sent: ${reason}`),
    });
    const coordinator = new Coordinator(transport);
    holder.coordinator = coordinator;
    return coordinator;
  }

  get endpoint(): string {
    return this.#transport.endpoint;
  }
  get unanswered(): number {
    return this.#unanswered.size;
  }

  fault(text: string): void {
    if (this.faults.length < 10) this.faults.push(text);
  }

  /** Sends one message of the fuzz; `refusal`: it is a job that must be answered with an error. */
  attack(id: string, frames: readonly Buffer[], refusal: boolean): void {
    if (refusal) this.#unanswered.add(id);
    this.#transport.send(worker, frames);
  }

  /** A right call; resolves with its answer. */
  async ask(id: string): Promise<void> {
    const answered = new Promise<void>((resolve) => this.#waiting.set(id, resolve));
    this.#send({ v, kind: "job", id, attempt: 1, primitive: "info", params: {} });
    await answered;
  }

  #send(message: Outgoing<ToWorker>): void {
    this.#transport.send(worker, encode(message));
  }

  receive(frames: readonly Uint8Array[]): void {
    const decoded = decodeFromWorker(frames);
    if (!decoded.ok) {
      this.fault(`the worker sent: ${decoded.reason}`);
      return;
    }
    const { message } = decoded;
    if (message.kind === "hello") {
      this.#send({ v, kind: "welcome", heartbeatMs, chunkWindow: 4, maxMessageBytes: 1 << 26 });
      this.greeted = true;
    } else if (message.kind === "heartbeat") {
      this.beats++;
      this.malformed = message.malformed ?? 0;
      this.memoryBytes = message.memoryBytes;
    } else if (message.kind === "result" || message.kind === "error") this.#onAnswer(message);
    else if (message.kind === "bye") this.fault(`the worker left: ${message.reason}`);
  }

  #onAnswer({ kind, id, attempt, ...rest }: Extract<FromWorker, { kind: "result" | "error" }>): void {
    this.#send({ v, kind: "ack", id, attempt });
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.();
    if (resolve && kind === "error") this.fault(`the right call ${id} failed: ${JSON.stringify(rest).slice(0, 300)}`);
    // An answer that was not acknowledged in time comes again after a hello: only the first one counts.
    const wrong = this.#unanswered.delete(id);
    if (wrong && kind === "error") this.refused++;
    else if (wrong) this.fault(`the wrong call ${id} succeeded`);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}

/** Starts a worker and sends it the messages of the plan. `onProgress` hears how many have been sent. */
export async function fuzzWorker(
  plan: FuzzPlan,
  { flavour, python }: { readonly flavour: Flavour; readonly python?: string },
  onProgress: (sent: number) => void,
): Promise<FuzzReport> {
  const folder = mkdtempSync(join(tmpdir(), "btf-"));
  const coordinator = await Coordinator.open();
  const launcher: Launcher = localLauncher({ flavour, environment: process.env, ...(python === undefined ? {} : { python }) });
  const start = { endpoint: coordinator.endpoint, worker, token: "t", coordinatorPid: process.pid };
  const child = launcher.launch({ ...start, threads: 1, device: "cpu", mock: {} }, join(folder, "worker.log"), 0);
  try {
    const report = await fire(plan, flavour, { coordinator, child }, onProgress);
    return { ...report, faults: [...faultsOf(report), ...coordinator.faults] };
  } finally {
    child.kill("SIGKILL");
    await child.exited;
    await coordinator.close();
    await launcher.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Scene {
  readonly coordinator: Coordinator;
  readonly child: WorkerProcess;
}

/** Resolves with the promise; rejects when the worker ends or takes too long. */
async function inTime(promise: Promise<void>, { child }: Scene, what: string): Promise<void> {
  const ended = child.exited.then((exit) => {
    throw new Error(`the worker ${exitClause(exit)} before ${what}; its last words:\n${child.stderrTail()}`);
  });
  const timer = new AbortController();
  const late = pause(patienceMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`the worker did not come to ${what} within ${patienceMs / 1000} s; its last words:\n${child.stderrTail()}`);
  });
  try {
    await Promise.race([promise, ended, late]);
  } finally {
    timer.abort();
    for (const loser of [ended, late]) loser.catch(() => undefined);
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(10);
}

/** Whether the worker must answer with an error, and whether it must count the message as one that cannot be read. */
function verdictOn({ fault }: FuzzMessage, flavour: Flavour): { readonly refused: boolean; readonly malformed: boolean } {
  // The torch worker reads the arrays of a job when it is its turn.
  const late = fault === "params" || (fault === "bins" && flavour === "torch");
  return { refused: late, malformed: !late };
}

async function fire(
  { seed, first, messages }: FuzzPlan,
  flavour: Flavour,
  scene: Scene,
  onProgress: (sent: number) => void,
): Promise<Omit<FuzzReport, "faults">> {
  const { coordinator } = scene;
  await inTime(
    until(() => coordinator.greeted),
    scene,
    "its hello",
  );
  await inTime(coordinator.ask("first"), scene, "its first answer");
  const began = performance.now();
  const memory: MemorySample[] = [];
  const sent = { malformed: 0, refused: 0 };
  let calls = 0;
  for (let index = 0; index < messages; index++) {
    const message = fuzzMessage("worker", seed, first + index);
    const { refused, malformed } = verdictOn(message, flavour);
    if (refused) sent.refused++;
    if (malformed) sent.malformed++;
    coordinator.attack(idOf(first + index), message.frames, refused);
    if (index % between !== between - 1 && index !== messages - 1) continue;
    await inTime(coordinator.ask(`right ${++calls}`), scene, `the answer behind message ${first + index}`);
    memory.push({ messages: index, bytes: coordinator.memoryBytes });
    onProgress(index);
  }
  // Two more heartbeats: the second was certainly sent after everything was read.
  const beats = coordinator.beats + 2;
  await inTime(
    until(() => coordinator.beats >= beats),
    scene,
    "a heartbeat",
  );
  return {
    side: flavour === "mock" ? "mock" : "worker",
    seed,
    seconds: (performance.now() - began) / 1000,
    sent,
    counted: { malformed: coordinator.malformed, refused: coordinator.refused },
    calls,
    memory: memoryTrend(memory),
  };
}
