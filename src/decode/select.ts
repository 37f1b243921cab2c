// How an answer is picked among completions. Pure; ties go to the earlier round, then state, then sample (the order of ids).
import type { BestOfNSettings, SelfBacktrackSettings } from "../config/schema.ts";
import type { Markers } from "../trace/format.ts";
import { type Candidate, meanLogprob } from "./attempt.ts";

/** The answer, and what was eligible: id -> the score it was chosen by, undefined where that is the mean log-probability. */
export interface Outcome {
  readonly chosen: Candidate;
  readonly eligible: ReadonlyMap<number, number | undefined>;
}

/**
 * The response of the highest score; among equal responses the first sample, because the log-probabilities of equal texts
 * may differ in the last bits with the batch they were computed in.
 */
function best(candidates: readonly Candidate[], score: (candidate: Candidate) => number): Candidate | undefined {
  let found: Candidate | undefined;
  for (const candidate of candidates) if (found === undefined || score(candidate) > score(found)) found = candidate;
  return candidates.find(({ response }) => response === found?.response);
}

/** Best-of-n over all samples, with or without a goal marker. "oracle" falls back to likelihood when no sample is right. */
export function selectOfN(
  candidates: readonly Candidate[],
  select: BestOfNSettings["select"],
  solves: (answer: string) => boolean,
): Outcome {
  const eligible = new Map<number, number | undefined>(candidates.map(({ id }) => [id, undefined]));
  if (select === "vote") {
    const votes = new Map<string, number>();
    for (const { response } of candidates) votes.set(response, (votes.get(response) ?? 0) + 1);
    const score = ({ response }: Candidate) => votes.get(response) as number;
    for (const candidate of candidates) eligible.set(candidate.id, score(candidate));
    return { chosen: best(candidates, score) as Candidate, eligible };
  }
  if (select === "oracle") {
    const right = candidates.find(({ response }) => solves(response));
    if (right) return { chosen: right, eligible };
  }
  return { chosen: best(candidates, meanLogprob) as Candidate, eligible };
}

/**
 * Selection of self-backtracking (experiments.md 1.6, 5): among responses that hold the goal marker the one of highest
 * mean log-probability; without any, the first completion of the last expansion. Quirks of the published decoder:
 * "add-scores" adds the (negative) scores of equal responses, so that a repeated answer is punished; "padded" divides by
 * the longest response of the expansion (log-probabilities of padding, which it adds too, do not exist here).
 */
export function selectCandidate(all: readonly Candidate[], quirks: SelfBacktrackSettings["quirks"], markers: Markers): Outcome {
  const candidates = all.filter(({ response }) => isCandidate(response, quirks, markers));
  const score = (candidate: Candidate): number =>
    quirks.divisor === "padded" && candidate.length > 0 ? candidate.logprob / candidate.padded : meanLogprob(candidate);
  const sums = new Map<string, number>();
  for (const candidate of candidates) sums.set(candidate.response, (sums.get(candidate.response) ?? 0) + score(candidate));
  const final = (candidate: Candidate): number =>
    quirks.duplicates === "add-scores" ? (sums.get(candidate.response) as number) : score(candidate);
  const plain = quirks.divisor === "tokens" && quirks.duplicates === "keep-best";
  const eligible = new Map(candidates.map((candidate) => [candidate.id, plain ? undefined : final(candidate)]));
  const last = all.findLast(({ sample }) => sample === 0) as Candidate;
  return { chosen: best(candidates, final) ?? last, eligible };
}

function isCandidate(response: string, quirks: SelfBacktrackSettings["quirks"], { goal, backtrack }: Markers): boolean {
  if (!response.includes(goal)) return false;
  return quirks.bothMarkers === "accept" || backtrack === undefined || !response.includes(backtrack);
}
