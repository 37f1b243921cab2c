// The calls that wait for a worker, and who gets which. Pure bookkeeping: no clock, no messages.
// Invariants: nothing goes to a worker that does not fit; a leased or reserved worker gets no free call; a suspect call (2
// blames) runs on an empty worker with nothing beside it, one in the pool at a time, so that the others go on; free calls of one model start in the order they came (returned
// ones first).
// Free calls go where their model is. An idle worker never waits for that: it takes the oldest call, preferring one of a
// model that it holds, then one that no worker holds. What is queued behind a running call must be of a model that the worker
// holds, and is one call only: more would be kept from a worker that becomes free. So no call is overtaken more than
// `mostOvertaken` times, and calls of two models in turn cost a load per worker and model, not per call.
import { type Call, suspectBlames } from "./calls.ts";
import { fits } from "./fit.ts";
import type { WorkerError, WorkerNeeds } from "./port.ts";
import type { WorkerState } from "./workerState.ts";

/** Free calls of a worker: the running one and the next. */
const freeDepth = 2;
const mostOvertaken = 16;

export function isSuspect(call: Call): boolean {
  return call.blames >= suspectBlames;
}

export interface SessionWaiter {
  readonly needs: WorkerNeeds | undefined;
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
    for (const call of this.#calls.splice(0)) settleWith(call, error);
  }

  /** Rejects what no worker can ever run. `refusal` says why, or undefined. */
  refuse(refusal: (what: string, needs: WorkerNeeds | undefined) => WorkerError | undefined): void {
    for (const waiter of [...this.#waiters]) {
      const error = refusal("a session", waiter.needs);
      if (!error) continue;
      this.remove(waiter);
      waiter.reject(error);
    }
    for (const call of [...this.#calls]) {
      const error = refusal(call.primitive, call.needs);
      if (!error) continue;
      this.remove(call);
      settleWith(call, error);
    }
  }

  /** Gives what waits to workers with room: sessions first, on empty workers; then suspects, alone; then the other free calls. */
  dispatch(workers: readonly WorkerState[]): void {
    for (const [worker, call] of this.#alone) if (!worker.holds(call)) this.#alone.delete(worker);
    let open = workers.filter((worker) => worker.phase === "ready" && worker.session === "" && !this.#alone.has(worker));
    // Each that must have a worker for itself takes an empty one now, or keeps the emptiest one free of new calls.
    for (const waiter of [...this.#waiters]) {
      const worker = emptiest(open, waiter.needs);
      open = open.filter((other) => other !== worker);
      if (worker?.leasedCount !== 0) continue;
      this.remove(waiter);
      waiter.grant(worker);
    }
    const suspect =
      this.#alone.size > 0 ? undefined : this.#calls.find((call) => isSuspect(call) && emptiest(open, call.needs));
    if (suspect) {
      const worker = emptiest(open, suspect.needs);
      open = open.filter((other) => other !== worker);
      if (worker?.leasedCount === 0) {
        this.#alone.set(worker, suspect);
        this.#lease(worker, suspect);
      }
    }
    this.#employ(open);
    this.#queueBehind(open);
  }

  /** A call for every idle worker. */
  #employ(open: readonly WorkerState[]): void {
    const idle = new Set(open.filter((worker) => worker.leasedCount === 0));
    const holds = (worker: WorkerState, call: Call) => worker.models.has(call.model);
    const held = new Set([...idle].flatMap((worker) => worker.models.versions));
    const round = (wanted: (call: Call) => boolean, suits: (worker: WorkerState, call: Call) => boolean) => {
      for (const call of [...this.#calls]) {
        if (idle.size === 0) break;
        if (isSuspect(call) || !wanted(call)) continue;
        const worker = fewestModels([...idle].filter((one) => fits(call.needs, one.hello) && suits(one, call)));
        if (!worker) continue;
        idle.delete(worker);
        this.#lease(worker, call);
      }
    };
    const any = () => true;
    if (this.#calls.some(isDue)) {
      round(isDue, holds);
      round(isDue, any);
    }
    round((call) => held.has(call.model), holds);
    round((call) => !open.some((worker) => holds(worker, call)), any);
    round(any, any);
  }

  /** The next call for every worker that has work, so that it need not wait for us. */
  #queueBehind(open: readonly WorkerState[]): void {
    for (const worker of open) {
      while (worker.room > 0 && worker.leasedCount > 0 && worker.leasedCount < freeDepth) {
        const call = this.#calls.find(
          (waiting) =>
            !isSuspect(waiting) &&
            fits(waiting.needs, worker.hello) &&
            (waiting.model === "" || worker.models.has(waiting.model) || isDue(waiting)),
        );
        if (!call) break;
        this.#lease(worker, call);
      }
    }
  }

  #lease(worker: WorkerState, call: Call): void {
    for (const earlier of this.#calls) {
      if (earlier === call) break;
      if (fits(earlier.needs, worker.hello)) earlier.overtaken++;
    }
    this.remove(call);
    worker.lease(call);
  }
}

function isDue(call: Call): boolean {
  return call.overtaken >= mostOvertaken;
}

function settleWith(call: Call, error: Error): void {
  call.settled = true;
  call.sink.reject(error);
}

/** Of the workers that fit: the one with the fewest calls, among these the one with the fewest models. */
function emptiest(workers: readonly WorkerState[], needs: WorkerNeeds | undefined): WorkerState | undefined {
  const fitting = workers.filter((worker) => fits(needs, worker.hello));
  const least = Math.min(...fitting.map(({ leasedCount }) => leasedCount));
  return fewestModels(fitting.filter(({ leasedCount }) => leasedCount === least));
}

/** Where a new model drives out the least. */
function fewestModels(workers: readonly WorkerState[]): WorkerState | undefined {
  return workers.reduce<WorkerState | undefined>(
    (best, next) => (best && best.models.versions.length <= next.models.versions.length ? best : next),
    undefined,
  );
}
