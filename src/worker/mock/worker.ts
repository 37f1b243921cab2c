// The mock's side of the protocol: hello, calls one at a time in order, results kept until acknowledged, heartbeats,
// chunk window, cancel, drain. Knows what a call is, not what a primitive does.

import { setImmediate as nextTurn } from "node:timers/promises";
import { loadModule } from "../../config/moduleLoader.ts";
import { decodeToWorker, encode, type IncomingBins, type OutgoingBins } from "../../protocol/codec.ts";
import { protocolVersion, type ToWorker, type WorkerStart } from "../../protocol/messages.ts";
import { connectDealer, type DealerTransport } from "../transport.ts";
import { helloOf } from "./hello.ts";
import { describeError, JobError } from "./jobError.ts";
import { die, Mischief, type MockSettings, readMockSettings } from "./misbehave.ts";
import { Outbox } from "./outbox.ts";
import { type CallContext, type CallResult, MockPrimitives } from "./primitives.ts";
import { SessionOrder } from "./sessions.ts";

const v = protocolVersion;
/** How often at most it says hello because of messages that it could not read. */
const helloAgainMs = 1000;

type Job = Extract<ToWorker, { kind: "job" }>;
interface Queued {
  readonly job: Job;
  readonly bins: IncomingBins;
  cancelled: boolean;
  /** Chunks sent. */
  sent: number;
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
  readonly #outbox = new Outbox();
  readonly #sessions = new SessionOrder();
  #running: Queued | undefined;
  #window = 1;
  #heartbeat: NodeJS.Timeout | undefined;
  #draining = false;
  #done = 0;
  #mostAhead = 0;
  #malformed = 0;
  #helloSaid = 0;
  #helloDue: NodeJS.Timeout | undefined;

  constructor(start: WorkerStart, settings: MockSettings, left: () => void) {
    this.#start = start;
    this.#settings = settings;
    this.#left = left;
    this.#primitives = new MockPrimitives(
      { rightStep: settings.rightStep, backtrack: settings.backtrack },
      settings.modelsKept,
    );
    this.#socket = connectDealer({
      endpoint: start.endpoint,
      worker: start.worker,
      onMessage: (frames) => this.#receive(frames),
    });
    this.#mischief = new Mischief(settings.misbehave, start.worker, (frames) => this.#socket.send(frames));
  }

  hello(): void {
    if (this.#settings.misbehave.mute) return;
    this.#helloSaid = performance.now();
    this.#socket.send(helloOf(this.#start, this.#settings, this.#outbox.held()));
  }

  #receive(frames: readonly Uint8Array[]): void {
    const decoded = decodeToWorker(frames);
    if (!decoded.ok) {
      this.#dropMalformed(decoded.reason);
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
        this.#take(message, decoded.bins);
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

  /** What it was is unknown: after a new hello the coordinator sends again what it has not seen answered. */
  #dropMalformed(reason: string): void {
    this.#malformed++;
    if (this.#helloDue) return;
    process.stderr.write(`dropped a message: ${reason}\n`);
    this.#helloDue = setTimeout(
      () => {
        this.#helloDue = undefined;
        this.hello();
      },
      Math.max(0, this.#helloSaid + helloAgainMs - performance.now()),
    );
  }

  #take(job: Job, bins: IncomingBins): void {
    if (this.#outbox.open(job)) {
      this.#queue.push({ job, bins, cancelled: false, sent: 0, wake: () => undefined });
      void this.#work();
    } else for (const frames of this.#outbox.again(job)) this.#socket.send(frames);
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
          malformed: this.#malformed,
        }),
      );
    this.#heartbeat = setInterval(beat, message.heartbeatMs);
    beat();
    for (const frames of this.#outbox.again()) this.#socket.send(frames);
  }

  #acknowledged(message: Extract<ToWorker, { kind: "ack" }>): void {
    if (message.seq === undefined) {
      this.#outbox.recorded(message);
      this.#sayByeIfDone();
    } else {
      this.#outbox.consumed(message, message.seq);
      this.#running?.wake();
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
    if (!this.#draining || !this.#outbox.empty) return;
    this.#socket.send(encode({ v, kind: "bye", worker: this.#start.worker, reason: "drained" }));
  }

  #leave(): void {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#helloDue);
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
    this.#outbox.final(queued.job, frames, false);
    this.#socket.send(frames);
    if (this.#settings.misbehave.answerTwice) this.#socket.send(frames);
  }

  #answerError(queued: Queued, error: unknown): void {
    const { id, attempt } = queued.job;
    const frames = encode({ v, kind: "error", id, attempt, ...describeError(error) });
    this.#outbox.final(queued.job, frames, true);
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
      this.#outbox.ahead(queued.job) >= this.#window &&
      !queued.cancelled
    ) {
      await new Promise<void>((resolve) => {
        queued.wake = resolve;
      });
    }
  }

  #sendChunk(queued: Queued, texts: string[], bins: OutgoingBins): void {
    const { id, attempt } = queued.job;
    const frames = encode({ v, kind: "chunk", id, attempt, seq: queued.sent, texts }, bins);
    this.#outbox.chunk(queued.job, queued.sent, frames);
    this.#socket.send(frames);
    queued.sent++;
    const ahead = this.#outbox.ahead(queued.job);
    if (ahead <= this.#mostAhead) return;
    this.#mostAhead = ahead;
    // For the test that the window bounds what is under way.
    process.stderr.write(`chunks ahead: ${ahead}\n`);
  }
}
