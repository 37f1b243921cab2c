// A pool in memory whose workers answer `generate` and `tokenize` as the wire contract says, out of order, in chunks of any
// size, with attempts that are lost half-way. What a completion holds comes from models.ts.

import { Rng } from "../../src/lib/rng.ts";
import { type FreePrimitive, finishReason, type Params } from "../../src/protocol/primitives.ts";
import type { Answer, Bins, Chunk, FreeOptions, ReceivedBin, TypedArray, Workers } from "../../src/worker/port.ts";
import { decodeTokens, encode, madeUp } from "./models.ts";

export interface Weather {
  readonly size: number;
  /** Seed of delays, chunk sizes, order and lost attempts. */
  readonly seed: number;
  /** Probability that an attempt is lost after some of its chunks. */
  readonly loss: number;
  /** Default 0. */
  readonly gpus?: number;
}

export class FakeWorkers implements Workers {
  readonly size: number;
  readonly gpus: number;
  /** Completions of each generate call, in the order of calls. */
  readonly calls: number[] = [];
  readonly params: Params<"generate">[] = [];
  running = 0;
  mostRunning = 0;
  readonly #weather: Weather;

  constructor(weather: Weather) {
    this.size = weather.size;
    this.gpus = weather.gpus ?? 0;
    this.#weather = weather;
  }

  session(): never {
    throw new Error("not used");
  }

  async free<Name extends FreePrimitive>(
    name: Name,
    params: Params<Name>,
    bins: Bins = {},
    options: FreeOptions = {},
  ): Promise<Answer<Name>> {
    if (name === "tokenize") return tokenize((params as Params<"tokenize">).texts) as Answer<Name>;
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    const answer = await this.#generate(params as Params<"generate">, bins, options);
    this.running--;
    return answer as Answer<Name>;
  }

  async #generate(params: Params<"generate">, bins: Bins, options: FreeOptions): Promise<Answer<"generate">> {
    const rng = Rng.for(this.#weather.seed, this.calls.length);
    const asked = readRequest(bins);
    this.calls.push(asked.length);
    this.params.push(params);
    for (;;) {
      let rest = rng.shuffled(asked.map((_, index) => index));
      const lostAfter = rng.uniform() < this.#weather.loss ? rng.below(asked.length + 1) : Number.POSITIVE_INFINITY;
      let sent = 0;
      while (rest.length > 0 && sent < lostAfter) {
        for (let turns = rng.below(3); turns >= 0; turns--) await new Promise((resolve) => setImmediate(resolve));
        const indices = rest.slice(0, 1 + rng.below(8));
        rest = rest.slice(indices.length);
        sent += indices.length;
        options.onChunk?.(chunkOf(indices, asked, params.stops));
      }
      if (rest.length === 0) break;
      options.onRestart?.();
    }
    return { result: { completions: asked.length, tokens: 0, prefixTokens: 0 }, bins: {}, seconds: 0 };
  }
}

interface Asked {
  readonly prefix: string;
  readonly seed: readonly [number, number];
  readonly budget: number;
}

function readRequest(bins: Bins): Asked[] {
  const { tokens, lengths, counts, seeds, budgets } = bins as Record<string, Int32Array>;
  const asked: Asked[] = [];
  let at = 0;
  for (const [index, length] of (lengths as Int32Array).entries()) {
    const prefix = decodeTokens((tokens as Int32Array).slice(at, at + length));
    at += length;
    for (let sample = 0; sample < ((counts as Int32Array)[index] as number); sample++) {
      const c = asked.length;
      const seed = [(seeds as Int32Array)[2 * c] as number, (seeds as Int32Array)[2 * c + 1] as number] as const;
      asked.push({ prefix, seed, budget: (budgets as Int32Array)[c] as number });
    }
  }
  return asked;
}

export function received(data: TypedArray): ReceivedBin {
  const type = data instanceof Uint8Array ? "uint8" : data instanceof Float32Array ? "float32" : "int32";
  return { type, shape: [data.length], data };
}

function chunkOf(indices: readonly number[], asked: readonly Asked[], stops: readonly string[]): Chunk {
  const made = indices.map((index) => {
    const { prefix, seed, budget } = asked[index] as Asked;
    return madeUp(prefix, seed, budget, stops);
  });
  const ints = (values: readonly number[]) => received(Int32Array.from(values));
  const floats = (values: readonly number[]) => received(Float32Array.from(values));
  return {
    texts: made.map(({ text }) => text),
    bins: {
      completion: ints(indices),
      lengths: ints(made.map(({ tokens }) => tokens.length)),
      finish: received(Uint8Array.from(made, ({ finish }) => finishReason[finish])),
      tokens: ints(made.flatMap(({ tokens }) => [...tokens])),
      charEnds: ints(made.flatMap(({ charEnds }) => [...charEnds])),
      logprobs: floats(made.flatMap(({ logprobs }) => [...logprobs])),
      sampledLogprobs: floats(made.flatMap(({ sampledLogprobs }) => [...sampledLogprobs])),
    },
  };
}

function tokenize(texts: readonly string[]): Answer<"tokenize"> {
  const prompts = texts.map(encode);
  return {
    result: { sequences: texts.length, endToken: 0, context: 40, addedTokens: {} },
    bins: {
      tokens: received(Int32Array.from(prompts.flatMap((tokens) => [...tokens]))),
      lengths: received(Int32Array.from(prompts, ({ length }) => length)),
      charEnds: received(new Int32Array(0)),
    },
    seconds: 0,
  };
}
