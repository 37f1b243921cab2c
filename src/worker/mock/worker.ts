// The mock's side of the protocol: hello, calls one at a time in order, results kept until acknowledged, heartbeats,
// chunk window, cancel, drain. Knows what a call is, not what a primitive does.

import { setImmediate as nextTurn } from "node:timers/promises";
import { loadModule } from "../../config/moduleLoader.ts";
import { decodeToWorker, encode, type IncomingBins, type OutgoingBins } from "../../protocol/codec.ts";
import { protocolVersion, type ToWorker, type WorkerStart } from "../../protocol/messages.ts";
import { primitives } from "../../protocol/primitives.ts";
import { connectDealer, type DealerTransport } from "../transport.ts";
import { JobError } from "./jobError.ts";
import { die, Mischief, type MockSettings, readMockSettings } from "./misbehave.ts";
import { type CallContext, type CallResult, MockPrimitives, mockVersions } from "./primitives.ts";
import { SessionOrder } from "./sessions.ts";

const v = protocolVersion as 1;

type Job = Extract<ToWorker, { kind: "job" }>;
interface Queued {
  readonly job: Job;
  readonly bins: IncomingBins;
  cancelled: boolean;
  /** Chunks sent and acknowledged. */
  sent: number;
  acknowledged: number;
  wake: () => void;
}

/** Runs a worker until it is told to leave; resolves when its socket is closed. */
export async function runMockWorker(start: WorkerStart): Promise<void> {
  const settings = readMockSettings(start.mock, start.worker);
  if (settings.misbehave.dieAtStart) die();
  for (const path of settings.modules) await loadModule(path);
  return new Promise((resolve) => new MockWorker(start, settings, resolve).hello());
}

class MockWorker {
  readonly #start: WorkerStart;
  readonly #settings: MockSettings;
  readonly #left: () => void;
  readonly #primitives: MockPrimitives;
  readonly #socket: DealerTransport;
  readonly #mischief: Mischief;
  readonly #queue: Queued[] = [];
  /** Results and errors not yet acknowledged, by "id attempt". */
  readonly #held = new Map<string, { id: string; attempt: number; frames: Buffer[] }>();
  readonly #sessions = new SessionOrder();
  #running: Queued | undefined;
  #window = 1;
  #heartbeat: NodeJS.Timeout | undefined;
  #draining = false;
  #done = 0;
  #mostAhead = 0;

  constructor(start: WorkerStart, settings: MockSettings, left: () => void) {
    this.#start = start;
    this.#settings = settings;
    this.#left = left;
    this.#primitives = new MockPrimitives({ rightStep: settings.rightStep, backtrack: settings.backtrack });
    this.#socket = connectDealer({
      endpoint: start.endpoint,
      worker: start.worker,
      onMessage: (frames) => this.#receive(frames),
    });
    this.#mischief = new Mischief(settings.misbehave, start.worker, (frames) => this.#socket.send(frames));
  }

  hello(): void {
    const { misbehave, credit } = this.#settings;
    if (misbehave.mute) return;
    const { worker, token } = this.#start;
    const held = [...this.#held.values()].map(({ id, attempt }): [string, number] => [id, attempt]);
    this.#socket.send(
      encode({
        v: (misbehave.lieAboutVersion ?? v) as 1,
        kind: "hello",
        worker,
        token,
        pid: process.pid,
        flavour: "mock",
        capabilities: Object.keys(primitives),
        versions: mockVersions,
        device: "cpu",
        credit,
        held,
      }),
    );
  }

  #receive(frames: readonly Uint8Array[]): void {
    const decoded = decodeToWorker(frames);
    if (!decoded.ok) {
      process.stderr.write(`dropped a message: ${decoded.reason}\n`);
      return;
    }
    const { message } = decoded;
    switch (message.kind) {
      case "welcome":
        this.#welcome(message);
        return;
      case "reject":
        process.stderr.write(`refused by the coordinator: ${message.reason}\n`);
        this.#leave();
        return;
      case "rehello":
        this.hello();
        return;
      case "job":
        this.#queue.push({
          job: message,
          bins: decoded.bins,
          cancelled: false,
          sent: 0,
          acknowledged: 0,
          wake: () => undefined,
        });
        void this.#work();
        return;
      case "ack":
        this.#acknowledged(message);
        return;
      case "cancel":
        this.#cancel(message);
        return;
      case "drain":
        this.#draining = true;
        this.#sayByeIfDone();
        return;
      case "shutdown":
        this.#leave();
    }
  }

  #welcome(message: Extract<ToWorker, { kind: "welcome" }>): void {
    this.#window = message.chunkWindow;
    clearInterval(this.#heartbeat);
    const beat = () =>
      this.#socket.send(
        encode({
          v,
          kind: "heartbeat",
          worker: this.#start.worker,
          job: this.#running?.job.id ?? "",
          done: this.#done,
          memoryBytes: process.memoryUsage().rss,
        }),
      );
    this.#heartbeat = setInterval(beat, message.heartbeatMs);
    beat();
    for (const { frames } of this.#held.values()) this.#socket.send(frames);
  }

  #acknowledged(message: Extract<ToWorker, { kind: "ack" }>): void {
    if (message.seq === undefined) {
      this.#held.delete(`${message.id} ${message.attempt}`);
      this.#sayByeIfDone();
    } else if (this.#running?.job.id === message.id && this.#running.job.attempt === message.attempt) {
      this.#running.acknowledged++;
      this.#running.wake();
    }
  }

  #cancel(message: Extract<ToWorker, { kind: "cancel" }>): void {
    const same = (queued: Queued | undefined) => queued?.job.id === message.id && queued.job.attempt === message.attempt;
    const index = this.#queue.findIndex(same);
    if (index >= 0) {
      const [queued] = this.#queue.splice(index, 1) as [Queued];
      if (queued.job.session) this.#sessions.skip(queued.job.session);
      this.#answerError(queued, new JobError("cancelled", "cancelled before it started"));
    } else if (this.#running && same(this.#running)) {
      this.#running.cancelled = true;
      this.#running.wake();
    }
  }

  #sayByeIfDone(): void {
    if (!this.#draining || this.#running || this.#queue.length > 0 || this.#held.size > 0) return;
    this.#socket.send(encode({ v, kind: "bye", worker: this.#start.worker, reason: "drained" }));
  }

  #leave(): void {
    clearInterval(this.#heartbeat);
    if (this.#running) this.#running.cancelled = true;
    this.#running?.wake();
    void this.#socket.close().then(this.#left);
  }

  /** Runs what is queued, one at a time, in order. */
  async #work(): Promise<void> {
    if (this.#running) return;
    for (let queued = this.#queue.shift(); queued; queued = this.#queue.shift()) {
      this.#running = queued;
      await this.#answer(queued);
      this.#running = undefined;
    }
    this.#sayByeIfDone();
  }

  async #answer(queued: Queued): Promise<void> {
    const { id, attempt } = queued.job;
    const began = performance.now();
    this.#socket.send(encode({ v, kind: "accept", id, attempt }));
    try {
      await this.#mischief.beforeCall(queued.job.params);
      const answer = await this.#run(queued);
      await this.#mischief.beforeAnswer(() => queued.cancelled);
      this.#done++;
      this.#answerResult(queued, answer, (performance.now() - began) / 1000);
    } catch (error) {
      if (!(error instanceof JobError)) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      this.#answerError(queued, error);
    }
  }

  #answerResult(queued: Queued, answer: CallResult, seconds: number): void {
    const { id, attempt } = queued.job;
    const frames = encode({ v, kind: "result", id, attempt, chunks: queued.sent, result: answer.result, seconds }, answer.bins);
    this.#hold(id, attempt, frames);
    if (this.#settings.misbehave.answerTwice) this.#socket.send(frames);
  }

  #answerError(queued: Queued, error: unknown): void {
    const { id, attempt } = queued.job;
    const known =
      error instanceof JobError ? error : new JobError("internal", error instanceof Error ? error.message : String(error));
    const traceback = error instanceof Error ? (error.stack ?? "") : "";
    this.#hold(
      id,
      attempt,
      encode({
        v,
        kind: "error",
        id,
        attempt,
        code: known.code,
        message: known.message,
        traceback,
        retryable: known.retryable,
      }),
    );
  }

  #hold(id: string, attempt: number, frames: Buffer[]): void {
    this.#held.set(`${id} ${attempt}`, { id, attempt, frames });
    this.#socket.send(frames);
  }

  /** Runs the primitive in its session, if it has one. */
  #run(queued: Queued): Promise<CallResult> {
    const { session, primitive, params } = queued.job;
    return this.#sessions.run(session, primitive, () =>
      this.#primitives.run(primitive, params, queued.bins, this.#context(queued, session?.id ?? "")),
    );
  }

  #context(queued: Queued, session: string): CallContext {
    const check = () => {
      if (queued.cancelled) throw new JobError("cancelled", "cancelled while it ran");
    };
    return {
      session,
      chunk: async (texts, bins) => {
        await this.#waitForWindow(queued);
        check();
        this.#sendChunk(queued, texts, bins);
      },
      progress: async (done, total) => {
        const { id, attempt } = queued.job;
        this.#done++;
        this.#socket.send(encode({ v, kind: "progress", id, attempt, done, total }));
        await nextTurn();
        check();
      },
    };
  }

  async #waitForWindow(queued: Queued): Promise<void> {
    while (
      this.#settings.misbehave.flood === undefined &&
      queued.sent - queued.acknowledged >= this.#window &&
      !queued.cancelled
    ) {
      await new Promise<void>((resolve) => {
        queued.wake = resolve;
      });
    }
  }

  #sendChunk(queued: Queued, texts: string[], bins: OutgoingBins): void {
    const { id, attempt } = queued.job;
    this.#socket.send(encode({ v, kind: "chunk", id, attempt, seq: queued.sent, texts }, bins));
    queued.sent++;
    const ahead = queued.sent - queued.acknowledged;
    if (ahead <= this.#mostAhead) return;
    this.#mostAhead = ahead;
    // For the test that the window bounds what is under way.
    process.stderr.write(`chunks ahead: ${ahead}\n`);
  }
}
