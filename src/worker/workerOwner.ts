// What a worker's state is given by its pool, and what it reports. Types only.
import type { Call } from "./calls.ts";
import type { PoolEvent, PoolTimeouts } from "./events.ts";
import type { Launcher } from "./launcher.ts";
import type { Outcome } from "./leases.ts";
import type { WorkerError } from "./port.ts";
import type { WorkerState } from "./workerState.ts";

export interface Loss {
  /** What happened, as a clause: "was killed by SIGKILL". */
  readonly reason: string;
  readonly stderr: string;
  /** Calls that the worker held, oldest first. */
  readonly calls: readonly Call[];
  /** It died of its start, not of its work. */
  readonly early: boolean;
  /** A smaller call may succeed where this one ended the worker. */
  readonly outOfMemory: boolean;
  /** Set when another try is pointless. */
  readonly verdict?: WorkerError;
}

/** What a worker state needs of its pool. */
export interface WorkerOwner {
  send(worker: string, frames: readonly Buffer[]): void;
  /** A message of the worker was of no use: unreadable, or not due. */
  onDropped(kind: "malformed" | "undue"): void;
  onReady(worker: WorkerState): void;
  onFinished(worker: WorkerState, call: Call, outcome: Outcome): void;
  onLost(worker: WorkerState, loss: Loss): void;
  onEvent(event: PoolEvent): void;
}

export interface WorkerSettings {
  readonly launcher: Launcher;
  readonly logFile: string;
  /** Its place in the pool, from 0. */
  readonly slot: number;
  readonly timeouts: PoolTimeouts;
  readonly maxMessageBytes: number;
}
