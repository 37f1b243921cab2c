// The calls that one worker holds, and what it says about them. Knows messages, neither process nor queue.
// Invariants: a message counts only for the current attempt of a call that is held; chunks are consumed in order, each
// once; every result, error and chunk is acknowledged, wanted or not, after the owner has it.
import { encode, type IncomingBins } from "../protocol/codec.ts";
import { type FromWorker, protocolVersion, type ToWorker } from "../protocol/messages.ts";
import { type Call, type CallAnswer, chunkFault, resultFault } from "./calls.ts";
import type { PoolEvent } from "./events.ts";
import type { Liveness } from "./liveness.ts";
import { WorkerError } from "./port.ts";

const v = protocolVersion as 1;

export type Outcome =
  | { readonly kind: "result"; readonly answer: CallAnswer }
  | { readonly kind: "error"; readonly error: WorkerError; readonly retryable: boolean };

type Of<Kind extends FromWorker["kind"]> = Extract<FromWorker, { kind: Kind }>;
export type CallMessage = Of<"accept" | "progress" | "chunk" | "result" | "error">;

export interface LeaseOwner {
  readonly name: string;
  send(frames: readonly Buffer[]): void;
  /** The worker broke the protocol. */
  fail(reason: string): void;
  onFinished(call: Call, outcome: Outcome): void;
  onEvent(event: PoolEvent): void;
}

export class Leases {
  readonly #calls = new Map<string, Call>();
  readonly #owner: LeaseOwner;
  readonly #liveness: Liveness;
  readonly #maxMessageBytes: number;
  finished = 0;

  constructor(owner: LeaseOwner, liveness: Liveness, maxMessageBytes: number) {
    this.#owner = owner;
    this.#liveness = liveness;
    this.#maxMessageBytes = maxMessageBytes;
  }

  get size(): number {
    return this.#calls.size;
  }
  get oldest(): Call | undefined {
    return this.#calls.values().next().value;
  }
  holds(call: Call): boolean {
    return this.#calls.get(call.id) === call;
  }
  /** Takes all calls away, oldest first. */
  clear(): Call[] {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    return calls;
  }

  /** Sends a call. One that cannot be encoded or is too large is finished with an error, and counts for no session. */
  add(call: Call): void {
    const { id, attempt, primitive, params, ticket } = call;
    const session = ticket && { id: ticket.id, seq: ticket.sent + 1 };
    let frames: Buffer[];
    try {
      frames = encode({ v, kind: "job", id, attempt, ...(session ? { session } : {}), primitive, params }, call.bins);
    } catch (error) {
      this.#refuse(call, "bad-request", error instanceof Error ? error.message : String(error));
      return;
    }
    const bytes = frames.reduce((sum, frame) => sum + frame.byteLength, 0);
    if (bytes > this.#maxMessageBytes) {
      this.#refuse(call, "too-large", `the call has ${bytes} bytes, a message may have ${this.#maxMessageBytes}: split it`);
      return;
    }
    if (ticket) ticket.sent++;
    call.chunks = 0;
    if (this.#calls.size === 0) this.#liveness.moved(performance.now());
    this.#calls.set(id, call);
    this.#owner.send(frames);
  }

  #refuse(call: Call, code: string, message: string): void {
    const error = new WorkerError(code, `${call.primitive}: ${message}`, { worker: this.#owner.name });
    queueMicrotask(() => this.#owner.onFinished(call, { kind: "error", error, retryable: false }));
  }

  /** Asks the worker to give a call up. */
  cancel(call: Call): void {
    if (call.cancelledAt > 0) return;
    call.cancelledAt = performance.now();
    this.#send({ v, kind: "cancel", id: call.id, attempt: call.attempt });
  }

  #send(message: Exclude<ToWorker, { kind: "job" }>): void {
    this.#owner.send(encode(message));
  }

  receive(message: CallMessage, bins: IncomingBins): void {
    const call = this.#calls.get(message.id);
    if (!call || call.attempt !== message.attempt) {
      this.#acknowledge(message);
      return;
    }
    const { id, primitive, attempt } = call;
    const worker = this.#owner.name;
    switch (message.kind) {
      case "accept":
        this.#liveness.moved(performance.now());
        this.#owner.onEvent({ kind: "job-started", id, primitive, worker, attempt });
        return;
      case "progress":
        this.#liveness.at(id, message.done, performance.now());
        this.#owner.onEvent({ kind: "job-progress", id, primitive, worker, done: message.done, total: message.total });
        return;
      case "chunk":
        this.#onChunk(call, message, bins);
        return;
      case "result":
        this.#onResult(call, message, bins);
        return;
      case "error": {
        const { code, traceback, retryable } = message;
        const error = new WorkerError(code, message.message, { worker, traceback });
        this.#finish(call, message, { kind: "error", error, retryable });
      }
    }
  }

  #acknowledge(message: CallMessage): void {
    const { kind, id, attempt } = message;
    if (kind === "chunk") this.#send({ v, kind: "ack", id, attempt, seq: message.seq });
    else if (kind === "result" || kind === "error") this.#send({ v, kind: "ack", id, attempt });
  }

  #onChunk(call: Call, message: Of<"chunk">, bins: IncomingBins): void {
    this.#liveness.moved(performance.now());
    if (message.seq > call.chunks) {
      this.#owner.fail(`sent chunk ${message.seq} of ${call.primitive} where ${call.chunks} was due`);
      return;
    }
    if (message.seq === call.chunks) {
      const chunk = { texts: message.texts, bins };
      const fault = chunkFault(call.primitive, chunk);
      if (fault) {
        this.#owner.fail(`sent a bad chunk: ${fault}`);
        return;
      }
      call.chunks++;
      if (!call.settled) this.#consume(call, chunk);
    }
    this.#acknowledge(message);
  }

  #consume(call: Call, chunk: { texts: readonly string[]; bins: IncomingBins }): void {
    try {
      call.sink.onChunk?.(chunk);
    } catch (error) {
      // The consumer's own failure ends its call, not the pool.
      call.settled = true;
      call.sink.reject(error instanceof Error ? error : new Error(String(error)));
      this.cancel(call);
    }
  }

  #onResult(call: Call, message: Of<"result">, bins: IncomingBins): void {
    if (message.chunks !== call.chunks) {
      this.#owner.fail(`ended ${call.primitive} after ${message.chunks} chunks, but ${call.chunks} came`);
      return;
    }
    const { result, seconds } = message;
    const fault = resultFault(call.primitive, result, bins);
    if (fault) {
      const error = new WorkerError("bad-answer", `worker ${this.#owner.name} broke the protocol: ${fault}`, {
        worker: this.#owner.name,
      });
      this.#finish(call, message, { kind: "error", error, retryable: false });
    } else this.#finish(call, message, { kind: "result", answer: { result, bins, seconds } });
  }

  #finish(call: Call, message: Of<"result" | "error">, outcome: Outcome): void {
    this.#calls.delete(call.id);
    this.finished++;
    this.#liveness.moved(performance.now());
    this.#owner.onFinished(call, outcome);
    // After the owner has it: until then the worker keeps it.
    this.#acknowledge(message);
  }
}
