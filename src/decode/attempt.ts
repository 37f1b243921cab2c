// The record of all that a policy did for one problem, and the bookkeeping while it does it: token-level prefixes and
// scores live here, the record keeps what a reader needs. Knows no policy.
import type { TestProblem } from "../data/example.ts";
import type { Completion } from "./generator.ts";

/** One completion in the tree. */
export interface AttemptNode {
  /** Position in `completions`: rounds in order, states in the order they were picked, samples in order. */
  readonly id: number;
  /** The completion whose kept part this one continues; null = the prompt. */
  readonly parent: number | null;
  /** 0 = expansion of the prompt. */
  readonly round: number;
  /** Index among the completions of the same expansion. */
  readonly sample: number;
  /** Tokens of the parent's response that were kept in front of this completion. */
  readonly keptTokens: number;
  /** What this completion added. */
  readonly text: string;
  /** Kept part + text. */
  readonly response: string;
  /** Tokens of `text`. */
  readonly tokens: number;
  readonly finish: Completion["finish"];
  /** Mean log-probability of the whole response, the kept part included; null when it has no token. */
  readonly meanLogprob: number | null;
  /** What it was chosen by, where that is not meanLogprob: quirks, votes. */
  readonly score?: number;
  /** Whether it was eligible as the answer. */
  readonly candidate: boolean;
  /** Whether it was cut and its kept part expanded in the next round. */
  readonly rolledBack: boolean;
}

export interface Attempt {
  readonly problemId: string;
  readonly split: string;
  readonly policy: string;
  readonly completions: readonly AttemptNode[];
  /** Id of the completion that is the answer. When none is a candidate it is the first of the last expansion. */
  readonly chosen: number | null;
  /** The response of `chosen`. */
  readonly answer: string;
  /** All tokens sampled: those of discarded completions and the end tokens, which `tokens` of a node leaves out, too. */
  readonly tokensGenerated: number;
  /** Tokens of the prefixes that were expanded, once per expansion. */
  readonly prefixTokens: number;
  /** Expansions. */
  readonly generateCalls: number;
  /** Rounds in which a rolled-back state was expanded. */
  readonly rounds: number;
}

/** A prefix of the response that is expanded. */
export interface State {
  /** Sample indices from the root: with the problem and a sample index, what a seed is derived by. */
  readonly path: string;
  readonly parent: number | null;
  readonly text: string;
  readonly tokens: Int32Array;
  readonly logprobs: Float32Array;
  /** Ends of `tokens` in `text`. */
  readonly charEnds: Int32Array;
}

export const rootState: State = {
  path: "",
  parent: null,
  text: "",
  tokens: new Int32Array(0),
  logprobs: new Float32Array(0),
  charEnds: new Int32Array(0),
};

/** A completion with its tokens, while the policy still works on them. */
export interface Candidate {
  readonly id: number;
  readonly round: number;
  readonly sample: number;
  readonly state: State;
  readonly completion: Completion;
  readonly response: string;
  /** Sum of log-probabilities and number of tokens over the whole response. */
  readonly logprob: number;
  readonly length: number;
  /** Longest response of its expansion, in tokens. */
  readonly padded: number;
}

/** Mean log-probability; an empty response has none and loses against everything. */
export function meanLogprob(candidate: Candidate): number {
  return candidate.length === 0 ? Number.NEGATIVE_INFINITY : candidate.logprob / candidate.length;
}

/** The kept part of a completion's response as a state: its first `tokens` tokens, which spell `text`. */
export function stateAfter(candidate: Candidate, cut: { tokens: number; text: string }): State {
  const { state, completion } = candidate;
  const path = `${state.path}${state.path === "" ? "" : "/"}${candidate.sample}`;
  return {
    path,
    parent: candidate.id,
    text: cut.text,
    tokens: joined(Int32Array, state.tokens, completion.tokens).slice(0, cut.tokens),
    logprobs: joined(Float32Array, state.logprobs, completion.logprobs).slice(0, cut.tokens),
    charEnds: responseEnds(candidate).slice(0, cut.tokens),
  };
}

/** Ends of all tokens of the whole response. */
export function responseEnds({ state, completion }: Candidate): Int32Array {
  return joined(
    Int32Array,
    state.charEnds,
    completion.charEnds.map((end) => end + state.text.length),
  );
}

function joined<T extends Int32Array | Float32Array>(kind: new (length: number) => T, first: T, second: T): T {
  const result = new kind(first.length + second.length);
  result.set(first);
  result.set(second, first.length);
  return result;
}

/** Collects what happens in one attempt. */
export class AttemptLog {
  readonly candidates: Candidate[] = [];
  tokensGenerated = 0;
  prefixTokens = 0;
  generateCalls = 0;
  rounds = 0;

  /** Adds the completions of one expansion and returns them with their ids. */
  add(round: number, state: State, prefixTokens: number, completions: readonly Completion[]): Candidate[] {
    const padded = completions.reduce((longest, { tokens }) => Math.max(longest, state.tokens.length + tokens.length), 0);
    const keptLogprob = state.logprobs.reduce((sum, value) => sum + value, 0);
    const added = completions.map((completion, sample): Candidate => {
      this.tokensGenerated += completion.tokens.length + (completion.finish === "end" ? 1 : 0);
      const logprob = completion.logprobs.reduce((sum, value) => sum + value, keptLogprob);
      const length = state.tokens.length + completion.tokens.length;
      const response = state.text + completion.text;
      return { id: this.candidates.length + sample, round, sample, state, completion, response, logprob, length, padded };
    });
    this.candidates.push(...added);
    this.prefixTokens += prefixTokens;
    this.generateCalls++;
    this.rounds = Math.max(this.rounds, round);
    return added;
  }

  /** The record. `scores` holds ids of what was eligible and, where it differs from the mean log-probability, its score. */
  finish(
    problem: TestProblem,
    policy: string,
    outcome: { chosen: Candidate; eligible: ReadonlyMap<number, number | undefined> },
  ): Attempt {
    const rolledBack = new Set(this.candidates.map(({ state }) => state.parent));
    const completions = this.candidates.map((candidate): AttemptNode => {
      const { id, round, sample, state, completion, response } = candidate;
      const score = outcome.eligible.get(id);
      return {
        id,
        parent: state.parent,
        round,
        sample,
        keptTokens: state.tokens.length,
        text: completion.text,
        response,
        tokens: completion.tokens.length,
        finish: completion.finish,
        meanLogprob: candidate.length === 0 ? null : meanLogprob(candidate),
        ...(score === undefined ? {} : { score }),
        candidate: outcome.eligible.has(id),
        rolledBack: rolledBack.has(id),
      };
    });
    const { tokensGenerated, prefixTokens, generateCalls, rounds } = this;
    const { id: chosen, response: answer } = outcome.chosen;
    return {
      problemId: problem.id,
      split: problem.split,
      policy,
      completions,
      chosen,
      answer,
      tokensGenerated,
      prefixTokens,
      generateCalls,
      rounds,
    };
  }
}
