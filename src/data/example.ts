// What a dataset is made of. Field names are a promise (DESIGN.md section 7).
import type { Json } from "../lib/hash.ts";
import type { Span } from "../trace/format.ts";

/** One training example. `spans` are the character ranges of `response` that are trained on, end of text apart. */
export interface Example {
  readonly id: string;
  readonly problem: Json;
  readonly prompt: string;
  readonly response: string;
  readonly spans: readonly Span[];
  /** Whether the end-of-text token after the response is trained. */
  readonly trainEnd: boolean;
  readonly format: string;
  readonly solver: string;
  /** What was done to the example: "optimal", or the kind of the wrong action ("exploration", "arithmetic", "rule"). */
  readonly origin: string;
}

/** A problem of a test split. */
export interface TestProblem {
  readonly id: string;
  readonly split: string;
  readonly problem: Json;
  readonly prompt: string;
}
