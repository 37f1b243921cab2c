// One worker as the pool sees it: starting -> ready -> draining -> ended. It owns the process, the calls leased to it and
// the clocks of its liveness; it does not queue, retry or restart, which is the pool's.
// Invariants: a message counts only after a hello with the right token and version; a call counts only under its
// current attempt; leased calls <= credit; every result, error and chunk is acknowledged, wanted or not; after `ended`
// nothing is heard and `onLost` has been called exactly once with the calls that were held.
import { type Decoded, encode, type IncomingBins } from "../protocol/codec.ts";
import { type FromWorker, protocolVersion, type ToWorker, type WorkerStart } from "../protocol/messages.ts";
import { type Call, type CallAnswer, chunkFault, resultFault } from "./calls.ts";
import type { PoolEvent, PoolTimeouts } from "./events.ts";
import type { Launcher, WorkerExit, WorkerProcess } from "./launcher.ts";
import { WorkerError } from "./port.ts";

const v = protocolVersion as 1;
/** Unreadable messages after which a worker counts as broken. */
const garbageLimit = 32;
const chunkWindow = 4;

export type Outcome =
  | { readonly kind: "result"; readonly answer: CallAnswer }
  | { readonly kind: "error"; readonly error: WorkerError; readonly retryable: boolean };

export interface Loss {
  /** What happened, as a clause: "was killed by SIGKILL". */
  readonly reason: string;
  readonly stderr: string;
  /** Calls that the worker held, oldest first. */
  readonly calls: readonly Call[];
  readonly early: boolean;
  /** Set when another try is pointless. */
  readonly verdict?: WorkerError;
}

/** What a worker state needs of its pool. */
export interface WorkerOwner {
  send(worker: string, frames: readonly Buffer[]): void;
  onReady(worker: WorkerState): void;
  onFinished(worker: WorkerState, call: Call, outcome: Outcome): void;
  onLost(worker: WorkerState, loss: Loss): void;
  onEvent(event: PoolEvent): void;
}

export interface WorkerSettings {
  readonly launcher: Launcher;
  readonly logFile: string;
  readonly timeouts: PoolTimeouts;
  readonly maxMessageBytes: number;
}

type Of<Kind extends FromWorker["kind"]> = Extract<FromWorker, { kind: Kind }>;

export class WorkerState {
  readonly name: string;
  phase: "starting" | "ready" | "draining" | "ended" = "starting";
  credit = 0;
  /** Id of the session that leases the worker, or "". */
  session = "";
  hello: Of<"hello"> | undefined;
  readonly #leased = new Map<string, Call>();
  readonly #start: WorkerStart;
  readonly #settings: WorkerSettings;
  readonly #owner: WorkerOwner;
  readonly #process: WorkerProcess;
  readonly #startedAt = performance.now();
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => undefined;
  #finished = 0;
  #garbage = 0;
  #killReason = "";
  #verdict: WorkerError | undefined;
  #killedAt = 0;
  #heardAt = performance.now();
  #progressAt = performance.now();
  #progressMark = "";
  #idleSince = 0;
  #byeSaid = false;

  constructor(start: WorkerStart, settings: WorkerSettings, owner: WorkerOwner) {
    this.name = start.worker;
    this.#start = start;
    this.#settings = settings;
    this.#owner = owner;
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    this.#process = settings.launcher.launch(start, settings.logFile);
    owner.onEvent({ kind: "worker-starting", worker: this.name, logFile: settings.logFile });
    void this.#process.exited.then((exit) => this.#ended(exit));
  }

  get pid(): number {
    return this.#process.pid;
  }
  get leasedCount(): number {
    return this.#leased.size;
  }
  get room(): number {
    return this.phase === "ready" ? this.credit - this.#leased.size : 0;
  }
  holds(call: Call): boolean {
    return this.#leased.get(call.id) === call;
  }

  /** Sends a call to the worker. The caller has checked `room`. A call that cannot be encoded or is too large finishes at once. */
  lease(call: Call): void {
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
    if (bytes > this.#settings.maxMessageBytes) {
      this.#refuse(call, "too-large", `the call has ${bytes} bytes, a message may have ${this.#settings.maxMessageBytes}: split it`);
      return;
    }
    if (ticket) ticket.sent++;
    call.chunks = 0;
    if (this.#leased.size === 0) this.#progressAt = performance.now();
    this.#idleSince = 0;
    this.#leased.set(id, call);
    this.#owner.send(this.name, frames);
  }

  #refuse(call: Call, code: string, message: string): void {
    const error = new WorkerError(code, `${call.primitive}: ${message}`, { worker: this.name });
    queueMicrotask(() => this.#owner.onFinished(this, call, { kind: "error", error, retryable: false }));
  }

  /** Asks the worker to give a call up; when it does not within the time for it, it is killed (see `tick`). */
  cancel(call: Call): void {
    if (call.cancelledAt > 0) return;
    call.cancelledAt = performance.now();
    this.#send({ v, kind: "cancel", id: call.id, attempt: call.attempt });
  }

  #send(message: Exclude<ToWorker, { kind: "job" }>): void {
    this.#owner.send(this.name, encode(message));
  }

  /** Takes one message of this worker, or what came in its place. */
  receive(decoded: Decoded<FromWorker>): void {
    if (this.phase === "ended" || this.#killReason) return;
    this.#heardAt = performance.now();
    if (!decoded.ok) {
      if (decoded.version !== undefined && this.phase === "starting") this.#refuseVersion(decoded.version);
      else this.#dropGarbage(decoded.reason);
      return;
    }
    const { message } = decoded;
    if (message.kind === "hello") this.#onHello(message);
    else if (this.phase === "starting") {
      if (message.kind === "heartbeat") this.#send({ v, kind: "rehello" });
    } else this.#onMessage(message, decoded.bins);
  }

  #dropGarbage(reason: string): void {
    this.#owner.onEvent({ kind: "garbage", peer: this.name, reason });
    if (++this.#garbage >= garbageLimit) this.fail(`sent ${this.#garbage} unreadable messages, the last: ${reason}`);
  }

  #onHello(hello: Of<"hello">): void {
    if (hello.token !== this.#start.token || hello.worker !== this.name) {
      this.#send({ v, kind: "reject", reason: "the token or the name in hello is not the one given at start" });
      return;
    }
    if (hello.v !== protocolVersion) {
      this.#refuseVersion(hello.v);
      return;
    }
    const first = this.phase === "starting";
    this.hello = hello;
    this.credit = hello.credit;
    const { timeouts, maxMessageBytes } = this.#settings;
    this.#send({ v, kind: "welcome", heartbeatMs: timeouts.heartbeat, chunkWindow, maxMessageBytes });
    if (!first) return;
    this.phase = "ready";
    const { pid, flavour, device, versions } = hello;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    this.#owner.onEvent({ kind: "worker-ready", worker: this.name, pid, flavour, device, versions, seconds });
    this.#owner.onReady(this);
  }

  #refuseVersion(version: number): void {
    const reason =
      `the worker speaks protocol version ${version}, this backtrail speaks version ${protocolVersion}: ` +
      "both must come from one release. Run `backtrail setup` again, or point BACKTRAIL_PYTHON to an environment without another backtrail_worker.";
    this.#send({ v, kind: "reject", reason });
    this.#verdict = new WorkerError("protocol-version", reason, { worker: this.name });
    // A polite worker ends by itself; the reject must have a chance to arrive before the kill.
    setTimeout(() => this.fail(`was refused: ${reason}`), Math.min(500, this.#settings.timeouts.exit)).unref();
  }

  #onMessage(message: Exclude<FromWorker, { kind: "hello" }>, bins: IncomingBins): void {
    switch (message.kind) {
      case "accept":
      case "progress":
      case "chunk":
      case "result":
      case "error":
        this.#onCallMessage(message, bins);
        return;
      case "heartbeat":
        this.#onHeartbeat(message);
        return;
      case "log":
        this.#owner.onEvent({ kind: "worker-log", worker: this.name, level: message.level, text: message.text });
        return;
      case "bye":
        this.#byeSaid = true;
        this.#send({ v, kind: "shutdown" });
        return;
    }
  }

  #onHeartbeat(message: Of<"heartbeat">): void {
    const mark = `${message.job} ${message.done}`;
    if (mark !== this.#progressMark) {
      this.#progressMark = mark;
      this.#progressAt = performance.now();
    }
    if (message.job !== "" || this.#leased.size === 0) this.#idleSince = 0;
    else if (this.#idleSince === 0) this.#idleSince = performance.now();
  }

  #onCallMessage(message: Of<"accept" | "progress" | "chunk" | "result" | "error">, bins: IncomingBins): void {
    const call = this.#leased.get(message.id);
    if (!call || call.attempt !== message.attempt) {
      this.#acknowledge(message);
      return;
    }
    this.#idleSince = 0;
    switch (message.kind) {
      case "accept":
        this.#progressAt = performance.now();
        this.#owner.onEvent({ kind: "job-started", id: call.id, primitive: call.primitive, worker: this.name, attempt: call.attempt });
        return;
      case "progress": {
        const { id, primitive } = call;
        const mark = `${id} ${message.done}`;
        if (mark !== this.#progressMark) this.#progressAt = performance.now();
        this.#progressMark = mark;
        this.#owner.onEvent({ kind: "job-progress", id, primitive, worker: this.name, done: message.done, total: message.total });
        return;
      }
      case "chunk":
        this.#onChunk(call, message, bins);
        return;
      case "result":
        this.#onResult(call, message, bins);
        return;
      case "error": {
        const { code, traceback, retryable } = message;
        const error = new WorkerError(code, message.message, { worker: this.name, traceback });
        this.#finish(call, message, { kind: "error", error, retryable });
      }
    }
  }

  /** A message that is not (or no longer) wanted: acknowledged so that the worker can forget it. */
  #acknowledge(message: Of<"accept" | "progress" | "chunk" | "result" | "error">): void {
    const { kind, id, attempt } = message;
    if (kind === "chunk") this.#send({ v, kind: "ack", id, attempt, seq: message.seq });
    else if (kind === "result" || kind === "error") this.#send({ v, kind: "ack", id, attempt });
  }

  #onChunk(call: Call, message: Of<"chunk">, bins: IncomingBins): void {
    this.#progressAt = performance.now();
    if (message.seq > call.chunks) {
      this.fail(`sent chunk ${message.seq} of ${call.primitive} where ${call.chunks} was due`);
      return;
    }
    if (message.seq === call.chunks) {
      const chunk = { texts: message.texts, bins };
      const fault = chunkFault(call.primitive, chunk);
      if (fault) {
        this.fail(`sent a bad chunk: ${fault}`);
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
      this.fail(`ended ${call.primitive} after ${message.chunks} chunks, but ${call.chunks} came`);
      return;
    }
    const { result, seconds } = message;
    const fault = resultFault(call.primitive, result, bins);
    if (fault) {
      const error = new WorkerError("bad-answer", `worker ${this.name} broke the protocol: ${fault}`, { worker: this.name });
      this.#finish(call, message, { kind: "error", error, retryable: false });
    } else this.#finish(call, message, { kind: "result", answer: { result, bins, seconds } });
  }

  #finish(call: Call, message: Of<"result" | "error">, outcome: Outcome): void {
    this.#leased.delete(call.id);
    this.#finished++;
    this.#progressAt = performance.now();
    this.#owner.onFinished(this, call, outcome);
    // After the owner has it: until then the worker keeps it.
    this.#acknowledge(message);
  }

  /** Checks all deadlines; called some times a second. `stall` = how long the coordinator itself was not listening. */
  tick(now: number, stall: number): void {
    if (this.phase === "ended") return;
    this.#heardAt += stall;
    this.#progressAt += stall;
    const { timeouts } = this.#settings;
    if (this.#killReason) {
      // SIGKILL is not obeyed while a process waits for a dead disk; its calls must not wait with it.
      if (now - this.#killedAt > timeouts.exit) this.#ended({ code: null, signal: null, error: "does not end after SIGKILL" });
      return;
    }
    if (this.phase === "starting") {
      if (now - this.#startedAt > timeouts.start) this.fail(`did not say hello within ${timeouts.start / 1000} s of its start`);
      return;
    }
    if (now - this.#heardAt > timeouts.silence) {
      this.fail(`gave no sign of life for ${timeouts.silence / 1000} s`);
      return;
    }
    const oldest = this.#leased.values().next().value;
    if (oldest) this.#checkOldest(oldest, now);
  }

  #checkOldest(oldest: Call, now: number): void {
    const { timeouts } = this.#settings;
    if (oldest.cancelledAt > 0) {
      if (now - oldest.cancelledAt > timeouts.cancel) this.fail(`did not give up ${oldest.primitive} within ${timeouts.cancel / 1000} s of the cancel`);
      return;
    }
    if (this.#idleSince > 0 && now - this.#idleSince > 3 * timeouts.silence) {
      this.fail(`says that it is idle, but never answered ${oldest.primitive}`);
      return;
    }
    if (now - this.#progressAt <= timeouts.progress) return;
    const late = `made no progress in ${oldest.primitive} for ${timeouts.progress / 1000} s`;
    if (oldest.ticket) this.fail(late);
    else {
      oldest.overdue = true;
      this.cancel(oldest);
    }
  }

  /** Gives the worker up: kills its group; `onLost` follows when it has ended. */
  fail(reason: string): void {
    if (this.phase === "ended" || this.#killReason) return;
    this.#killReason = reason;
    this.#killedAt = performance.now();
    this.#process.kill("SIGKILL");
  }

  #ended(exit: WorkerExit): void {
    if (this.phase === "ended") return;
    const early = this.phase === "starting" || (this.#finished === 0 && this.#leased.size === 0 && performance.now() - this.#startedAt < this.#settings.timeouts.earlyDeath);
    this.phase = "ended";
    const calls = [...this.#leased.values()];
    this.#leased.clear();
    const verdict = this.#verdict ?? this.#startFailure(exit);
    this.#owner.onLost(this, { reason: this.#reason(exit), stderr: this.#process.stderrTail(), calls, early, ...(verdict ? { verdict } : {}) });
    this.#resolveGone();
  }

  #startFailure(exit: WorkerExit): WorkerError | undefined {
    if (exit.error === undefined || this.pid !== 0) return undefined;
    return new WorkerError("no-workers", `the worker process cannot be started: ${exit.error}`, { worker: this.name });
  }

  #reason(exit: WorkerExit): string {
    if (this.#killReason) return this.#killReason;
    if (exit.error) return exit.error;
    if (exit.signal) return `was killed by ${exit.signal}`;
    return `ended with exit code ${exit.code}${this.#byeSaid ? " after saying bye" : ""}`;
  }

  /** Drain, shutdown, SIGTERM, SIGKILL, each with its time. Resolves when the process is gone. */
  async stop(): Promise<void> {
    const { drain, exit } = this.#settings.timeouts;
    if (this.phase === "ready") {
      this.phase = "draining";
      this.#send({ v, kind: "drain" });
      if (await this.#goneWithin(drain)) return;
      this.#send({ v, kind: "shutdown" });
      if (await this.#goneWithin(exit)) return;
    }
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (this.phase === "ended") return;
      this.#process.kill(signal);
      if (await this.#goneWithin(exit)) return;
    }
    this.#ended({ code: null, signal: null, error: "does not end after SIGKILL" });
  }

  async #goneWithin(milliseconds: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), milliseconds);
    });
    try {
      return await Promise.race([this.#gone.then(() => true), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
