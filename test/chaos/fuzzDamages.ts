// What can be wrong with a message, and who must notice.
import type { Rng } from "../../src/lib/rng.ts";
import { seal } from "../../src/protocol/checksum.ts";
import { type Header, nested, packHeader, packMap, RawValue, randomBytes, strangeValue, withFlippedBit } from "./fuzzBytes.ts";

/** Who is to read the message. */
export type Reader = "coordinator" | "worker";

/** A right message before it is packed. */
export interface Base {
  readonly header: Header;
  readonly frames: readonly Buffer[];
}

/**
 * "message": checksum or header break the protocol. "bins": the header is right, the raw frames are not what it names.
 * "params": a job that no primitive takes. "none": nothing is wrong but that nobody asked.
 */
export type Fault = "message" | "bins" | "params" | "none";

export interface Damage {
  readonly name: string;
  apply(base: Base, rng: Rng, reader: Reader): { readonly frames: Buffer[]; readonly fault: Fault };
}

function right({ header, frames }: Base): Buffer[] {
  return seal([packHeader(header), ...frames]);
}

function replaced(frames: readonly Buffer[], at: number, frame: Buffer): Buffer[] {
  return frames.map((old, index) => (index === at ? frame : old));
}

/** A damage of the frames as they are sent: the checksum must show it. */
function onTheWay(name: string, change: (frames: Buffer[], rng: Rng) => Buffer[]): Damage {
  return { name, apply: (base, rng) => ({ frames: change(right(base), rng), fault: "message" }) };
}

/** A sender that writes a wrong header, with a right checksum. */
function header(name: string, change: (header: Header, rng: Rng, reader: Reader) => Buffer): Damage {
  return {
    name,
    apply: (base, rng, reader) => ({
      frames: seal([change(base.header, rng, reader), ...base.frames]),
      fault: "message",
    }),
  };
}

/** A sender that writes a wrong description of its arrays. */
function description(name: string, fault: "message" | "bins", change: (bins: unknown[][], rng: Rng) => unknown): Damage {
  return {
    name,
    apply: ({ header: { bins, ...rest }, frames }, rng) => {
      const wrong = change(structuredClone(bins) as unknown[][], rng);
      return { frames: seal([packHeader({ ...rest, bins: wrong }), ...frames]), fault };
    },
  };
}

/** A sender whose raw frames are not what its header names. */
function arrays(name: string, change: (frames: Buffer[], rng: Rng) => Buffer[]): Damage {
  return {
    name,
    apply: (base, rng) => ({ frames: seal([packHeader(base.header), ...change([...base.frames], rng)]), fault: "bins" }),
  };
}

const strings = (header: Header) => Object.keys(header).filter((key) => typeof header[key] === "string");

/** Values of another type than this one. Python takes any integer of 64 bits, JavaScript only safe ones: positive big ones are left out. */
function wrongFor(value: unknown, rng: Rng): unknown {
  const notText = [7, -1.5, null, true, [], {}, Number.NaN, -(2n ** 63n)];
  const notNumber = ["7", null, true, [], {}, "NaN", Buffer.alloc(2)];
  const neither = [7, "text", null, false, Number.NaN, Number.POSITIVE_INFINITY, -(2n ** 63n)];
  if (typeof value === "string") return rng.pick(notText);
  if (typeof value === "number") return rng.pick(notNumber);
  if (typeof value === "boolean") return rng.pick([0, 1, "true", null]);
  return rng.pick(neither);
}

/** Fields that hold integers of at least one. */
const positive = ["attempt", "credit", "heartbeatMs", "chunkWindow"];
const notPositive = [0, -1, 1.5, -(2 ** 40), 1e300, Number.NaN, Number.NEGATIVE_INFINITY, -(2n ** 63n)];

function wrongNumber(header: Header, rng: Rng): Header {
  const keys = positive.filter((key) => key in header);
  return keys.length > 0
    ? { ...header, [rng.pick(keys)]: rng.pick(notPositive) }
    : { ...header, v: rng.pick(["2", 2.5, null]) };
}

const foreignKeys = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "then", "x", ""];
const foreignKinds = ["__proto__", "constructor", "Hello", "", "hello ", "results", "k".repeat(5000)];
const otherSide: Readonly<Record<Reader, readonly string[]>> = {
  coordinator: ["job", "welcome", "ack", "cancel", "drain", "shutdown", "reject", "rehello"],
  worker: ["hello", "accept", "progress", "chunk", "result", "error", "heartbeat", "log", "bye"],
};

const ofAll: readonly Damage[] = [
  onTheWay("one bit flipped", (frames, rng) => {
    const filled = frames.flatMap((frame, at) => (frame.length > 0 ? [at] : []));
    const at = rng.pick(filled);
    return replaced(frames, at, withFlippedBit(frames[at] ?? Buffer.alloc(1), rng));
  }),
  onTheWay("cut", (frames, rng) => {
    const at = rng.below(frames.length);
    const frame = frames[at] ?? Buffer.alloc(1);
    return replaced(frames, at, frame.subarray(0, rng.below(frame.length)));
  }),
  onTheWay("extended", (frames, rng) => {
    const at = rng.below(frames.length);
    return replaced(frames, at, Buffer.concat([frames[at] ?? Buffer.alloc(0), randomBytes(rng, 1 + rng.below(9))]));
  }),
  onTheWay("a frame is missing", (frames, rng) => {
    const gone = rng.below(frames.length);
    return frames.filter((_, at) => at !== gone);
  }),
  onTheWay("a frame more", (frames, rng) => [...frames, randomBytes(rng, rng.below(9))]),
  onTheWay("frames exchanged", (frames) => [...frames].reverse()),
  onTheWay("random bytes", (_, rng) =>
    Array.from({ length: 1 + rng.below(5) }, () => randomBytes(rng, rng.below(rng.pick([4, 40, 400])))),
  ),
  onTheWay("empty", () => [Buffer.alloc(0)]),
  onTheWay("empty, sealed", () => seal([])),
  onTheWay("many empty frames, sealed", (_, rng) => seal(Array.from({ length: rng.below(300) }, () => Buffer.alloc(0)))),
  onTheWay("of version 1", (_, rng) => [packHeader({ v: 1, kind: rng.pick(["hello", "job", "welcome"]) })]),
  header("random bytes, sealed", (_, rng) => randomBytes(rng, rng.below(200))),
  header("cut, sealed", (right, rng) => {
    const bytes = packHeader(right);
    return bytes.subarray(0, rng.below(bytes.length));
  }),
  header("extended, sealed", (right, rng) => Buffer.concat([packHeader(right), randomBytes(rng, 1 + rng.below(9))])),
  header("no map", (_, rng) => strangeValue(rng).bytes),
  header("strange value", (right, rng) => packHeader({ ...right, [rng.pick(strings(right))]: strangeValue(rng) })),
  header("nested", (right, rng) => packHeader({ ...right, [rng.pick(strings(right))]: nested(rng.pick([1, 50, 1000])) })),
  // Where only the stack ends it: in fields that may hold anything, too. Mostly a byte that is no msgpack, for it takes long to read.
  header("nested without end or no msgpack", (right, rng) => {
    const key = rng.pick(Object.keys(right));
    return packHeader({ ...right, [key]: rng.below(10) === 0 ? nested(100_000) : new RawValue(Buffer.from([0xc1])) });
  }),
  header("key lost", (right, rng) => {
    const lost = rng.pick(Object.keys(right));
    return packMap(Object.entries(right).filter(([key]) => key !== lost));
  }),
  header("key flipped", (right, rng) => {
    const entries = Object.entries(right);
    const at = rng.below(entries.length);
    const flipped = (key: string) => {
      const bytes = withFlippedBit(Buffer.from(key), rng);
      return new RawValue(Buffer.concat([Buffer.from([0xa0 | bytes.length]), bytes]));
    };
    return packMap(entries.map(([key, value], index) => [index === at ? flipped(key) : key, value]));
  }),
  header("key more", (right, rng) =>
    packMap([...Object.entries(right), [rng.pick(foreignKeys), rng.pick([1, {}, null, "a"])]]),
  ),
  header("key that is no text", (right, rng) => packMap([...Object.entries(right), [strangeValue(rng), 1]])),
  header("wrong type", (right, rng) => {
    const key = rng.pick(Object.keys(right));
    return packHeader({ ...right, [key]: wrongFor(right[key], rng) });
  }),
  header("wrong number", (right, rng) => packHeader(wrongNumber(right, rng))),
  header("unknown kind", (right, rng) => packHeader({ ...right, kind: rng.pick(foreignKinds) })),
  header("kind of the other side", (right, rng, reader) => packHeader({ ...right, kind: rng.pick(otherSide[reader]) })),
];

const ofBins: readonly Damage[] = [
  description("type of no array", "message", ([first, ...rest], rng) => [
    [first?.[0], rng.pick(["float64", "__proto__", "", 4]), first?.[2]],
    ...rest,
  ]),
  description("shape of no array", "message", ([first, ...rest], rng) => [
    [first?.[0], first?.[1], rng.pick([[-1], [1.5], ["1"], [Number.NaN], 4, null, [[1]], [-(2n ** 63n)]])],
    ...rest,
  ]),
  description("half a description", "message", ([first, ...rest]) => [first?.slice(0, 2), ...rest]),
  description("huge shape", "bins", ([first, ...rest], rng) => [
    [first?.[0], first?.[1], rng.pick([[2 ** 31, 2 ** 31, 4], [4_294_967_295], [2 ** 26, 2 ** 26]])],
    ...rest,
  ]),
  description("one array described too few", "bins", (bins) => bins.slice(1)),
  description("one array described too many", "bins", (bins) => [...bins, ["more", "int32", [1]]]),
  description("a name twice", "bins", ([first, second, third]) => [first, [first?.[0], ...(second ?? []).slice(1)], third]),
  arrays("array cut, sealed", (frames, rng) => {
    const at = rng.below(frames.length);
    const frame = frames[at] ?? Buffer.alloc(1);
    return replaced(frames, at, frame.subarray(0, rng.below(frame.length)));
  }),
  // The checksum runs over all bytes, whatever frame they are in.
  arrays("bytes in the wrong frame", ([first = Buffer.alloc(1), second = Buffer.alloc(1), ...rest], rng) => {
    const moved = 1 + rng.below(second.length);
    return [Buffer.concat([first, second.subarray(0, moved)]), second.subarray(moved), ...rest];
  }),
];

/** All damages, by the messages that they fit. */
export const damages = {
  ofAll,
  /** Of a message with arrays; none of its frames is empty. */
  ofArrays: [...ofAll, ...ofBins],
  sound: { name: "not due", apply: (base: Base) => ({ frames: right(base), fault: "none" }) } satisfies Damage,
  impossible: { name: "cannot be done", apply: (base: Base) => ({ frames: right(base), fault: "params" }) } satisfies Damage,
};
