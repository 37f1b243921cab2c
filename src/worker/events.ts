// What a pool tells its observer, and the times it waits. Types and defaults only.

/** Everything an observer (progress display, log) may want to know. No event carries data of jobs. */
export type PoolEvent =
  | { readonly kind: "worker-starting"; readonly worker: string; readonly logFile: string }
  | {
      readonly kind: "worker-ready";
      readonly worker: string;
      readonly pid: number;
      readonly flavour: string;
      readonly device: string;
      readonly versions: Readonly<Record<string, string>>;
      readonly seconds: number;
    }
  /** The worker is gone, unasked. `restart`: another takes its place. */
  | { readonly kind: "worker-lost"; readonly worker: string; readonly reason: string; readonly restart: boolean }
  | { readonly kind: "worker-stopped"; readonly worker: string }
  | {
      readonly kind: "worker-log";
      readonly worker: string;
      readonly level: "debug" | "info" | "warning" | "error";
      readonly text: string;
    }
  /** A message that could not be read was dropped. */
  | { readonly kind: "garbage"; readonly peer: string; readonly reason: string }
  | {
      readonly kind: "job-started";
      readonly id: string;
      readonly primitive: string;
      readonly worker: string;
      readonly attempt: number;
    }
  | {
      readonly kind: "job-progress";
      readonly id: string;
      readonly primitive: string;
      readonly worker: string;
      readonly done: number;
      readonly total: number;
    }
  /** A free call goes back to the queue. */
  | {
      readonly kind: "job-retried";
      readonly id: string;
      readonly primitive: string;
      readonly attempt: number;
      readonly reason: string;
    }
  | {
      readonly kind: "job-done";
      readonly id: string;
      readonly primitive: string;
      readonly worker: string;
      readonly outcome: "result" | "error" | "cancelled" | "lost" | "quarantined";
      readonly seconds: number;
    };

/** All in milliseconds. */
export interface PoolTimeouts {
  /** From the spawn to the worker's hello. */
  readonly start: number;
  /** What workers are told to send heartbeats at. */
  readonly heartbeat: number;
  /** Silence after which a worker counts as hung and is killed. */
  readonly silence: number;
  /** Time in which the running job must show progress. */
  readonly progress: number;
  /** From a cancel to the worker's answer; then the worker is killed. */
  readonly cancel: number;
  /** close(): for calls in progress to end. */
  readonly drain: number;
  /** close(): between shutdown, SIGTERM and SIGKILL. */
  readonly exit: number;
  /** A worker that ends sooner than this after its start, without a job, died of its start. */
  readonly earlyDeath: number;
  /** First pause before a worker that died early is started again; doubles each time. */
  readonly restart: number;
}

export const defaultTimeouts: PoolTimeouts = {
  start: 120_000,
  heartbeat: 1_000,
  silence: 10_000,
  progress: 600_000,
  cancel: 30_000,
  drain: 10_000,
  exit: 3_000,
  earlyDeath: 5_000,
  restart: 250,
};
