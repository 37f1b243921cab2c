// What supervised fine-tuning takes and gives (train/sft.ts is the way in).
import type { TrainSettings } from "../config/schema.ts";
import type { MaskLint, ModelInfo, ModelSpec } from "../protocol/primitives.ts";
import type { Workers } from "../worker/port.ts";
import type { TrainJournal } from "./journal.ts";

export interface SftInputs {
  readonly workers: Workers;
  readonly model: ModelSpec;
  readonly settings: TrainSettings;
  readonly seed: number;
  readonly shards: readonly { readonly path: string; readonly sha256: string }[];
  /** Examples in the shards. */
  readonly examples: number;
  /** Checkpoints for resume live here, as checkpoint-<step>. */
  readonly workDirectory: string;
  readonly journal: TrainJournal;
  /** The final checkpoint goes here (without optimizer state); what an earlier attempt left there is removed first. */
  readonly outputDirectory: string;
  /** Whether the worker's ranks are asked to share out the training state. */
  readonly sharded?: boolean;
  readonly onProgress?: (progress: SftProgress) => void;
  /** Told, once each, what the user would not expect of the sessions. */
  readonly onNotice?: (text: string) => void;
  /** Finishes the steps in flight, saves a resume checkpoint, then rejects with AbortError. */
  readonly signal?: AbortSignal;
}

export interface SftProgress {
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly tokensPerSecond: number;
  readonly etaSeconds: number;
  /** Examples of the step's largest forward pass. */
  readonly microBatch: number;
  /** What was changed because memory ran out; absent while nothing was. */
  readonly notice?: string;
}

export interface SftResult {
  readonly steps: number;
  readonly trainedTokens: number;
  readonly tokens: number;
  /** Loss of the last step. */
  readonly finalLoss: number;
  readonly examplesSeen: number;
  readonly lint: MaskLint;
  readonly info: ModelInfo;
  /** Lost sessions that this call recovered from. */
  readonly restarts: number;
}
