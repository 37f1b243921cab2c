// One chunk of a generate answer -> completions. Checks every length before use: what a worker sends may be wrong.
import { finishReason } from "../protocol/primitives.ts";
import type { Chunk, ReceivedBins } from "../worker/port.ts";
import type { Completion } from "./generator.ts";

const finishByCode = new Map<number, Completion["finish"]>(
  (Object.entries(finishReason) as [Completion["finish"], number][]).map(([name, code]) => [code, name]),
);

/** Completions with their index in the call. Throws Error when the bins do not fit together. */
export function readChunk({ texts, bins }: Chunk): { index: number; completion: Completion }[] {
  const count = texts.length;
  const indices = ofKind(bins, "completion", Int32Array, count);
  const lengths = ofKind(bins, "lengths", Int32Array, count);
  const finishes = ofKind(bins, "finish", Uint8Array, count);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const tokens = ofKind(bins, "tokens", Int32Array, total);
  const logprobs = ofKind(bins, "logprobs", Float32Array, total);
  const sampledLogprobs = ofKind(bins, "sampledLogprobs", Float32Array, total);
  const charEnds = ofKind(bins, "charEnds", Int32Array, total);
  let at = 0;
  return texts.map((text, position) => {
    const from = at;
    at += lengths[position] as number;
    const finish = finishByCode.get(finishes[position] as number);
    if (finish === undefined) throw new Error(`generate: unknown finish code ${finishes[position]}`);
    // slice copies: the received arrays may be views of the transport's memory.
    const completion: Completion = {
      tokens: tokens.slice(from, at),
      logprobs: logprobs.slice(from, at),
      sampledLogprobs: sampledLogprobs.slice(from, at),
      charEnds: charEnds.slice(from, at),
      text,
      finish,
    };
    return { index: indices[position] as number, completion };
  });
}

type Kind<T> = (new (length: number) => T) & { readonly name: string };

function ofKind<T extends Int32Array | Uint8Array | Float32Array>(
  bins: ReceivedBins,
  name: string,
  kind: Kind<T>,
  length: number,
): T {
  const data = bins[name]?.data;
  if (!(data instanceof kind)) throw new Error(`generate: bin "${name}" is missing or not a ${kind.name}`);
  if (data.length !== length) throw new Error(`generate: bin "${name}" has ${data.length} elements, ${length} were expected`);
  return data;
}
