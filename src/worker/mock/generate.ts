// The mock's generate: the oracle's text as tokens, cut at stops, budgets and context. Tokens are a function of the
// completion's seed and prefix alone (temperature 0: of the prefix alone).
import { Rng } from "../../lib/rng.ts";
import { finishReason, type Params } from "../../protocol/primitives.ts";
import type { MockModel } from "./checkpoint.ts";
import { formatOfPrompt, imitate } from "./imitator.ts";
import { continueText, type Noise, type Segment } from "./oracle.ts";

export interface CompletionRequest {
  readonly prefix: readonly number[];
  readonly seed: readonly [number, number];
  readonly budget: number;
}

export interface MockCompletion {
  readonly text: string;
  readonly tokens: number[];
  readonly logprobs: number[];
  readonly sampled: number[];
  readonly ends: number[];
  readonly finish: number;
}

/** One completion. `params` gives temperature and stops. */
export function completeMock(
  model: MockModel,
  request: CompletionRequest,
  params: Params<"generate">,
  noise: Noise,
): MockCompletion {
  const { tokenizer, info } = model;
  const prefix = tokenizer.decode(request.prefix);
  const greedy = params.temperature === 0;
  const rng = greedy ? Rng.for("greedy", prefix) : Rng.for("mock", request.seed[0], request.seed[1], prefix);
  const done: MockCompletion = { text: "", tokens: [], logprobs: [], sampled: [], ends: [], finish: finishReason.end };
  const room = Math.min(request.budget, info.context - request.prefix.length);
  const full = request.budget <= info.context - request.prefix.length ? finishReason.length : finishReason.context;
  let text = "";
  for (const segment of segmentsOf(model, prefix, rng, noise)) {
    const { tokens, ends } = tokenizer.encode(segment.text);
    for (const [index, token] of tokens.entries()) {
      if (done.tokens.length >= room) return { ...done, text, finish: full };
      const logprob = index === 0 ? segment.logprob : -0.01 * (1 + rng.uniform());
      const begin = index === 0 ? 0 : (ends[index - 1] as number);
      text += segment.text.slice(begin, ends[index] as number);
      done.tokens.push(token);
      done.logprobs.push(logprob);
      done.sampled.push(greedy ? 0 : logprob * Math.min(1, params.temperature));
      done.ends.push(text.length);
      if (params.stops.some((stop) => text.endsWith(stop))) return { ...done, text, finish: finishReason.stop };
    }
  }
  // The end token is produced, but not kept: it needs room like any other.
  return { ...done, text, finish: done.tokens.length >= room ? full : finishReason.end };
}

function segmentsOf({ tokenizer, backtrack, format: name }: MockModel, prefix: string, rng: Rng, noise: Noise): Segment[] {
  const format = formatOfPrompt(prefix, name, (piece) => tokenizer.id(piece) !== undefined);
  if (format === undefined || format.name === "self-backtracking") return continueText(prefix, rng, noise, backtrack);
  return imitate(format, prefix, rng, noise);
}
