// Two models of a few lines behind the Generator port: one reads its completions from a table, one makes them up from the
// seed and the prefix as a real model would. Tokens are characters, markers are single tokens.
import type { Completion, GenerateRequest, Generator } from "../../src/decode/generator.ts";
import { Rng } from "../../src/lib/rng.ts";
import type { Markers } from "../../src/trace/format.ts";

export const markers: Markers = { goal: "Goal!", backtrack: "<back>", stepDelimiter: "\n" };

const pieces = ["Goal!", "<back>", ..."abcdefghijklmnopqrstuvwxyz0123456789:\n#"];

export function encode(text: string): Int32Array {
  const tokens = text.match(/Goal!|<back>|[\s\S]/g) ?? [];
  return Int32Array.from(tokens, (token) => pieces.indexOf(token));
}

export function decodeTokens(tokens: Int32Array): string {
  return [...tokens].map((token) => pieces[token] as string).join("");
}

/** A completion of `text` whose tokens all have the log-probability `logprob`. */
export function completion(text: string, logprob: number, finish: Completion["finish"] = "stop"): Completion {
  const tokens = encode(text);
  let end = 0;
  const charEnds = tokens.map((token) => {
    end += (pieces[token] as string).length;
    return end;
  });
  const logprobs = new Float32Array(tokens.length).fill(logprob);
  return { tokens, logprobs, sampledLogprobs: logprobs, charEnds, text, finish };
}

export type Script = Readonly<Record<string, readonly Completion[]>>;

/** Answers sample i of a prefix with entry i of its line in the table; keeps the requests. */
export class ScriptedModel implements Generator {
  readonly requests: { prefix: string; request: GenerateRequest }[] = [];
  readonly #script: Script;

  constructor(script: Script) {
    this.#script = script;
  }

  generate(request: GenerateRequest): Promise<readonly Completion[]> {
    const prefix = decodeTokens(request.prefix);
    this.requests.push({ prefix, request });
    const line = this.#script[prefix];
    if (!line) return Promise.reject(new Error(`the script has no line for ${JSON.stringify(prefix)}`));
    return Promise.resolve(line.slice(0, request.seeds.length));
  }

  readonly problemsAtOnce = 512;

  tokenizePrompts(texts: readonly string[]) {
    return Promise.resolve({ prompts: texts.map(encode), context: 100 });
  }
}

/** What a model would sample: a function of prefix and seed alone. Steps of one letter, then a marker, the end or the budget. */
export function madeUp(
  prefix: string,
  seed: readonly [number, number],
  maxNewTokens: number,
  stops: readonly string[],
): Completion {
  const rng = Rng.for("model", prefix, seed[0], seed[1]);
  let text = "";
  let finish: Completion["finish"] = "length";
  for (let count = 0; count < maxNewTokens; count++) {
    const token = count % 2 === 1 ? "\n" : rng.pick(["a", "b", "c", "Goal!", "<back>", ""]);
    if (token === "") {
      finish = "end";
      break;
    }
    text += token;
    if (stops.some((stop) => text.endsWith(stop))) {
      finish = "stop";
      break;
    }
  }
  const made = completion(text, 0, finish);
  const logprobs = made.logprobs.map(() => -rng.uniform());
  return { ...made, logprobs, sampledLogprobs: logprobs.map((value) => value / 2) };
}
