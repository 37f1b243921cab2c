// The calls that one worker holds, and what it says about them. Knows messages, neither process nor queue.
// Invariants: a message counts only for the current attempt of a call that is held; chunks are consumed in order, each
// once; every result, error and chunk is acknowledged, wanted or not, after the owner has it, a result after its caller has
// recorded it; a finished call frees its credit at once. What was lost on the way is sent again after the next hello.
import { encode, type IncomingBins } from "../protocol/codec.ts";
import { type FromWorker, protocolVersion, type ToWorker } from "../protocol/messages.ts";
import { type Call, type CallAnswer, type CallName, chunkFault, resultFault } from "./calls.ts";
import type { PoolEvent } from "./events.ts";
import type { Liveness } from "./liveness.ts";
import { WorkerError } from "./port.ts";
import { Unrecorded } from "./unrecorded.ts";

const v = protocolVersion;

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
  /** A message of the worker must have been lost. */
  onGap(reason: string): void;
  /** A message came that was not due. */
  onUndue(): void;
  onFinished(call: Call, outcome: Outcome): void;
  onEvent(event: PoolEvent): void;
}

export class Leases {
  readonly #calls = new Map<string, Call>();
  readonly #unrecorded = new Unrecorded((name) => this.#acknowledge(name));
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
    this.#unrecorded.clear();
    return calls;
  }

  /** Sends a call. One that cannot be encoded or is too large is finished with an error, and counts for no session. */
  add(call: Call): void {
    const { ticket } = call;
    if (ticket) call.seq = ticket.sent + 1;
    let frames: Buffer[];
    try {
      frames = framesOf(call);
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
    call.started = false;
    if (this.#calls.size === 0) this.#liveness.moved(performance.now());
    this.#calls.set(call.id, call);
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

  /**
   * The worker has said hello again: what it cannot have received is sent again, and what it still keeps although nobody
   * waits for it is acknowledged. A job that it has after all is not run twice.
   */
  resume(held: readonly (readonly [id: string, attempt: number])[]): void {
    for (const [id, attempt] of held)
      if (this.#calls.get(id)?.attempt !== attempt && !this.#unrecorded.has({ id, attempt }))
        this.#acknowledge({ id, attempt });
    for (const call of this.#calls.values()) {
      if (!call.started) this.#owner.send(framesOf(call));
      if (call.cancelledAt > 0) this.#send({ v, kind: "cancel", id: call.id, attempt: call.attempt });
    }
  }

  receive(message: CallMessage, bins: IncomingBins): void {
    const call = this.#calls.get(message.id);
    if (!call || call.attempt !== message.attempt) {
      this.#undue(message);
      return;
    }
    call.started = true;
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
      case "error":
        this.#onError(call, message);
    }
  }

  /** Said twice, or about a call that this worker does not hold (any more). */
  #undue(message: CallMessage): void {
    this.#owner.onUndue();
    if (message.kind === "chunk") this.#acknowledgeChunk(message);
    else if ((message.kind === "result" || message.kind === "error") && !this.#unrecorded.has(message))
      this.#acknowledge(message);
  }

  #acknowledge({ id, attempt }: CallName): void {
    this.#send({ v, kind: "ack", id, attempt });
  }

  #acknowledgeChunk({ id, attempt, seq }: Of<"chunk">): void {
    this.#send({ v, kind: "ack", id, attempt, seq });
  }

  #onError(call: Call, message: Of<"error">): void {
    const { code, traceback, retryable } = message;
    // A call before this one never arrived: the session cannot be continued, but it can be begun anew elsewhere.
    if (code === "session-gap") this.#owner.fail(`missed a call of its session: ${message.message}`);
    else {
      const error = new WorkerError(code, message.message, { worker: this.#owner.name, traceback });
      this.#finish(call, { kind: "error", error, retryable });
    }
  }

  #onChunk(call: Call, message: Of<"chunk">, bins: IncomingBins): void {
    if (message.seq > call.chunks) {
      this.#owner.onGap(`chunk ${message.seq} of ${call.primitive} came where ${call.chunks} was due`);
      return;
    }
    this.#liveness.moved(performance.now());
    if (message.seq < call.chunks) this.#owner.onUndue();
    else {
      const chunk = { texts: message.texts, bins };
      const fault = chunkFault(call.primitive, chunk);
      if (fault) {
        this.#owner.fail(`sent a bad chunk: ${fault}`);
        return;
      }
      call.chunks++;
      if (!call.settled) this.#consume(call, chunk);
    }
    this.#acknowledgeChunk(message);
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
    if (message.chunks > call.chunks) {
      this.#owner.onGap(`${call.primitive} ended after ${message.chunks} chunks, but ${call.chunks} came`);
      return;
    }
    if (message.chunks < call.chunks) {
      this.#owner.fail(`ended ${call.primitive} after ${message.chunks} chunks, but ${call.chunks} came`);
      return;
    }
    const { result, seconds } = message;
    const fault = resultFault(call.primitive, result, bins);
    if (fault) {
      const error = new WorkerError("bad-answer", `worker ${this.#owner.name} broke the protocol: ${fault}`, {
        worker: this.#owner.name,
      });
      this.#finish(call, { kind: "error", error, retryable: false });
    } else this.#finish(call, { kind: "result", answer: { result, bins, seconds } });
  }

  #finish(call: Call, outcome: Outcome): void {
    const { id, attempt, recorded } = call;
    const wanted = outcome.kind === "result" && !call.settled;
    this.#calls.delete(id);
    this.finished++;
    this.#liveness.moved(performance.now());
    this.#owner.onFinished(call, outcome);
    // After the owner has it: until then the worker keeps it. A retry has raised the call's own attempt.
    if (wanted && recorded) this.#unrecorded.add({ id, attempt }, bytesOf(outcome.answer.bins), recorded);
    else this.#acknowledge({ id, attempt });
  }
}

/** Throws TypeError for what cannot be sent. */
function framesOf({ id, attempt, primitive, params, bins, ticket, seq }: Call): Buffer[] {
  const session = ticket ? { session: { id: ticket.id, seq } } : {};
  return encode({ v, kind: "job", id, attempt, ...session, primitive, params }, bins);
}

function bytesOf(bins: IncomingBins): number {
  return Object.values(bins).reduce((sum, { data }) => sum + data.byteLength, 0);
}
