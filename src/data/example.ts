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
  /**
   * What was done to the example: "optimal", the kind of the wrong action ("exploration", "arithmetic", "rule"), "revision",
   * or "trace" for a solver's search.
   */
  readonly origin: string;
  /** Whether the search declared a goal; of origin "trace" alone, as are the fields below. */
  readonly solved?: boolean;
  /** Nodes that the search generated, those of a part that was cut off included. */
  readonly nodes?: number;
  /**
   * The problem's reference solution, where that is cheap: the response of the puzzle's format `path` for the canonical
   * (Countdown) or shortest solution; Sudoku: the full grid, row by row.
   */
  readonly solution?: string;
  /** The publisher's own rating of the problem, where one was imported with it. */
  readonly difficulty?: number;
}

/** Id of the example of draw `index`: at least seven digits, so that ids sort up to ten million draws. */
export function trainId(index: number): string {
  return `train-${String(index).padStart(7, "0")}`;
}

/** A problem of a test split. */
export interface TestProblem {
  readonly id: string;
  readonly split: string;
  readonly problem: Json;
  readonly prompt: string;
  /** As in an example. */
  readonly difficulty?: number;
}
