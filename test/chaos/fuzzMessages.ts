// The messages of the fuzz: each a function of side, seed and index, so that any can be made again alone. Every message is made
// from a right one by one damage whose effect is known from the protocol, not from the code under test.
import { deriveSeed, Rng } from "../../src/lib/rng.ts";
import { type FromWorker, protocolVersion, type ToWorker } from "../../src/protocol/messages.ts";
import { type Base, type Damage, damages, type Fault, type Reader } from "./fuzzDamages.ts";

export interface FuzzMessage {
  /** What was done to which kind of message. */
  readonly how: string;
  readonly kind: FromWorker["kind"] | ToWorker["kind"];
  readonly fault: Fault;
  readonly frames: Buffer[];
}

const v = protocolVersion;

/** The id of what message `index` is about: no call that is real. */
export function idOf(index: number): string {
  return `f${index}`;
}

function call(rng: Rng, index: number) {
  return { v, id: idOf(index), attempt: 1 + rng.below(3) };
}

function text(rng: Rng): string {
  return rng.pick(["", "a", "é\u{1f600}", "__proto__", "Goal Reached!", "x".repeat(rng.below(2000))]);
}

/** Three arrays of some elements, none empty. */
function arrays(rng: Rng) {
  const [n, m] = [1 + rng.below(8), 1 + rng.below(8)];
  return {
    bins: [
      ["tokens", "int32", [n]],
      ["finish", "uint8", [m]],
      ["logprobs", "float32", [n, 2]],
    ] as const,
    frames: [Buffer.alloc(4 * n, 7), Buffer.alloc(m, 1), Buffer.alloc(8 * n, 3)],
  };
}

type Maker = (rng: Rng, index: number) => Base;

const plain = (header: (rng: Rng, index: number) => Base["header"]): Maker => {
  return (rng, index) => ({ header: header(rng, index), frames: [] });
};
const withBins = (header: (rng: Rng, index: number) => Base["header"]): Maker => {
  return (rng, index) => {
    const { bins, frames } = arrays(rng);
    return { header: { ...header(rng, index), bins }, frames };
  };
};

const peers = ["worker-1", "worker-2", "worker-3", "stranger", "__proto__", ""];

const fromWorker: readonly Maker[] = [
  plain((rng) => ({
    v,
    kind: "hello",
    worker: rng.pick(peers),
    token: "guessed",
    pid: rng.below(100_000),
    flavour: "mock",
    capabilities: ["info"],
    versions: { python: "3", constructor: "4" },
    device: "cpu",
    credit: 1 + rng.below(9),
    held: [["j1", 1]],
  })),
  plain((rng, index) => ({ kind: "accept", ...call(rng, index) })),
  plain((rng, index) => ({ kind: "progress", ...call(rng, index), done: rng.uniform(), total: 1 })),
  withBins((rng, index) => ({ kind: "chunk", ...call(rng, index), seq: rng.below(5), texts: [text(rng)] })),
  withBins((rng, index) => ({ kind: "result", ...call(rng, index), chunks: 0, result: { a: text(rng) }, seconds: 1.5 })),
  plain((rng, index) => ({
    kind: "error",
    ...call(rng, index),
    code: "internal",
    message: text(rng),
    traceback: "",
    retryable: true,
  })),
  plain((rng) => ({ kind: "heartbeat", v, worker: rng.pick(peers), job: "", done: rng.uniform(), memoryBytes: 1.5 })),
  plain((rng) => ({ kind: "log", v, worker: rng.pick(peers), level: "info", text: text(rng) })),
  plain((rng) => ({ kind: "bye", v, worker: rng.pick(peers), reason: text(rng) })),
];

const toWorker: readonly Maker[] = [
  plain(() => ({ kind: "welcome", v, heartbeatMs: 100, chunkWindow: 4, maxMessageBytes: 1 << 26 })),
  plain((rng) => ({ kind: "reject", v, reason: text(rng) })),
  plain(() => ({ kind: "rehello", v })),
  plain(() => ({ kind: "drain", v })),
  plain(() => ({ kind: "shutdown", v })),
  plain((rng, index) => ({ kind: "cancel", ...call(rng, index) })),
  plain((rng, index) => ({ kind: "ack", ...call(rng, index) })),
  withBins((rng, index) => ({ kind: "job", ...call(rng, index), primitive: "score", params: { text: text(rng) } })),
];

/** Jobs that are right but for what they ask. */
const impossible: readonly Base["header"][] = [
  { primitive: "no-such", params: {} },
  { primitive: "__proto__", params: {} },
  { primitive: "toString", params: {} },
  { primitive: "info", params: { extra: 1 } },
  { primitive: "info", params: {}, session: { id: "s", seq: 1 } },
  { primitive: "tokenize", params: { model: null, texts: [] } },
  { primitive: "tokenize", params: { model: { version: "m" }, texts: ["a"] } },
  { primitive: "score", params: { model: { version: 1 }, named: [-1] } },
  { primitive: "generate", params: { temperature: -1 } },
  { primitive: "load_model", params: {} },
];

/** A sound job that asks for what cannot be done. */
function impossibleJob(rng: Rng, index: number): { base: Base; damage: Damage } {
  const header = { v, kind: "job", id: idOf(index), attempt: 1, ...rng.pick(impossible), bins: [] };
  return { base: { header, frames: [] }, damage: damages.impossible };
}

/** Share of the messages to a coordinator that are sound, but not due. */
const soundShare = 0.2;
/** Share of the messages to a worker that are sound jobs, but cannot be done. */
const impossibleShare = 0.05;

/** Message `index` to that reader. */
export function fuzzMessage(reader: Reader, seed: number, index: number): FuzzMessage {
  const rng = Rng.indexed(deriveSeedOnce(reader, seed), index);
  const { base, damage } = chosen(reader, rng, index);
  const { frames, fault } = damage.apply(base, rng, reader);
  const kind = String(base.header.kind) as FuzzMessage["kind"];
  return { how: `${kind}: ${damage.name}`, kind, fault, frames };
}

function chosen(reader: Reader, rng: Rng, index: number): { base: Base; damage: Damage } {
  const draw = rng.uniform();
  if (reader === "worker" && draw < impossibleShare) return impossibleJob(rng, index);
  const base = rng.pick(reader === "worker" ? toWorker : fromWorker)(rng, index);
  if (reader === "coordinator" && draw < soundShare) return { base, damage: damages.sound };
  return { base, damage: rng.pick(base.frames.length > 0 ? damages.ofArrays : damages.ofAll) };
}

let derived: { readonly of: string; readonly seed: ReturnType<typeof deriveSeed> } | undefined;

/** Hashing would cost more than making the message. */
function deriveSeedOnce(reader: Reader, seed: number): ReturnType<typeof deriveSeed> {
  const of = `${reader} ${seed}`;
  if (derived?.of !== of) derived = { of, seed: deriveSeed(seed, "fuzz", reader) };
  return derived.seed;
}
