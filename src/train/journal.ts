// What the training loop asks of the store: a metrics file that is never counted twice and a pointer to the checkpoint to
// resume from. A port: run/ gives the implementation, only store/ touches files.
import type { MicroLimit } from "./microBatches.ts";

/** One line of metrics.jsonl. */
export interface StepRecord {
  readonly step: number;
  /** Passes over the examples at the end of the step. */
  readonly epoch: number;
  /** Mean negative log-likelihood of the step's trained tokens, in nats. */
  readonly loss: number;
  readonly learningRate: number;
  /** Global norm before clipping. */
  readonly gradientNorm: number;
  /** Tokens read, and those of them that were trained. */
  readonly tokens: number;
  readonly trainedTokens: number;
  /** Examples of the step's largest forward pass. */
  readonly microBatch: number;
  /** What a forward pass was halved to when memory ran out, in examples; absent while it never did. */
  readonly halvedTo?: number;
  /** Whether examples were laid end to end. */
  readonly packed: boolean;
  /** Wall-clock rate; the one field that differs between equal runs. */
  readonly tokensPerSecond: number;
}

/** Where a run stands when it is resumed. The counts are totals of steps 1..step, `loss` is that of `step`. */
export interface ResumePoint {
  readonly step: number;
  /** Checkpoint directory (saved with `resume`). */
  readonly path: string;
  readonly tokens: number;
  readonly trainedTokens: number;
  readonly loss: number;
  /** What a forward pass may hold since memory ran out; absent while it never did. */
  readonly halved?: MicroLimit;
}

export interface TrainJournal {
  /** Adds one line. Steps come in order, each once. */
  append(record: StepRecord): Promise<void> | void;
  /** Drops the lines of steps after `step`, and a torn last line. */
  cutAfter(step: number): Promise<void>;
  /** Returns when all lines are on disk. */
  sync(): Promise<void>;
  /** The newest resume point whose checkpoint is whole. */
  latest(): Promise<ResumePoint | undefined>;
  /**
   * Records the resume point: atomic, on disk when it returns. Keeps its checkpoint and that of the point before it, in case
   * the newest is damaged, and removes older ones.
   */
  setLatest(point: ResumePoint): Promise<void>;
  /** Removes a checkpoint directory under the work or output directory, if there is one. */
  discard(path: string): Promise<void>;
}
