import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { seal } from "../../src/protocol/checksum.ts";
import { decodeFromWorker, decodeToWorker, encode, type OutgoingBins } from "../../src/protocol/codec.ts";
import { protocolVersion } from "../../src/protocol/messages.ts";

const v: typeof protocolVersion = protocolVersion;
const job = {
  v,
  kind: "job" as const,
  id: "j1",
  attempt: 1,
  primitive: "score",
  params: { a: 1.5, b: [1, "x", null, true], big: 2 ** 40 },
};
const chunk = { v, kind: "chunk" as const, id: "j1", attempt: 1, seq: 0, texts: ["a", "é\u{1f600}"] };

describe("encode and decode", () => {
  it("restore a job with bins of every type, shapes kept", () => {
    const bins: OutgoingBins = {
      tokens: Int32Array.of(1, -2, 3),
      seeds: { data: Uint32Array.of(1, 2, 3, 0xffffffff), shape: [2, 2] },
      weights: Float32Array.of(0.5, -1),
      flags: Uint8Array.of(7),
      empty: new Int32Array(0),
    };
    const decoded = decodeToWorker(encode(job, bins));
    expect(decoded.ok).toBe(true);
    if (!decoded.ok || decoded.message.kind !== "job") return;
    expect(decoded.message.params).toEqual(job.params);
    expect(decoded.bins.seeds).toEqual({ type: "uint32", shape: [2, 2], data: Uint32Array.of(1, 2, 3, 0xffffffff) });
    expect(decoded.bins.tokens?.data).toEqual(Int32Array.of(1, -2, 3));
    expect(decoded.bins.weights?.data).toEqual(Float32Array.of(0.5, -1));
    expect(decoded.bins.flags?.data).toEqual(Uint8Array.of(7));
    expect(decoded.bins.empty?.data).toEqual(new Int32Array(0));
  });

  it("roundtrip arbitrary params and float arrays", () => {
    const value = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.integer(),
        fc.double({ noNaN: true }).map((x) => x + 0),
        fc.string({ unit: "grapheme" }),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(
          fc.string({ unit: "grapheme-ascii", minLength: 1 }).filter((key) => key !== "__proto__"),
          tie("value"),
          { maxKeys: 4, noNullPrototype: true },
        ),
      ),
    })).value;
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), value, { noNullPrototype: true }),
        fc.float32Array({ noNaN: true }),
        (params, data) => {
          const decoded = decodeToWorker(encode({ ...job, params }, { data }));
          if (!decoded.ok || decoded.message.kind !== "job") throw new Error(JSON.stringify(decoded));
          expect(decoded.message.params).toEqual(params);
          expect(decoded.bins.data?.data).toEqual(data);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("copies a frame that is not aligned", () => {
    const frames = encode(chunk, { logprobs: Float32Array.of(1, 2, 3) });
    const shifted = new Uint8Array(13);
    shifted.set(frames[1] as Buffer, 1);
    const decoded = decodeFromWorker([frames[0] as Buffer, shifted.subarray(1), frames[2] as Buffer]);
    expect(decoded.ok && decoded.bins.logprobs?.data).toEqual(Float32Array.of(1, 2, 3));
  });

  it("keeps integers beyond 32 bit exact and beyond 53 bit as BigInt", () => {
    const decoded = decodeToWorker(encode({ ...job, params: { n: 2 ** 53 - 1, b: 2n ** 60n } }));
    expect(decoded.ok && decoded.message.kind === "job" && decoded.message.params).toEqual({ n: 2 ** 53 - 1, b: 2n ** 60n });
  });

  it.each([
    ["a typed array", { x: Float32Array.of(1) }],
    ["a Buffer", { x: Buffer.from("ab") }],
    ["a Map", { x: new Map() }],
    ["a Date", { x: new Date(0) }],
    ["a function", { x: () => 1 }],
    ["a lone surrogate", { x: ["a\ud800"] }],
  ])("refuses %s in a header instead of sending wrong bytes", (_, params) => {
    expect(() => encode({ ...job, params })).toThrow(TypeError);
  });

  it("refuses bins on a message that has none, and a shape that does not fit", () => {
    expect(() => encode({ v, kind: "drain" }, { x: Int32Array.of(1) })).toThrow(/carries no bins/);
    expect(() => encode(job, { x: { data: Int32Array.of(1, 2, 3), shape: [2, 2] } })).toThrow(/shape \[2, 2\]/);
  });
});

describe("decode refuses", () => {
  const frames = encode(chunk, { tokens: Int32Array.of(1, 2, 3) });
  const header = frames[0] as Buffer;
  const tokens = frames[1] as Buffer;
  const reason = (input: readonly Uint8Array[]) => {
    const decoded = decodeFromWorker(input);
    return decoded.ok ? "ok" : decoded.reason;
  };
  it("a missing, an extra and a short frame, whatever the checksum says", () => {
    expect(reason(seal([header]))).toMatch(/0 raw frames, the header names 1/);
    expect(reason(seal([header, tokens, Buffer.alloc(1)]))).toMatch(/2 raw frames/);
    expect(reason(seal([header, Buffer.alloc(11)]))).toMatch(/"tokens" is int32 \[3\] but has 11 bytes/);
  });
  it("a missing frame and every single flipped bit, by the checksum", () => {
    expect(decodeFromWorker(frames).ok).toBe(true);
    for (const input of [[], frames.slice(0, 1), frames.slice(0, 2), frames.slice(1), [header, frames[2] as Buffer]])
      expect(reason(input)).toMatch(/checksum is missing or wrong/);
    for (const [index, frame] of frames.entries()) {
      for (let bit = 0; bit < 8 * frame.length; bit++) {
        const damaged = Buffer.from(frame);
        damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(reason(frames.with(index, damaged))).toMatch(/checksum is missing or wrong/);
      }
    }
  });
  it("a shape whose product overflows", () => {
    const raw = encodeRaw({ ...chunk, bins: [["x", "uint8", [2 ** 40, 2 ** 40]]] });
    expect(reason(seal([raw, Buffer.alloc(0)]))).toMatch(/"x" is uint8 .* but has 0 bytes/);
  });
  it("two bins of one name", () => {
    const raw = encodeRaw({
      ...chunk,
      bins: [
        ["x", "uint8", [1]],
        ["x", "uint8", [1]],
      ],
    });
    expect(reason(seal([raw, Buffer.alloc(1), Buffer.alloc(1)]))).toMatch(/two bins/);
  });
  it("a header of the other direction", () => {
    expect(decodeToWorker(frames).ok).toBe(false);
  });
  it("another version, and says which", () => {
    const [header] = encode({ v, kind: "bye", worker: "w", reason: "r" });
    const other = Buffer.from(header as Buffer);
    other[other.indexOf("v") + 1] = 9;
    expect(decodeFromWorker(seal([other]))).toMatchObject({ ok: false, version: 9 });
    // Version 1 had no checksum.
    other[other.indexOf("v") + 1] = 1;
    expect(decodeFromWorker([other])).toMatchObject({ ok: false, version: 1 });
    // Damage must not pass for another version.
    expect(decodeFromWorker([other, Buffer.alloc(4)])).not.toHaveProperty("version");
  });
});

/** A header with given bins: encode() derives them, so a lying one is made by swapping a `texts` entry for them. */
function encodeRaw(header: Record<string, unknown>): Buffer {
  // A job's params carry any value: its msgpack is cut out of the frame.
  const wrapped = encode({ ...job, params: { hull: header } })[0] as Buffer;
  const from = wrapped.indexOf("hull") + 4;
  const end = wrapped.indexOf(Buffer.from([0xa4, ...Buffer.from("bins"), 0x90]), from);
  return wrapped.subarray(from, end);
}

describe("garbage", () => {
  it("never throws in 20,000 random and mutated messages, and leaves the decoder sound", () => {
    const rng = Rng.for(7, "garbage");
    const seeds = [
      encode(job, { tokens: Int32Array.of(1, 2, 3) }),
      encode(chunk, { tokens: Int32Array.of(1, 2, 3) }),
      encode({ v, kind: "heartbeat", worker: "w", job: "", done: 0, memoryBytes: 1 }),
      encode({ v, kind: "result", id: "a", attempt: 1, chunks: 0, result: { deep: { er: [1] } }, seconds: 1 }),
    ];
    let refused = 0;
    for (let round = 0; round < 20_000; round++) {
      const decoded = [decodeFromWorker, decodeToWorker].map((decode) => decode(damaged(rng, seeds)));
      refused += decoded.filter((answer) => !answer.ok).length;
    }
    expect(refused).toBeGreaterThan(20_000);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    for (const frames of seeds.slice(1)) expect(decodeFromWorker(frames)).toMatchObject({ ok: true });
    expect(decodeToWorker(seeds[0] as Buffer[])).toMatchObject({ ok: true, message: { params: job.params } });
  });
});

function damaged(rng: Rng, seeds: readonly Buffer[][]): Uint8Array[] {
  if (rng.below(3) === 0) {
    return Array.from({ length: rng.below(4) }, () => Uint8Array.from({ length: rng.below(80) }, () => rng.below(256)));
  }
  const frames = rng.pick(seeds).map((frame) => Buffer.from(frame));
  // Half of them with a right checksum, so that what lies behind it is reached too.
  const sealed = rng.below(2) === 0;
  if (sealed) frames.pop();
  for (let change = rng.between(1, 4); change > 0; change--) {
    const frame = rng.pick(frames);
    if (rng.below(4) === 0) frames[frames.indexOf(frame)] = frame.subarray(0, rng.below(frame.length + 1));
    else if (frame.length > 0) frame[rng.below(frame.length)] = rng.below(256);
  }
  return sealed ? seal(frames) : frames;
}
