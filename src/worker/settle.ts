// What becomes of a call when its worker has answered, failed or died: settled, retried or quarantined. Bookkeeping on
// calls and their queue; no messages, no processes.
// Invariants: a call is settled once; only the oldest call of a dead worker is blamed; a call is quarantined only when
// it was alone with its worker.
import { type Call, maxBlames } from "./calls.ts";
import type { PoolEvent } from "./events.ts";
import type { Outcome } from "./leases.ts";
import { WorkerError } from "./port.ts";
import type { CallQueue } from "./queue.ts";
import type { Loss } from "./workerOwner.ts";

const maxErrors = 3;

export function closedError(): WorkerError {
  return new WorkerError("closed", "the pool is closed");
}

export class Settlement {
  readonly #queue: CallQueue;
  readonly #emit: (event: PoolEvent) => void;

  constructor(queue: CallQueue, emit: (event: PoolEvent) => void) {
    this.#queue = queue;
    this.#emit = emit;
  }

  /** The worker has answered. */
  finished(worker: string, call: Call, outcome: Outcome): void {
    if (call.settled) {
      this.done(worker, call, "cancelled");
    } else if (outcome.kind === "result") {
      call.settled = true;
      call.sink.resolve(outcome.answer);
      this.done(worker, call, "result", outcome.answer.seconds);
    } else if (!call.ticket && (outcome.retryable || call.overdue) && ++call.errors < maxErrors) {
      this.#requeue(call, outcome.error.message);
    } else {
      call.settled = true;
      call.sink.reject(finalError(call, outcome.error));
      this.done(worker, call, "error");
    }
  }

  /** The worker of these free calls is dead: the oldest is blamed, those still wanted go back in their order. */
  lost(worker: string, loss: Loss, closing: boolean): void {
    for (const [index, call] of [...loss.calls.entries()].reverse()) {
      if (index === 0) {
        call.blames++;
        call.deaths++;
      }
      if (call.settled) this.done(worker, call, "cancelled");
      else if (closing) {
        call.settled = true;
        call.sink.reject(closedError());
        this.done(worker, call, "cancelled");
      } else if (call.blames >= maxBlames) this.#quarantine(worker, call, loss);
      else this.#requeue(call, `worker ${worker} ${loss.reason}`);
    }
  }

  #requeue(call: Call, reason: string): void {
    call.attempt++;
    call.cancelledAt = 0;
    call.overdue = false;
    this.#emit({ kind: "job-retried", id: call.id, primitive: call.primitive, attempt: call.attempt, reason });
    try {
      call.sink.onRestart?.();
      this.#queue.pushBack(call);
    } catch (error) {
      // The consumer's own failure ends its call, not the pool.
      call.settled = true;
      call.sink.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #quarantine(worker: string, call: Call, loss: Loss): void {
    call.settled = true;
    const last = loss.stderr === "" ? "" : `\nLast lines of its output:\n${loss.stderr}`;
    const message = `${call.primitive} lost its worker ${call.deaths} ${call.deaths === 1 ? "time" : "times"}, the last time alone: worker ${worker} ${loss.reason}${last}`;
    call.sink.reject(new WorkerError("quarantined", message, { worker, traceback: loss.stderr }));
    this.done(worker, call, "quarantined");
  }

  done(worker: string, call: Call, outcome: Extract<PoolEvent, { kind: "job-done" }>["outcome"], seconds = 0): void {
    this.#emit({ kind: "job-done", id: call.id, primitive: call.primitive, worker, outcome, seconds });
  }
}

function finalError(call: Call, error: WorkerError): WorkerError {
  const { worker, traceback } = error;
  if (call.overdue && !call.ticket)
    return new WorkerError("deadline", `${call.primitive} made no progress in ${maxErrors} attempts`, { worker, traceback });
  if (call.errors < maxErrors) return error;
  return new WorkerError(error.code, `${error.message} (${maxErrors} attempts)`, { worker, traceback });
}
