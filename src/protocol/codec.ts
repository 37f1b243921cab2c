// Messages <-> frames: [msgpack header, one raw little-endian frame per entry of `bins`, checksum]. Knows nothing of sockets or
// workers. Decoding checks everything before use and never throws: what comes in may be anything.
import { Packr } from "msgpackr";
import { seal, unseal } from "./checksum.ts";
import { type Bin, type BinType, type FromWorker, fromWorker, protocolVersion, type ToWorker, toWorker } from "./messages.ts";

export type BinArray = Uint8Array | Int32Array | Uint32Array | Float32Array;
/** An array to send; without `shape` it goes as one dimension. */
export type OutgoingBin = BinArray | { readonly data: BinArray; readonly shape: readonly number[] };
export type OutgoingBins = Readonly<Record<string, OutgoingBin>>;
/** An array as received: the element type of `data` is `type`, its length the product of `shape`. */
export interface IncomingBin {
  readonly type: BinType;
  readonly shape: readonly number[];
  readonly data: BinArray;
}
export type IncomingBins = Readonly<Record<string, IncomingBin>>;

export type Decoded<Message> =
  | { readonly ok: true; readonly message: Message; readonly bins: IncomingBins }
  /** `version` is set when the header is recognisable as that of another protocol version. */
  | { readonly ok: false; readonly reason: string; readonly version?: number };

type Refused = Extract<Decoded<never>, { ok: false }>;

/** A message as the caller writes it: `bins` of the header is derived from the arrays. */
export type Outgoing<Message> = Message extends { bins: Bin[] } ? Omit<Message, "bins"> : Message;

// int64AsType is missing from the typings of msgpackr 2.1. Python's decoders read none of msgpackr's own extensions.
const settings = {
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: "auto",
  variableMapSize: true,
  skipValues: [undefined],
  encodeUndefinedAsNil: true,
  useFloat32: 0,
  moreTypes: false,
  copyBuffers: false,
};
const packr = new Packr(settings as ConstructorParameters<typeof Packr>[0]);

const elementBytes: Readonly<Record<BinType, number>> = { uint8: 1, int32: 4, uint32: 4, float32: 4 };
const maxDepth = 64;
const maxHeaderBytes = 64 * 1024 * 1024;
/** Frames below this are copied: a view would pin a whole libzmq message for some numbers. */
const copyBelowBytes = 64 * 1024;

function typeOf(array: BinArray): BinType {
  if (array instanceof Float32Array) return "float32";
  if (array instanceof Int32Array) return "int32";
  if (array instanceof Uint32Array) return "uint32";
  return "uint8";
}

/**
 * The frames of a message. The bulk arrays are not copied: they must not be written to afterwards (the socket reads them
 * after `send` has returned). Throws TypeError on what msgpack cannot carry faithfully (typed arrays, BigInt beyond 64
 * bits, Map, Date) and when a shape does not fit its array.
 */
export function encode(message: Outgoing<FromWorker> | Outgoing<ToWorker>, bins: OutgoingBins = {}): Buffer[] {
  const described: Bin[] = [];
  const frames: Buffer[] = [];
  for (const [name, bin] of Object.entries(bins)) {
    const data = ArrayBuffer.isView(bin) ? bin : bin.data;
    const shape = ArrayBuffer.isView(bin) ? [bin.length] : [...bin.shape];
    if (elements(shape) !== data.length) {
      throw new TypeError(`bin "${name}": shape [${shape.join(", ")}] does not hold ${data.length} elements`);
    }
    described.push([name, typeOf(data), shape]);
    frames.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  }
  const carriesBins = message.kind === "job" || message.kind === "chunk" || message.kind === "result";
  if (!carriesBins && described.length > 0) throw new TypeError(`a message of kind "${message.kind}" carries no bins`);
  const header = carriesBins ? { ...message, bins: described } : message;
  // pack() returns a view of a pooled buffer that msgpackr never writes again; a copy keeps the pool from being pinned.
  return seal([Buffer.from(packr.pack(packable(header))), ...frames]);
}

/**
 * The value as msgpackr writes it faithfully. Refused: typed arrays (it would write wrong bytes), Map, Set, Date and
 * class instances, functions, lone surrogates (invalid UTF-8, which Python refuses). Integers beyond 32 bit become BigInt,
 * or they would go as float64.
 */
function packable(value: unknown, depth = 0): unknown {
  if (typeof value === "number") return Number.isSafeInteger(value) && Math.abs(value) > 0x7fffffff ? BigInt(value) : value;
  if (typeof value === "string" && /\p{Surrogate}/u.test(value))
    throw new TypeError("a text with a lone surrogate cannot be sent");
  if (typeof value === "function" || typeof value === "symbol") throw new TypeError(`a ${typeof value} cannot be sent`);
  if (value === null || typeof value !== "object") return value;
  if (depth > maxDepth) throw new TypeError(`a message is nested more than ${maxDepth} deep`);
  if (Array.isArray(value)) return value.map((item) => packable(item, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`a ${value.constructor?.name ?? "class instance"} cannot be sent in a header: bulk numbers go as bins`);
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, packable(item, depth + 1)]));
}

/** Number of elements of a shape; NaN when it is not a safe integer. */
function elements(shape: readonly number[]): number {
  const product = shape.reduce((size, length) => size * length, 1);
  return Number.isSafeInteger(product) ? product : Number.NaN;
}

/** What a worker sent, checked. Never throws. */
export function decodeFromWorker(frames: readonly Uint8Array[]): Decoded<FromWorker> {
  return decode(frames, (header) => fromWorker.safeParse(header));
}

/** What a coordinator sent, checked. Never throws. */
export function decodeToWorker(frames: readonly Uint8Array[]): Decoded<ToWorker> {
  return decode(frames, (header) => toWorker.safeParse(header));
}

type Check<Message> = (
  header: unknown,
) => { success: true; data: Message } | { success: false; error: { issues: { path: PropertyKey[]; message: string }[] } };

function decode<Message extends FromWorker | ToWorker>(frames: readonly Uint8Array[], check: Check<Message>): Decoded<Message> {
  try {
    const body = unseal(frames);
    const first = body?.[0];
    if (!first) return unsealed(frames);
    if (first.byteLength > maxHeaderBytes) return { ok: false, reason: `a header of ${first.byteLength} bytes` };
    const header: unknown = packr.unpack(first);
    const parsed = check(header);
    if (!parsed.success) return refusal(header, parsed.error.issues[0]);
    const message = parsed.data;
    const described = "bins" in message ? message.bins : [];
    if (body.length !== described.length + 1) {
      return { ok: false, reason: `${message.kind}: ${body.length - 1} raw frames, the header names ${described.length}` };
    }
    return readBins(message, described, body);
  } catch (error) {
    return { ok: false, reason: `not msgpack: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/**
 * A message without a right checksum is not read. One of a single frame may be a hello of version 1, which had none: its
 * sender is told so. (A damaged message of ours has two frames at least, so no damage passes for another version.)
 */
function unsealed(frames: readonly Uint8Array[]): Refused {
  const [only] = frames;
  const damaged = `the checksum is missing or wrong (${frames.length} frames)`;
  if (!only || frames.length > 1) return { ok: false, reason: damaged };
  const found = refusal(packr.unpack(only), undefined);
  return found.version === undefined ? { ok: false, reason: damaged } : found;
}

function refusal(header: unknown, issue: { path: PropertyKey[]; message: string } | undefined): Refused {
  const place = issue && issue.path.length > 0 ? `"${issue.path.map(String).join(".")}": ` : "";
  const reason = `not a message of this protocol: ${place}${issue?.message ?? "unknown"}`;
  if (header === null || typeof header !== "object" || !("v" in header) || !("kind" in header)) return { ok: false, reason };
  const { v, kind } = header;
  if (typeof v !== "number" || !Number.isInteger(v) || v === protocolVersion || typeof kind !== "string")
    return { ok: false, reason };
  return { ok: false, reason, version: v };
}

function readBins<Message extends FromWorker | ToWorker>(
  message: Message,
  described: readonly Bin[],
  frames: readonly Uint8Array[],
): Decoded<Message> {
  const bins: Record<string, IncomingBin> = Object.create(null) as Record<string, IncomingBin>;
  for (const [index, [name, type, shape]] of described.entries()) {
    const frame = frames[index + 1] as Uint8Array;
    const length = elements(shape);
    if (frame.byteLength !== length * elementBytes[type]) {
      return {
        ok: false,
        reason: `${message.kind}: bin "${name}" is ${type} [${shape.join(", ")}] but has ${frame.byteLength} bytes`,
      };
    }
    if (name in bins) return { ok: false, reason: `${message.kind}: two bins are named "${name}"` };
    bins[name] = { type, shape, data: view(type, frame, length) };
  }
  return { ok: true, message, bins };
}

function view(type: BinType, frame: Uint8Array, length: number): BinArray {
  const aligned = frame.byteOffset % elementBytes[type] === 0;
  const bytes = aligned && frame.byteLength >= copyBelowBytes ? frame : Uint8Array.from(frame);
  switch (type) {
    case "uint8":
      return new Uint8Array(bytes.buffer, bytes.byteOffset, length);
    case "int32":
      return new Int32Array(bytes.buffer, bytes.byteOffset, length);
    case "uint32":
      return new Uint32Array(bytes.buffer, bytes.byteOffset, length);
    case "float32":
      return new Float32Array(bytes.buffer, bytes.byteOffset, length);
  }
}
