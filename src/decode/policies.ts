// Decoding policies on the Generator port: greedy, best-of-n, self-backtrack. Problems flow through their rounds on their
// own, so the workers' batches stay full; what comes out for a problem depends on nothing but the problem, the policy's
// settings and the seed. Knows no grader (the oracle's judgement is passed in) and no files.
import type { BestOfNSettings, PolicySettings, SelfBacktrackSettings } from "../config/schema.ts";
import type { TestProblem } from "../data/example.ts";
import { abortError } from "../lib/abort.ts";
import { UserError } from "../lib/errors.ts";
import { deriveSeed64 } from "../lib/rng.ts";
import type { Markers } from "../trace/format.ts";
import { type Attempt, AttemptLog, type Candidate, responseEnds, rootState, type State, stateAfter } from "./attempt.ts";
import { type Generator, isQuarantined } from "./generator.ts";
import { rollBack } from "./rollback.ts";
import { type Outcome, selectCandidate, selectOfN } from "./select.ts";

export type { Attempt } from "./attempt.ts";

export interface DecodeProgress {
  readonly done: number;
  readonly total: number;
  readonly tokensGenerated: number;
  readonly etaSeconds: number;
}

export interface DecodeInputs {
  readonly generator: Generator;
  readonly policy: PolicySettings;
  /** The policy's name in the config. It enters no seed: policies of equal N and temperature share their first samples. */
  readonly name: string;
  readonly problems: readonly TestProblem[];
  readonly markers: Markers;
  readonly seed: number;
  /** Tokens that prompt and response may have together; default: the model's context. */
  readonly context?: number;
  /** Whether an answer is right: for best-of-n with `select: oracle` only. */
  readonly solves?: (problem: TestProblem, answer: string) => boolean;
  /** Problems under way at a time; default: as many as keep the generator busy. */
  readonly concurrency?: number;
  /** Ids of problems that are done already. */
  readonly skip?: ReadonlySet<string>;
  /** Called once per problem, one call at a time, in the order in which problems finish. */
  readonly onAttempt: (attempt: Attempt) => Promise<void> | void;
  /** Resolves when the attempts handed over so far are on disk: only then workers forget what they answered. Default: at once. */
  readonly durable?: () => Promise<unknown>;
  readonly onProgress?: (progress: DecodeProgress) => void;
  /** No new expansions; attempts that are complete are still handed over; then AbortError. */
  readonly signal?: AbortSignal;
}

/** Default of maxNewTokens where the context leaves more. */
export const defaultNewTokens = 128;

/**
 * Runs the policy on every problem that is not in `skip`. Rejects with the first error, after the problems under way
 * have stopped; attempts handed over before stay valid, so a second run with `skip` goes on from there. A problem that
 * loses its worker each time stops no other: the error that names it comes when all the rest are done.
 */
export async function decode(inputs: DecodeInputs): Promise<void> {
  const todo = inputs.problems.filter(({ id }) => !inputs.skip?.has(id));
  if (todo.length === 0) return;
  if (inputs.policy.policy === "best-of-n" && inputs.policy.select === "oracle" && !inputs.solves) {
    throw new Error("decode: best-of-n with select: oracle needs `solves`");
  }
  if (inputs.signal?.aborted) throw abortError(inputs.signal);
  const { prompts, context } = await inputs.generator.tokenizePrompts(todo.map(({ prompt }) => prompt));
  const limit = Math.min(context, inputs.context ?? context);
  const handOver = serially(inputs, todo.length);
  let next = 0;
  let failure: unknown;
  const quarantined: { readonly id: string; readonly error: unknown }[] = [];
  const stopped = (): boolean => failure !== undefined || inputs.signal?.aborted === true;
  const lane = async (): Promise<void> => {
    while (next < todo.length && !stopped()) {
      const index = next++;
      const problem = todo[index] as TestProblem;
      let release = (): void => undefined;
      const recorded = new Promise<void>((resolve) => {
        release = resolve;
      });
      const generator: Generator = {
        ...inputs.generator,
        generate: (request) => inputs.generator.generate({ ...request, recorded }),
      };
      try {
        const solver = new Solving({ ...inputs, generator }, problem, prompts[index] as Int32Array, limit, stopped);
        const attempt = await solver.run();
        if (attempt) await handOver(attempt);
      } catch (error) {
        if (isQuarantined(error)) quarantined.push({ id: problem.id, error });
        else failure ??= error;
      }
      // The lane goes on: many attempts share one write to the disk.
      void (inputs.durable?.() ?? Promise.resolve()).then(release, release);
    }
  };
  const lanes = Math.max(1, Math.min(inputs.concurrency ?? inputs.generator.problemsAtOnce, todo.length));
  await Promise.all(Array.from({ length: lanes }, lane));
  // An interrupt makes generators fail with AbortError too: the interrupt is then the cause.
  if (inputs.signal?.aborted) throw abortError(inputs.signal);
  if (failure !== undefined) throw failure;
  if (quarantined.length > 0) throw quarantineError(quarantined, todo.length);
}

function quarantineError(quarantined: readonly { readonly id: string; readonly error: unknown }[], total: number): Error {
  const names = quarantined.map(({ id }) => id).sort();
  const shown = names.slice(0, 5).join(", ") + (names.length > 5 ? ", ..." : "");
  const { error } = quarantined[0] as (typeof quarantined)[number];
  return new Error(
    `${names.length} of ${total} problems lose their worker each time (${shown}); all others are done and kept. ${(error as Error).message}`,
    { cause: error },
  );
}

/** Hands attempts over one at a time and counts them. */
function serially(inputs: DecodeInputs, total: number): (attempt: Attempt) => Promise<void> {
  const startedAt = performance.now();
  let chain: Promise<void> = Promise.resolve();
  let done = 0;
  let tokensGenerated = 0;
  return (attempt) => {
    const handed = chain.then(async () => {
      await inputs.onAttempt(attempt);
      done++;
      tokensGenerated += attempt.tokensGenerated;
      const etaSeconds = (((performance.now() - startedAt) / 1000) * (total - done)) / done;
      inputs.onProgress?.({ done, total, tokensGenerated, etaSeconds });
    });
    chain = handed.catch(() => {});
    return handed;
  };
}

/** One problem on its way through a policy. */
class Solving {
  readonly #inputs: DecodeInputs;
  readonly #problem: TestProblem;
  readonly #prompt: Int32Array;
  readonly #context: number;
  readonly #stopped: () => boolean;
  readonly #log = new AttemptLog();

  constructor(inputs: DecodeInputs, problem: TestProblem, prompt: Int32Array, context: number, stopped: () => boolean) {
    this.#inputs = inputs;
    this.#problem = problem;
    this.#prompt = prompt;
    this.#context = context;
    this.#stopped = stopped;
  }

  /** The attempt, or undefined when it was stopped half-way. */
  async run(): Promise<Attempt | undefined> {
    const { policy } = this.#inputs;
    const outcome = await this.#runPolicy(policy);
    return outcome && this.#log.finish(this.#problem, this.#inputs.name, outcome);
  }

  async #runPolicy(policy: PolicySettings): Promise<Outcome | undefined> {
    if (policy.policy === "self-backtrack") return this.#selfBacktrack(policy);
    const samples = policy.policy === "greedy" ? 1 : policy.samples;
    const temperature = policy.policy === "greedy" ? 0 : policy.temperature;
    if (!(await this.#expand(0, rootState, { samples, temperature, stops: this.#stops() }))) return undefined;
    const select: BestOfNSettings["select"] = policy.policy === "greedy" ? "likelihood" : policy.select;
    return selectOfN(this.#log.candidates, select, (answer) => this.#inputs.solves?.(this.#problem, answer) ?? false);
  }

  /** Algorithm 1 of arXiv 2502.04404 (experiments.md 1.6): expand; b times: roll back at most floor(sqrt(N)), expand; select. */
  async #selfBacktrack(policy: SelfBacktrackSettings): Promise<Outcome | undefined> {
    const { samples, temperature, quirks } = policy;
    // Both markers in one text can only come about when neither ends it.
    const stops = quirks.bothMarkers === "accept" ? [] : this.#stops();
    const expanded = new Set([rootState.text]);
    let states: State[] = [rootState];
    for (let round = 0; round <= policy.rounds && states.length > 0; round++) {
      const calls = states.map((state) => this.#generate(state, { samples, temperature, stops, beams: quirks.expansion }));
      const answers = await settled(calls);
      if (answers.includes(undefined)) return undefined;
      // Ids follow the order of states, not that of arrival.
      const added = states.flatMap((state, index) =>
        this.#log.add(
          round,
          state,
          this.#prompt.length + state.tokens.length,
          answers[index] as NonNullable<(typeof answers)[number]>,
        ),
      );
      states = round === policy.rounds ? [] : this.#rolledBack(added, policy, expanded);
    }
    return selectCandidate(this.#log.candidates, quirks, this.#inputs.markers);
  }

  /** The states to expand next: cut completions that ask for a step back, in order, until `keep` are found. */
  #rolledBack(completions: readonly Candidate[], policy: SelfBacktrackSettings, expanded: Set<string>): State[] {
    const { backtrack, stepDelimiter } = this.#inputs.markers;
    if (backtrack === undefined) return [];
    const keep = policy.keep === "sqrt" ? Math.floor(Math.sqrt(policy.samples)) : policy.keep;
    const states: State[] = [];
    for (const candidate of completions) {
      if (states.length === keep) break;
      if (!candidate.response.endsWith(backtrack)) continue;
      const state = stateAfter(
        candidate,
        rollBack(candidate.response, responseEnds(candidate), { backtrack, stepDelimiter }, policy.rollbackSteps),
      );
      if (policy.dedupe && expanded.has(state.text)) continue;
      expanded.add(state.text);
      states.push(state);
    }
    return states;
  }

  /** Expands one state into the log; false when stopped. */
  async #expand(round: number, state: State, sampling: Sampling): Promise<boolean> {
    const completions = await this.#generate(state, sampling);
    if (!completions) return false;
    this.#log.add(round, state, this.#prompt.length + state.tokens.length, completions);
    return true;
  }

  async #generate(state: State, { samples, ...sampling }: Sampling) {
    if (this.#stopped()) return undefined;
    const { seed, policy, generator } = this.#inputs;
    const prefix = new Int32Array(this.#prompt.length + state.tokens.length);
    prefix.set(this.#prompt);
    prefix.set(state.tokens, this.#prompt.length);
    const room = this.#context - prefix.length;
    if (room < 1) throw this.#tooLong(prefix.length);
    const maxNewTokens = Math.min(room, policy.maxNewTokens ?? defaultNewTokens);
    const seeds = Array.from({ length: samples }, (_, sample) =>
      deriveSeed64(seed, "decode", this.#problem.id, state.path, sample),
    );
    const completions = await generator.generate({ prefix, seeds, maxNewTokens, ...sampling });
    if (completions.length !== samples) throw new Error(`generate: ${completions.length} completions for ${samples} seeds`);
    return completions;
  }

  #stops(): string[] {
    const { goal, goalGoesOn, backtrack } = this.#inputs.markers;
    return [...(goalGoesOn ? [] : [goal]), ...(backtrack === undefined ? [] : [backtrack])];
  }

  #tooLong(tokens: number): UserError {
    return new UserError(
      "context",
      `problem ${this.#problem.id}: its prompt has ${tokens} tokens, the context is ${this.#context}: no room for an answer. Use a model with a longer context.`,
    );
  }
}

interface Sampling {
  readonly samples: number;
  readonly temperature: number;
  readonly stops: readonly string[];
  readonly beams?: "independent" | "beam-sample";
}

/** All results, or the first error once all have settled, so that nothing goes on behind a failed attempt. */
async function settled<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(calls);
  return Promise.all(calls);
}
