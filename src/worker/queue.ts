// The calls that wait for a worker, and who gets which. Pure bookkeeping: no clock, no messages.
// Invariants: free calls start in the order they came (returned ones first); a leased or reserved worker gets none; a
// suspect call (2 blames) runs on an empty worker with nothing beside it.
import type { Call } from "./calls.ts";
import type { WorkerState } from "./workerState.ts";

const suspectBlames = 2;

export function isSuspect(call: Call): boolean {
  return call.blames >= suspectBlames;
}

export interface SessionWaiter {
  readonly grant: (worker: WorkerState) => void;
  readonly reject: (error: Error) => void;
}

export class CallQueue {
  readonly #calls: Call[] = [];
  readonly #waiters: SessionWaiter[] = [];
  /** The suspect call that each worker runs alone. */
  readonly #alone = new Map<WorkerState, Call>();

  get length(): number {
    return this.#calls.length;
  }
  get waiting(): number {
    return this.#waiters.length;
  }

  push(call: Call): void {
    this.#calls.push(call);
  }
  /** Calls that come back go before those that never ran. */
  pushBack(call: Call): void {
    this.#calls.unshift(call);
  }
  wait(waiter: SessionWaiter): void {
    this.#waiters.push(waiter);
  }
  remove(item: Call | SessionWaiter): void {
    for (const list of [this.#calls, this.#waiters] as (Call | SessionWaiter)[][]) {
      const index = list.indexOf(item);
      if (index >= 0) list.splice(index, 1);
    }
  }

  /** Rejects everything that waits. */
  rejectAll(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
    for (const call of this.#calls.splice(0)) {
      call.settled = true;
      call.sink.reject(error);
    }
  }

  /** Gives what waits to workers with room: sessions first, on empty workers; then free calls, to the worker with most room. */
  dispatch(workers: readonly WorkerState[]): void {
    for (const [worker, call] of this.#alone) if (!worker.holds(call)) this.#alone.delete(worker);
    const open = workers.filter((worker) => worker.phase === "ready" && worker.session === "" && !this.#alone.has(worker));
    this.#grantSessions(open);
    const suspects = this.#calls.filter(isSuspect);
    for (const call of suspects) {
      const empty = open.findIndex((worker) => worker.leasedCount === 0);
      if (empty < 0) break;
      const [worker] = open.splice(empty, 1) as [WorkerState];
      this.remove(call);
      this.#alone.set(worker, call);
      worker.lease(call);
    }
    // Who still waits for an empty worker gets the emptiest ones: no more free calls go there.
    const reserved = this.#waiters.length + this.#calls.filter(isSuspect).length;
    open.sort((a, b) => a.leasedCount - b.leasedCount).splice(0, reserved);
    this.#leaseOrdinary(open);
  }

  #grantSessions(open: WorkerState[]): void {
    while (this.#waiters.length > 0) {
      const empty = open.findIndex((worker) => worker.leasedCount === 0);
      if (empty < 0) return;
      const [worker] = open.splice(empty, 1) as [WorkerState];
      this.#waiters.shift()?.grant(worker);
    }
  }

  #leaseOrdinary(open: readonly WorkerState[]): void {
    for (;;) {
      const worker = open.reduce<WorkerState | undefined>(
        (best, next) => (next.room > (best?.room ?? 0) ? next : best),
        undefined,
      );
      const call = worker && this.#calls.find((waiting) => !isSuspect(waiting));
      if (!call) return;
      this.remove(call);
      worker.lease(call);
    }
  }
}
