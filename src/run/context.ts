// What every stage of a run is given. Made by the cli; the stages in run/stages/ read it and nothing global.
import type { Store } from "../store/store.ts";
import type { Workers } from "../worker/port.ts";
import type { Progress } from "./progress.ts";

/** Where tensors are worked on, decided before planning because it enters the keys. */
export interface RunEnvironment {
  readonly flavour: "torch" | "mock";
  readonly dtype: "float32" | "bfloat16";
  /** "cpu", or the GPU's name. */
  readonly device: string;
}

export interface RunContext {
  readonly store: Store;
  readonly environment: RunEnvironment;
  /** Starts the pool on first use: a run that finds all cached never starts a worker. */
  readonly workers: () => Promise<Workers>;
  /** Versions of the code that makes artefacts; for the manifests. */
  readonly code: Readonly<Record<string, string>>;
  readonly machine: Readonly<Record<string, string | number>>;
  /** Whether the ranks of a worker are asked to share out the training state. */
  readonly sharded?: boolean;
  readonly progress: Progress;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/** What one stage is given. Its `signal` also says that the run drains: save what is done and reject with AbortError. */
export interface StageContext extends RunContext {
  /**
   * Does the part of a stage that keeps workers busy when it is its turn. What comes before and after (reading, publishing)
   * goes on beside the work of other stages, so that no worker waits for it.
   */
  readonly turn: <T>(work: () => Promise<T>) => Promise<T>;
}
