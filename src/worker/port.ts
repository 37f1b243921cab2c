// What the stages see of workers: sessions (one worker, in order, stateful) and free calls (any worker, retried).
// Stages import only these types; cli and run inject the real pool (worker/pool.ts).
import type { BinType } from "../protocol/messages.ts";
import type { FreePrimitive, Params, Result, SessionPrimitive } from "../protocol/primitives.ts";

export type TypedArray = Uint8Array | Int32Array | Uint32Array | Float32Array;
/** Bulk numbers by name. The element type of the array is the bin type; `shape` defaults to [length]. */
export type Bins = Readonly<Record<string, TypedArray>>;
/** Name, type and data of a bulk array as received. */
export interface ReceivedBin {
  readonly type: BinType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}
export type ReceivedBins = Readonly<Record<string, ReceivedBin>>;

export interface Answer<Name extends SessionPrimitive | FreePrimitive> {
  readonly result: Result<Name>;
  readonly bins: ReceivedBins;
  /** Seconds the worker spent on the call. */
  readonly seconds: number;
}

/** One part of a streamed answer. */
export interface Chunk {
  readonly texts: readonly string[];
  readonly bins: ReceivedBins;
}

/**
 * A sequence of stateful calls on one worker. Calls may be sent without waiting for earlier answers (pipelining); the
 * worker runs them in order. When the worker is lost every pending and later call rejects with SessionLost, or with
 * WorkerError "out-of-memory" where that was the cause.
 */
export interface Session {
  readonly id: string;
  readonly worker: string;
  call<Name extends SessionPrimitive>(name: Name, params: Params<Name>, bins?: Bins): Promise<Answer<Name>>;
  /** Unloads and gives the worker back. Never rejects. */
  close(): Promise<void>;
}

/**
 * What a worker must have for a call or a session. Estimates are rough: a need above what a worker's device has in all is
 * refused there, anything below goes (when memory runs out after all, the worker answers "out-of-memory").
 */
export interface WorkerNeeds {
  /** Memory of the device while the call runs, bytes. */
  readonly memoryBytes?: number;
  /** GPUs of the worker: 0 or absent asks for none. */
  readonly gpus?: number;
}

export interface SessionOptions {
  readonly signal?: AbortSignal;
  readonly needs?: WorkerNeeds;
}

export interface FreeOptions {
  /** Called for each chunk of the attempt that will be the answer, in order. Chunks of a lost attempt are never mixed in: on a retry `onRestart` is called first. */
  readonly onChunk?: (chunk: Chunk) => void;
  readonly onRestart?: () => void;
  readonly signal?: AbortSignal;
  readonly needs?: WorkerNeeds;
  /**
   * Settled when the caller has recorded the answer (a journal, a file): only then is the worker told to forget its result.
   * Absent: at once. It may depend on later calls, so the pool never holds those back for it. Its rejection counts as settled.
   */
  readonly recorded?: Promise<unknown>;
  /** Part of a call that was quarantined: it runs alone from the start, and is quarantined with the first worker that it loses. */
  readonly suspect?: boolean;
}

/** The pool as the stages see it. */
export interface Workers {
  /**
   * Waits for a free worker that fits. Rejects with WorkerError when none can be had any more ("no-workers") or none will ever
   * fit ("no-fitting-worker"), or AbortError.
   */
  session(options?: SessionOptions): Promise<Session>;
  free<Name extends FreePrimitive>(name: Name, params: Params<Name>, bins?: Bins, options?: FreeOptions): Promise<Answer<Name>>;
  /** Number of workers the pool aims at. */
  readonly size: number;
  /** GPUs of the workers that are ready, together; 0 on a CPU, and before the first worker is ready. */
  readonly gpus: number;
}

/** An answer of kind `error`, or the pool's own verdict on a call ("quarantined", "no-workers", "no-fitting-worker", "deadline"). */
export class WorkerError extends Error {
  readonly code: string;
  readonly worker: string;
  readonly traceback: string;
  constructor(code: string, message: string, details: { worker?: string; traceback?: string } = {}) {
    super(message);
    this.name = "WorkerError";
    this.code = code;
    this.worker = details.worker ?? "";
    this.traceback = details.traceback ?? "";
  }
}

/** The worker of a session died, hung or was replaced. The loop restores its last checkpoint on a new session. */
export class SessionLost extends Error {
  readonly worker: string;
  /** The last lines of its output. */
  readonly traceback: string;
  constructor(worker: string, reason: string, traceback = "") {
    super(`worker ${worker} was lost: ${reason}`);
    this.name = "SessionLost";
    this.worker = worker;
    this.traceback = traceback;
  }
}
