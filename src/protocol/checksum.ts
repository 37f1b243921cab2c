// The last frame of every message: a CRC-32 of all the others. A socket on one machine corrupts nothing, a faulty memory, a
// proxy or a bug may: without it a flipped bit in a token or a log-probability would be recorded as a result.
import { crc32 } from "node:zlib";

const checksumBytes = 4;

function digest(frames: readonly Uint8Array[]): number {
  // zlib takes an empty buffer without memory for the wish to begin anew, and forgets what came before.
  return frames.reduce((crc, frame) => (frame.byteLength === 0 ? crc : crc32(frame, crc)), 0);
}

/** The frames with their checksum (4 bytes, little endian) behind them. */
export function seal(frames: readonly Buffer[]): Buffer[] {
  const last = Buffer.alloc(checksumBytes);
  last.writeUInt32LE(digest(frames));
  return [...frames, last];
}

/** The frames before the checksum, or undefined when it is missing or wrong. */
export function unseal(frames: readonly Uint8Array[]): readonly Uint8Array[] | undefined {
  const last = frames.at(-1);
  if (last?.byteLength !== checksumBytes) return undefined;
  const body = frames.slice(0, -1);
  return Buffer.from(last).readUInt32LE() === digest(body) ? body : undefined;
}
