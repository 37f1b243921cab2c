// One worker as the pool sees it: starting -> ready -> draining -> ended. It owns the process, its calls (leases.ts) and
// its clocks (liveness.ts); it does not queue, retry or restart, which is the pool's.
// Invariants: a message counts only after a hello with the right token and version; leased calls <= credit; after `ended`
// nothing is heard and `onLost` has been called exactly once with the calls that were held.
import { type Decoded, encode, type IncomingBins } from "../protocol/codec.ts";
import { type FromWorker, protocolVersion, type ToWorker, type WorkerStart } from "../protocol/messages.ts";
import type { Call } from "./calls.ts";
import type { PoolEvent } from "./events.ts";
import { exitClause, type WorkerExit, type WorkerProcess } from "./launcher.ts";
import { Leases, type Outcome } from "./leases.ts";
import { Liveness } from "./liveness.ts";
import { HeldModels } from "./models.ts";
import { WorkerError } from "./port.ts";
import { Resync } from "./resync.ts";
import type { WorkerOwner, WorkerSettings } from "./workerOwner.ts";

const v = protocolVersion;
/** Chunks of one call that may be under way unconsumed. */
const chunkWindow = 4;
/** How long a refused worker has to read why. */
const refusalMs = 500;

type Hello = Extract<FromWorker, { kind: "hello" }>;

export class WorkerState {
  readonly name: string;
  phase: "starting" | "ready" | "draining" | "ended" = "starting";
  /** Id of the session that leases the worker, or "". */
  session = "";
  hello: Hello | undefined;
  /** Models that it holds for free calls. */
  readonly models = new HeldModels();
  /** Memory in use and messages that it could not read, as last reported. */
  memoryBytes = 0;
  malformedByWorker = 0;
  #finishedAtBeat = 0;
  readonly #start: WorkerStart;
  readonly #settings: WorkerSettings;
  readonly #owner: WorkerOwner;
  readonly #process: WorkerProcess;
  readonly #leases: Leases;
  readonly #liveness: Liveness;
  readonly #resync: Resync;
  readonly #startedAt = performance.now();
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => undefined;
  #killReason = "";
  #killedAt = 0;
  #verdict: WorkerError | undefined;

  constructor(start: WorkerStart, settings: WorkerSettings, owner: WorkerOwner) {
    this.name = start.worker;
    this.#start = start;
    this.#settings = settings;
    this.#owner = owner;
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    this.#liveness = new Liveness(settings.timeouts, this.#startedAt);
    this.#resync = new Resync({
      askHello: () => this.#send({ v, kind: "rehello" }),
      onGarbage: (reason) => owner.onEvent({ kind: "garbage", peer: this.name, reason }),
      fail: (reason) => this.fail(reason),
    });
    const leaseOwner = {
      name: this.name,
      send: (frames: readonly Buffer[]) => owner.send(this.name, frames),
      fail: (reason: string) => this.fail(reason),
      onGap: (reason: string) => {
        owner.onDropped("undue");
        this.#resync.gap(reason);
      },
      onUndue: () => owner.onDropped("undue"),
      onFinished: (call: Call, outcome: Outcome) => {
        if (outcome.kind === "error") this.models.drop(call.model);
        owner.onFinished(this, call, outcome);
      },
      onEvent: (event: PoolEvent) => owner.onEvent(event),
    };
    this.#leases = new Leases(leaseOwner, this.#liveness, settings.maxMessageBytes);
    this.#process = settings.launcher.launch(start, settings.logFile, settings.slot);
    owner.onEvent({ kind: "worker-starting", worker: this.name, logFile: settings.logFile });
    void this.#process.exited.then((exit) => this.#ended(exit));
  }

  get pid(): number {
    return this.#process.pid;
  }
  get leasedCount(): number {
    return this.#leases.size;
  }
  /** How many more calls it may be given. */
  get room(): number {
    return this.phase === "ready" ? (this.hello?.credit ?? 0) - this.#leases.size : 0;
  }
  /** The primitive that it works at, or "". */
  get call(): string {
    return this.#leases.oldest?.primitive ?? "";
  }
  holds(call: Call): boolean {
    return this.#leases.holds(call);
  }
  /** Sends a call; the caller has checked `room`. */
  lease(call: Call): void {
    this.models.use(call.model, this.hello?.modelsKept ?? 1);
    this.#leases.add(call);
  }
  /** Asks for a call to be given up; when that takes too long, the worker is killed (see `tick`). */
  cancel(call: Call): void {
    this.#leases.cancel(call);
  }

  #send(message: Exclude<ToWorker, { kind: "job" }>): void {
    this.#owner.send(this.name, encode(message));
  }

  /** Takes one message of this worker, or what came in its place. */
  receive(decoded: Decoded<FromWorker>): void {
    if (this.phase === "ended" || this.#killReason) {
      this.#owner.onDropped(decoded.ok ? "undue" : "malformed");
      return;
    }
    this.#liveness.heard(performance.now());
    this.#resync.received();
    if (!decoded.ok) {
      this.#owner.onDropped("malformed");
      if (decoded.version !== undefined && this.phase === "starting") this.#refuseVersion(decoded.version);
      else this.#resync.garbage(decoded.reason);
      return;
    }
    const { message } = decoded;
    if (message.kind === "hello") this.#onHello(message);
    else if (this.phase === "starting") {
      this.#owner.onDropped("undue");
      this.#resync.ask();
    } else this.#onMessage(message, decoded.bins);
  }

  #onHello(hello: Hello): void {
    if (hello.token !== this.#start.token || hello.worker !== this.name) {
      this.#owner.onDropped("undue");
      this.#resync.strike("the token or the name in its hello is wrong");
      this.#send({ v, kind: "reject", reason: "the token or the name in hello is not the one given at start" });
      return;
    }
    if (hello.v !== protocolVersion) {
      this.#refuseVersion(hello.v);
      return;
    }
    const { timeouts, maxMessageBytes } = this.#settings;
    this.hello = hello;
    this.#send({ v, kind: "welcome", heartbeatMs: timeouts.heartbeat, chunkWindow, maxMessageBytes });
    this.#resync.answered();
    if (this.phase !== "starting") {
      this.#leases.resume(hello.held);
      if (this.phase === "draining") this.#send({ v, kind: "drain" });
      return;
    }
    this.phase = "ready";
    const { pid, flavour, device, versions } = hello;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    this.#owner.onEvent({ kind: "worker-ready", worker: this.name, pid, flavour, device, versions, seconds });
    this.#owner.onReady(this);
  }

  #refuseVersion(version: number): void {
    if (this.#verdict) return;
    const reason =
      `the worker speaks protocol version ${version}, this backtrail speaks version ${protocolVersion}: ` +
      "both must come from one release. Run `backtrail setup` again, or point BACKTRAIL_PYTHON to an environment without another backtrail_worker.";
    this.#send({ v, kind: "reject", reason });
    this.#verdict = new WorkerError("protocol-version", reason, { worker: this.name });
    // A polite worker reads it and ends by itself.
    setTimeout(() => this.fail(`was refused: ${reason}`), Math.min(refusalMs, this.#settings.timeouts.exit)).unref();
  }

  #onMessage(message: Exclude<FromWorker, Hello>, bins: IncomingBins): void {
    switch (message.kind) {
      case "heartbeat":
        this.#onHeartbeat(message);
        return;
      case "log":
        this.#owner.onEvent({ kind: "worker-log", worker: this.name, level: message.level, text: message.text });
        return;
      case "bye":
        this.#send({ v, kind: "shutdown" });
        return;
      default:
        this.#leases.receive(message, bins);
    }
  }

  #onHeartbeat({ job, done, memoryBytes, malformed = 0 }: Extract<FromWorker, { kind: "heartbeat" }>): void {
    const now = performance.now();
    this.memoryBytes = memoryBytes;
    this.malformedByWorker = malformed;
    const idle = job === "" && this.#leases.size > 0;
    this.#liveness.at(job, done, now);
    this.#liveness.idle(idle, now);
    // Between two short calls a worker is idle too: only one that finishes nothing has lost something.
    this.#resync.heartbeat(idle && this.#leases.finished === this.#finishedAtBeat);
    this.#finishedAtBeat = this.#leases.finished;
  }

  /** Checks all deadlines; called some times a second. `stall` = how long the coordinator itself was not listening. */
  tick(now: number, stall: number): void {
    if (this.phase === "ended") return;
    this.#liveness.excuse(stall);
    this.#resync.tick(now);
    const { start, exit } = this.#settings.timeouts;
    if (this.#killReason) {
      // A process that waits for a dead disk does not obey SIGKILL; its calls must not wait with it.
      if (now - this.#killedAt > exit) this.#ended({ code: null, signal: null });
    } else if (this.phase === "starting") {
      if (now - this.#startedAt > start) this.fail(`did not say hello within ${start / 1000} s of its start`);
    } else {
      const overdue = this.#liveness.overdue(this.#leases.oldest, now);
      if (overdue?.kind === "fail") this.fail(overdue.reason);
      else if (overdue) {
        overdue.call.overdue = true;
        this.cancel(overdue.call);
      }
    }
  }

  /** Gives the worker up: kills its group; `onLost` follows when it has ended. */
  fail(reason: string): void {
    if (this.phase === "ended" || this.#killReason) return;
    this.#killReason = reason;
    // No new call may be given to it.
    if (this.phase === "ready") this.phase = "draining";
    this.#killedAt = performance.now();
    this.#process.kill("SIGKILL");
  }

  #ended(exit: WorkerExit): void {
    if (this.phase === "ended") return;
    const age = performance.now() - this.#startedAt;
    const unused = this.#leases.finished === 0 && this.#leases.size === 0;
    const early = this.phase === "starting" || (unused && age < this.#settings.timeouts.earlyDeath);
    this.phase = "ended";
    const cannotStart =
      exit.error === undefined
        ? undefined
        : new WorkerError("no-workers", `the worker process cannot be started: ${exit.error}`, { worker: this.name });
    const verdict = this.#verdict ?? cannotStart;
    const calls = this.#leases.clear();
    this.#owner.onLost(this, {
      reason: this.#killReason || (exit.reason ?? exitClause(exit)),
      stderr: this.#process.stderrTail(),
      calls,
      early,
      outOfMemory: exit.outOfMemory ?? false,
      ...(verdict ? { verdict } : {}),
    });
    this.#resolveGone();
  }

  /** Drain, shutdown, SIGTERM, SIGKILL, each with its time. Resolves when the process is gone, or obeys nothing. */
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
    this.#ended({ code: null, signal: null });
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
