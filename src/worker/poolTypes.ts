// What one gives to a pool and gets from it. Types only.
import type { PoolEvent, PoolTimeouts } from "./events.ts";
import type { Launcher } from "./launcher.ts";
import type { Workers } from "./port.ts";

export interface PoolOptions {
  /** Starts the workers; the pool closes it. */
  readonly launcher: Launcher;
  /** Number of workers. */
  readonly size: number;
  /** Kernel threads of each worker; 0 = the library's choice. Default 0. */
  readonly threads?: number;
  /** "auto" (default), "cpu", "cuda:0", ... */
  readonly device?: string;
  /** Settings of mock workers (noise, misbehave); empty for torch workers. */
  readonly mock?: Readonly<Record<string, unknown>>;
  readonly timeouts?: Partial<PoolTimeouts>;
  readonly onEvent?: (event: PoolEvent) => void;
  /** Where each worker's stdout and stderr go: `<worker name>.log`. */
  readonly logDirectory: string;
  /** "now" starts all workers at once, "lazy" (default) with the first call. */
  readonly start?: "now" | "lazy";
  /** Limit of one message in either direction. Default 256 MiB. */
  readonly maxMessageBytes?: number;
}

/** Messages that came, and those that were of no use; the kinds of the latter exclude each other. */
export interface MessageCounts {
  readonly received: number;
  /** Could not be read, whoever sent them. */
  readonly malformed: number;
  /** From a name that no worker has. */
  readonly strangers: number;
  /** Of a worker, but not due: before its hello, about a call that it does not hold, said twice, behind a missing one, after it was given up. */
  readonly undue: number;
}

export interface WorkerDescription {
  readonly name: string;
  readonly pid: number;
  readonly phase: string;
  readonly flavour: string;
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  /** Names of the primitives that the worker knows. */
  readonly capabilities: readonly string[];
  readonly calls: number;
  readonly session: string;
  /** Memory in use, as last reported (of the process on CPU, of the device on GPU); 0 = unknown. */
  readonly memoryBytes: number;
  /** Memory that its device has in all; 0 = unknown. */
  readonly deviceMemoryBytes: number;
  /** GPUs that it has; 0 on CPU or unknown. */
  readonly gpus: number;
  /** The primitive that it works at, or "". */
  readonly call: string;
  /** Versions of models that it holds, as far as the pool knows. */
  readonly models: readonly string[];
  /** Messages of ours that it could not read, as last reported. */
  readonly malformedByWorker: number;
}

export interface PoolDescription {
  readonly size: number;
  readonly queued: number;
  readonly waitingSessions: number;
  readonly messages: MessageCounts;
  readonly workers: readonly WorkerDescription[];
}

export interface Pool extends Workers {
  /** Lets calls in progress end (for a while), rejects those that wait, and ends every worker. Idempotent, never rejects. */
  close(): Promise<void>;
  describe(): PoolDescription;
}
