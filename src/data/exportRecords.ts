// An example in the field names of other tools: TRL, axolotl, Self-Backtracking. One function a target. No files.
import type { CountdownProblem } from "../puzzle/countdown.ts";
import type { Example, TestProblem } from "./example.ts";

/** TRL's prompt-completion kind. It trains on the whole completion: what our spans leave out is trained as well. */
export interface TrlRecord {
  readonly prompt: string;
  readonly completion: string;
}

export function trlRecord({ prompt, response }: Example): TrlRecord {
  return { prompt, completion: response };
}

/** axolotl's template-free kind: the text in pieces, each with whether it is trained on. */
export interface AxolotlRecord {
  readonly segments: readonly { readonly label: boolean; readonly text: string }[];
}

/**
 * The prompt, the response cut at the edges of its spans, and the end of text. axolotl adds no token of its own: without
 * `endOfText` (the tokenizer's, as it is spelled) a model never learns to stop.
 */
export function axolotlRecord({ prompt, response, spans, trainEnd }: Example, endOfText?: string): AxolotlRecord {
  const segments = [{ label: false, text: prompt }];
  const add = (label: boolean, text: string) => {
    if (text !== "") segments.push({ label, text });
  };
  let at = 0;
  for (const [from, to] of spans) {
    add(false, response.slice(at, from));
    add(true, response.slice(from, to));
    at = to;
  }
  add(false, response.slice(at));
  if (endOfText !== undefined) add(trainEnd, endOfText);
  return { segments };
}

/** Self-Backtracking's training file (`yangxw/countdown-backtracking`). Its validation rows hold no search path. */
export interface SelfBacktrackingRecord {
  readonly nums: readonly number[];
  readonly target: number;
  readonly search_path: string;
}

export function selfBacktrackingRecord({ problem }: Example | TestProblem, response: string): SelfBacktrackingRecord {
  const { numbers, target } = problem as unknown as CountdownProblem;
  return { nums: numbers, target, search_path: response };
}

/** Our own fields as columns; the problem as JSON text, because each puzzle has other members. */
export function columnRecord(row: Example | TestProblem): object {
  return { ...row, problem: JSON.stringify(row.problem) };
}
