// The golden messages: what both languages must read and write. Python reads the same files.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeFromWorker, decodeToWorker, encode, type OutgoingBins } from "../../src/protocol/codec.ts";
import { type BinType, fromWorker, toWorker } from "../../src/protocol/messages.ts";

const directory = new URL("./messages/", import.meta.url);
interface Golden {
  direction: "toWorker" | "fromWorker";
  message: { kind: string; bins?: [string, BinType, number[]][] };
  msgpackHex: string;
  framesHex: string[];
  checksumHex: string;
}
const golden = readdirSync(directory).map(
  (name) => [name, JSON.parse(readFileSync(new URL(name, directory), "utf8")) as Golden] as const,
);
const arrays = { uint8: Uint8Array, int32: Int32Array, uint32: Uint32Array, float32: Float32Array };

function framesOf({ msgpackHex, framesHex, checksumHex }: Golden): Buffer[] {
  return [msgpackHex, ...framesHex, checksumHex].map((hex) => Buffer.from(hex, "hex"));
}

function binsOf({ message, framesHex }: Golden): OutgoingBins {
  return Object.fromEntries(
    (message.bins ?? []).map(([name, type, shape], index) => {
      const bytes = Uint8Array.from(Buffer.from(framesHex[index] as string, "hex"));
      return [name, { data: new arrays[type](bytes.buffer), shape }];
    }),
  );
}

describe("golden messages", () => {
  it.each(golden)("%s is decoded to what the file says", (_, file) => {
    const decoded = file.direction === "toWorker" ? decodeToWorker(framesOf(file)) : decodeFromWorker(framesOf(file));
    expect(decoded).toMatchObject({ ok: true, message: file.message });
  });

  it.each(golden)("%s is encoded to the same bytes", (_, file) => {
    const { bins: _bins, ...header } = file.message;
    const frames = encode(header as Parameters<typeof encode>[0], binsOf(file));
    expect(frames.map((frame) => frame.toString("hex"))).toEqual([file.msgpackHex, ...file.framesHex, file.checksumHex]);
  });

  it("there is one for each kind", () => {
    for (const [union, direction] of [
      [toWorker, "toWorker"],
      [fromWorker, "fromWorker"],
    ] as const) {
      const kinds = union.options.map((option) => option.shape.kind.value);
      const found = golden.filter(([, file]) => file.direction === direction).map(([, file]) => file.message.kind);
      expect(new Set(found)).toEqual(new Set(kinds));
    }
  });
});
