// The pool: workers behind one socket, calls that go to them, and what happens when one is lost.
// Invariants:
// 1. Every call is settled exactly once, and only with an answer to its current attempt; a later answer is acknowledged
//    and dropped. Chunks of two attempts are never mixed: `onRestart` comes between them.
// 2. A free call is with at most one worker. It returns to the queue only after that worker's process has ended or has
//    answered, so nothing is answered twice.
// 3. Session calls are never retried: they end in an answer or in SessionLost.
// 4. Only the oldest call of a dead worker is blamed. After 2 blames it runs alone; a third quarantines it.
// 5. A worker is replaced by one of another name, so messages of the dead reach nobody.
// 6. After close() no worker process, socket or timer is left; the reaper does the same when we are killed.
import { abortError, onAbort } from "../lib/abort.ts";
import { decodeFromWorker } from "../protocol/codec.ts";
import type { FreePrimitive, Params } from "../protocol/primitives.ts";
import { type Call, type CallAnswer, newCall } from "./calls.ts";
import { describeWorker } from "./describe.ts";
import { defaultTimeouts, type PoolEvent } from "./events.ts";
import type { Outcome } from "./leases.ts";
import type { Pool, PoolDescription, PoolOptions } from "./poolTypes.ts";
import type { Answer, Bins, FreeOptions, Session, SessionOptions } from "./port.ts";
import { CallQueue } from "./queue.ts";
import { PoolSession } from "./session.ts";
import { closedError, Settlement } from "./settle.ts";
import { Slots, tickInterval } from "./slots.ts";
import { Strangers } from "./strangers.ts";
import { openRouter, type RouterTransport } from "./transport.ts";
import type { Loss } from "./workerOwner.ts";
import type { WorkerState } from "./workerState.ts";

export type { Pool, PoolOptions };

/** Opens the pool's socket. Workers start now or with the first call. Throws UserError("ipc-path"). */
export async function createPool(options: PoolOptions): Promise<Pool> {
  const holder: { pool?: LocalPool } = {};
  const maxMessageBytes = options.maxMessageBytes ?? 256 * 1024 * 1024;
  const transport = await openRouter({
    maxMessageBytes,
    onMessage: (peer, frames) => holder.pool?.receive(peer, frames),
    onUndelivered: (peer, reason) => holder.pool?.undelivered(peer, reason),
  });
  options.launcher.removeAtDeath?.(transport.directory);
  const pool = new LocalPool(options, transport, maxMessageBytes);
  holder.pool = pool;
  if (options.start === "now") pool.start();
  return pool;
}

class LocalPool implements Pool {
  readonly size: number;
  readonly #options: PoolOptions;
  readonly #transport: RouterTransport;
  readonly #slots: Slots;
  readonly #queue = new CallQueue();
  readonly #settlement = new Settlement(this.#queue, (event) => this.#emit(event));
  readonly #sessions = new Map<WorkerState, PoolSession>();
  readonly #clock: NodeJS.Timeout;
  #ticked = performance.now();
  #ids = 0;
  #sessionIds = 0;
  readonly #strangers: Strangers;
  readonly #messages = { received: 0, malformed: 0, strangers: 0, undue: 0 };
  #dispatchPlanned = false;
  /** Whether all that waits can be run at all is to be looked at again. */
  #fitPlanned = false;
  #closing: Promise<void> | undefined;

  constructor(options: PoolOptions, transport: RouterTransport, maxMessageBytes: number) {
    const timeouts = { ...defaultTimeouts, ...options.timeouts };
    this.size = options.size;
    this.#options = options;
    this.#transport = transport;
    this.#strangers = new Strangers({
      send: (peer, frames) => transport.send(peer, frames),
      onEvent: (event) => this.#emit(event),
    });
    const { launcher, size, threads = 0, device = "auto", mock = {}, logDirectory } = options;
    this.#slots = new Slots(
      { launcher, size, threads, device, mock, logDirectory, timeouts, maxMessageBytes },
      transport.endpoint,
      {
        send: (worker, frames) => transport.send(worker, frames),
        onDropped: (kind) => {
          this.#messages[kind]++;
        },
        onReady: (worker) => {
          this.#slots.ready(worker);
          this.#fitPlanned = true;
          this.#planDispatch();
        },
        onFinished: (worker, call, outcome) => this.#onFinished(worker, call, outcome),
        onLost: (worker, loss) => this.#onLost(worker, loss),
        onEvent: (event) => this.#emit(event),
      },
    );
    const interval = tickInterval(timeouts);
    this.#clock = setInterval(() => this.#tick(interval), interval);
  }

  start(): void {
    this.#slots.start();
  }

  session(options: SessionOptions = {}): Promise<Session> {
    const refused = this.#refusal(options.signal);
    if (refused) return Promise.reject(refused);
    this.start();
    return new Promise((resolve, reject) => {
      const waiter = {
        needs: options.needs,
        grant: (worker: WorkerState) => {
          forget();
          resolve(this.#openSession(worker));
        },
        reject: (error: Error) => {
          forget();
          reject(error);
        },
      };
      const forget = onAbort(options.signal, (error) => {
        this.#queue.remove(waiter);
        reject(error);
        this.#planDispatch();
      });
      this.#queue.wait(waiter);
      this.#fitPlanned = true;
      this.#planDispatch();
    });
  }

  #openSession(worker: WorkerState): PoolSession {
    const session = new PoolSession(`s${++this.#sessionIds}`, worker, {
      nextCallId: () => this.#nextCallId(),
      release: (closed, clean) => this.#release(closed, clean),
    });
    worker.session = session.id;
    this.#sessions.set(worker, session);
    return session;
  }

  #release(session: PoolSession, clean: boolean): void {
    const worker = session.state;
    if (this.#sessions.get(worker) !== session) return;
    this.#sessions.delete(worker);
    worker.session = "";
    // What a failed unload has left behind is unknown: a fresh worker is cheap.
    if (!clean) worker.fail(`did not unload session ${session.id}`);
    this.#planDispatch();
  }

  free<Name extends FreePrimitive>(
    name: Name,
    params: Params<Name>,
    bins: Bins = {},
    options: FreeOptions = {},
  ): Promise<Answer<Name>> {
    const refused = this.#refusal(options.signal);
    if (refused) return Promise.reject(refused);
    this.start();
    const answer = new Promise<CallAnswer>((resolve, reject) => {
      const { signal, onChunk, onRestart, needs, recorded, suspect } = options;
      // A record that fails is its maker's to notice; here it only ends the waiting.
      recorded?.catch(() => undefined);
      const sink = {
        resolve: (value: CallAnswer) => {
          forget();
          resolve(value);
        },
        reject: (error: Error) => {
          forget();
          reject(error);
        },
        onChunk,
        onRestart,
      };
      const call = newCall(this.#nextCallId(), name, params, bins, sink, { needs, recorded, suspect });
      const forget = onAbort(signal, (error) => this.#abort(call, error));
      this.#queue.push(call);
      this.#fitPlanned ||= needs !== undefined;
      this.#planDispatch();
    });
    return answer as unknown as Promise<Answer<Name>>;
  }

  #nextCallId(): string {
    return `j${++this.#ids}`;
  }

  #refusal(signal: AbortSignal | undefined): Error | undefined {
    if (this.#closing) return closedError();
    if (signal?.aborted) return abortError(signal);
    return this.#slots.failure;
  }

  #abort(call: Call, reason: Error): void {
    if (call.settled) return;
    call.settled = true;
    call.sink.reject(reason);
    const worker = this.#slots.workers.find((candidate) => candidate.holds(call));
    if (worker) worker.cancel(call);
    else this.#queue.remove(call);
    this.#planDispatch();
  }

  receive(peer: string, frames: readonly Uint8Array[]): void {
    const decoded = decodeFromWorker(frames);
    const worker = this.#slots.get(peer);
    this.#messages.received++;
    if (worker) worker.receive(decoded);
    else {
      this.#messages[decoded.ok ? "strangers" : "malformed"]++;
      this.#strangers.receive(peer, decoded);
    }
  }

  undelivered(peer: string, reason: string): void {
    // A worker that has just died or is not yet connected: its exit, or its silence, is what counts.
    if (reason !== "EHOSTUNREACH") this.#slots.get(peer)?.fail(`cannot be sent to: ${reason}`);
  }

  #tick(interval: number): void {
    const now = performance.now();
    // While this process computed, the workers' heartbeats lay unread: that silence is not theirs.
    const stall = Math.max(0, now - this.#ticked - 2 * interval);
    this.#ticked = now;
    for (const worker of this.#slots.workers) worker.tick(now, stall);
  }

  /** Dispatching waits for the end of the current turn, so that calls made together are seen together. */
  #planDispatch(): void {
    if (this.#dispatchPlanned) return;
    this.#dispatchPlanned = true;
    queueMicrotask(() => {
      this.#dispatchPlanned = false;
      if (this.#closing) return;
      if (this.#fitPlanned) this.#queue.refuse((what, needs) => this.#slots.refusal(what, needs));
      this.#fitPlanned = false;
      this.#queue.dispatch(this.#slots.workers);
    });
  }

  #onFinished(worker: WorkerState, call: Call, outcome: Outcome): void {
    this.#settlement.finished(worker.name, call, outcome);
    this.#sessions.get(worker)?.pump();
    this.#planDispatch();
  }

  #onLost(worker: WorkerState, loss: Loss): void {
    const restart = this.#slots.lost(worker, loss);
    if (this.#closing && loss.calls.length === 0) this.#emit({ kind: "worker-stopped", worker: worker.name });
    else this.#emit({ kind: "worker-lost", worker: worker.name, reason: loss.reason, restart });
    const session = this.#sessions.get(worker);
    this.#sessions.delete(worker);
    if (session) {
      session.lose(loss);
      for (const call of loss.calls) this.#settlement.done(worker.name, call, "lost");
    } else this.#settlement.lost(worker.name, loss, this.#closing !== undefined);
    const failure = this.#slots.failure;
    if (failure) this.#queue.rejectAll(failure);
    this.#fitPlanned = true;
    this.#planDispatch();
  }

  #emit(event: PoolEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch (error) {
      // An observer's mistake must show, but not in the middle of the pool's own work.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#queue.rejectAll(closedError());
    await this.#slots.stop();
    clearInterval(this.#clock);
    await this.#transport.close();
    await this.#options.launcher.close();
  }

  get gpus(): number {
    return this.#slots.workers.reduce((sum, { phase, hello }) => sum + (phase === "ready" ? (hello?.gpus ?? 0) : 0), 0);
  }

  describe(): PoolDescription {
    const workers = this.#slots.workers.map(describeWorker);
    const { length: queued, waiting: waitingSessions } = this.#queue;
    return { size: this.size, queued, waitingSessions, messages: { ...this.#messages }, workers };
  }
}
