// Bulk arrays of a call, checked as the torch worker checks them.
import type { IncomingBins } from "../../protocol/codec.ts";
import { JobError } from "./jobError.ts";

/** A bulk array by name. Throws JobError. */
export function numbers(bins: IncomingBins, name: string, type: string): number[] {
  const bin = bins[name];
  if (bin?.type !== type) throw new JobError("bad-request", `bin "${name}" (${type}) is missing or of another type`);
  return [...bin.data];
}

/** Sequences laid end to end. Throws JobError. */
export function sequences(bins: IncomingBins): number[][] {
  const tokens = numbers(bins, "tokens", "int32");
  const lengths = numbers(bins, "lengths", "int32");
  if (lengths.some((length) => length < 1)) throw new JobError("bad-request", "lengths must be at least 1");
  let at = 0;
  const split = lengths.map((length) => {
    at += length;
    return tokens.slice(at - length, at);
  });
  if (at !== tokens.length)
    throw new JobError("bad-request", `bin "tokens" holds ${tokens.length} tokens, "lengths" sum to ${at}`);
  return split;
}
