// A session: a sequence of stateful calls on one leased worker. It never retries; when the worker is lost, it is lost.
// Invariants: calls go out in the order of call(); at most `credit` are with the worker; close() gives the worker back
// exactly once, whatever happened.
import type { Params, SessionPrimitive } from "../protocol/primitives.ts";
import { type Call, type CallAnswer, newCall, type SessionTicket } from "./calls.ts";
import { type Answer, type Bins, type Session, SessionLost, WorkerError } from "./port.ts";
import type { Loss } from "./workerOwner.ts";
import type { WorkerState } from "./workerState.ts";

export interface SessionOwner {
  nextCallId(): string;
  /** The session is over; `clean` = the worker holds nothing of it any more. */
  release(session: PoolSession, clean: boolean): void;
}

export class PoolSession implements Session {
  readonly id: string;
  readonly #state: WorkerState;
  readonly #owner: SessionOwner;
  readonly #ticket: SessionTicket;
  readonly #queue: Call[] = [];
  #hasModel = false;
  #lost: SessionLost | WorkerError | undefined;
  #closing: Promise<void> | undefined;

  constructor(id: string, state: WorkerState, owner: SessionOwner) {
    this.id = id;
    this.#state = state;
    this.#owner = owner;
    this.#ticket = { id, sent: 0 };
  }

  get worker(): string {
    return this.#state.name;
  }

  get state(): WorkerState {
    return this.#state;
  }

  call<Name extends SessionPrimitive>(name: Name, params: Params<Name>, bins: Bins = {}): Promise<Answer<Name>> {
    if (this.#closing)
      return Promise.reject(
        new WorkerError("session-closed", `${name}: session ${this.id} is closed`, { worker: this.worker }),
      );
    return this.#push(name, params, bins) as Promise<Answer<Name>>;
  }

  #push(name: SessionPrimitive, params: Readonly<Record<string, unknown>>, bins: Bins): Promise<unknown> {
    if (this.#lost) return Promise.reject(this.#lost);
    this.#hasModel ||= name === "load_model";
    const answer = new Promise<CallAnswer>((resolve, reject) => {
      this.#queue.push(newCall(this.#owner.nextCallId(), name, params, bins, { resolve, reject }, { ticket: this.#ticket }));
    });
    this.pump();
    return answer;
  }

  /** Sends what the worker has room for. */
  pump(): void {
    while (!this.#lost && this.#state.room > 0) {
      const call = this.#queue.shift();
      if (!call) return;
      this.#state.lease(call);
    }
  }

  /** The worker is gone: everything pending rejects. */
  lose({ reason, stderr, calls, outOfMemory }: Loss): void {
    this.#lost = outOfMemory
      ? new WorkerError("out-of-memory", reason, { worker: this.worker, traceback: stderr })
      : new SessionLost(this.worker, reason, stderr);
    for (const call of [...calls, ...this.#queue.splice(0)]) {
      call.settled = true;
      call.sink.reject(this.#lost);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // Of a session that never asked for a model the worker holds nothing.
    const clean =
      !this.#hasModel ||
      (await this.#push("unload", {}, {}).then(
        () => true,
        () => false,
      ));
    this.#owner.release(this, clean);
  }
}
