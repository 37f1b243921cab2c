// The port of the compat scorers: published checkers restated with their faults, to tell what their figures count.
import type { CountdownProblem } from "../../puzzle/countdown.ts";

export interface CompatVerdict {
  readonly accepted: boolean;
  /** Why, in a few words that can be counted over many texts: no figure of the text stands in it. */
  readonly reason: string;
}

export interface CompatScorer {
  readonly puzzle: "countdown";
  /** `text` is the response, or prompt and response. Never throws. */
  score(problem: CountdownProblem, text: string): CompatVerdict;
}

export const accepted: CompatVerdict = { accepted: true, reason: "accepted" };

export function refused(reason: string): CompatVerdict {
  return { accepted: false, reason };
}
