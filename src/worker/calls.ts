// One call as the pool carries it, and what its answer must look like. No sockets, no processes, no clock.
import type { IncomingBin, IncomingBins, OutgoingBins } from "../protocol/codec.ts";
import { type PrimitiveName, primitives } from "../protocol/primitives.ts";
import { modelOf } from "./models.ts";
import type { Bins, Chunk, WorkerNeeds } from "./port.ts";

/** A call as messages name it. */
export interface CallName {
  readonly id: string;
  readonly attempt: number;
}

export interface CallAnswer {
  readonly result: Record<string, unknown>;
  readonly bins: IncomingBins;
  readonly seconds: number;
}

/** Where the outcome of a call goes. Each call is settled once: later calls of resolve and reject do nothing. */
export interface CallSink {
  resolve(answer: CallAnswer): void;
  reject(error: Error): void;
  readonly onChunk?: ((chunk: Chunk) => void) | undefined;
  readonly onRestart?: (() => void) | undefined;
}

/** The session a call belongs to; `sent` counts the calls that went to the worker. */
export interface SessionTicket {
  readonly id: string;
  sent: number;
}

/** What a call may have beside its work. */
export interface CallExtras {
  readonly ticket?: SessionTicket | undefined;
  readonly needs?: WorkerNeeds | undefined;
  /** Settled when the caller has recorded the answer. */
  readonly recorded?: Promise<unknown> | undefined;
}

/** Deaths of its workers after which a call runs alone, and after which it is quarantined. */
export const suspectBlames = 2;
export const maxBlames = 3;

export interface Call extends CallExtras {
  readonly id: string;
  readonly primitive: PrimitiveName;
  readonly params: Readonly<Record<string, unknown>>;
  readonly bins: OutgoingBins;
  readonly sink: CallSink;
  /** Version of the model that it computes with, or "". */
  readonly model: string;
  /** Calls that came later and were given to a worker that this one could have had. */
  overtaken: number;
  /** Number in its session, from 1; 0 outside of one and before it is sent. */
  seq: number;
  /** The worker has said anything about this attempt. */
  started: boolean;
  /** From 1, raised with each lease after the first. */
  attempt: number;
  /** Workers that died while this was their oldest call. */
  deaths: number;
  /** These, and what the caller already knew against it. */
  blames: number;
  /** Retryable errors and missed deadlines. */
  errors: number;
  /** Chunks consumed in this attempt. */
  chunks: number;
  /** When the worker was asked to cancel it, or 0. */
  cancelledAt: number;
  /** Cancelled for want of progress, not by the caller. */
  overdue: boolean;
  /** The caller has its answer, or gave up. */
  settled: boolean;
}

export function newCall(
  id: string,
  primitive: PrimitiveName,
  params: Readonly<Record<string, unknown>>,
  bins: Bins,
  sink: CallSink,
  { suspect = false, ...extras }: CallExtras & { readonly suspect?: boolean | undefined } = {},
): Call {
  return {
    ...extras,
    id,
    primitive,
    params,
    bins: shaped(primitive, bins),
    sink,
    model: modelOf(primitive, params),
    overtaken: 0,
    seq: 0,
    started: false,
    attempt: 1,
    deaths: 0,
    blames: suspect ? suspectBlames : 0,
    errors: 0,
    chunks: 0,
    cancelledAt: 0,
    overdue: false,
    settled: false,
  };
}

/** The port hands flat arrays; `seeds` of generate is the one input of two dimensions. */
function shaped(primitive: PrimitiveName, bins: Bins): OutgoingBins {
  const seeds = bins.seeds;
  if (primitive !== "generate" || !seeds) return bins;
  return { ...bins, seeds: { data: seeds, shape: [seeds.length / 2, 2] } };
}

type Kind = "int32" | "uint8" | "float32";

function misfit(bins: IncomingBins, name: string, type: Kind, length: number | undefined): string | undefined {
  const bin = bins[name];
  if (!bin) return `bin "${name}" is missing`;
  if (bin.type !== type) return `bin "${name}" is ${bin.type}, expected ${type}`;
  if (length !== undefined && bin.data.length !== length)
    return `bin "${name}" holds ${bin.data.length} elements, expected ${length}`;
  return undefined;
}

function sum(bin: IncomingBin | undefined): number {
  let total = 0;
  for (const value of bin?.data ?? []) total += value;
  return total;
}

/** What is wrong with the chunk of a call, or undefined. Only generate streams. */
export function chunkFault(
  primitive: PrimitiveName,
  chunk: { readonly texts: readonly string[]; readonly bins: IncomingBins },
): string | undefined {
  if (primitive !== "generate") return `${primitive} has no chunks`;
  const { texts, bins } = chunk;
  const each =
    misfit(bins, "completion", "int32", texts.length) ??
    misfit(bins, "lengths", "int32", texts.length) ??
    misfit(bins, "finish", "uint8", texts.length);
  if (each) return each;
  const tokens = sum(bins.lengths);
  return (
    misfit(bins, "tokens", "int32", tokens) ??
    misfit(bins, "logprobs", "float32", tokens) ??
    misfit(bins, "sampledLogprobs", "float32", tokens) ??
    misfit(bins, "charEnds", "int32", tokens)
  );
}

/** What is wrong with the result of a call, or undefined. */
export function resultFault(primitive: PrimitiveName, result: unknown, bins: IncomingBins): string | undefined {
  const parsed = primitives[primitive].result.safeParse(result);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return `result of ${primitive}: "${issue?.path.map(String).join(".") ?? ""}": ${issue?.message ?? "wrong"}`;
  }
  const fault = binFault(primitive, parsed.data as Record<string, unknown>, bins);
  return fault && `result of ${primitive}: ${fault}`;
}

function binFault(primitive: PrimitiveName, result: Record<string, unknown>, bins: IncomingBins): string | undefined {
  if (primitive === "load_dataset") {
    const rows = result.rows as number;
    return misfit(bins, "lengths", "int32", rows) ?? misfit(bins, "trained", "int32", rows);
  }
  if (primitive === "score") return misfit(bins, "logprobs", "float32", result.tokens as number);
  if (primitive === "tokenize") {
    const fault = misfit(bins, "lengths", "int32", result.sequences as number);
    if (fault) return fault;
    const tokens = sum(bins.lengths);
    return misfit(bins, "tokens", "int32", tokens) ?? misfit(bins, "charEnds", "int32", tokens);
  }
  return undefined;
}
