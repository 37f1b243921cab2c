// JSON records out of a stream of bytes, one at a time: a list ("[{...}, {...}]", however large) or JSON lines. Knows nothing
// of what the records mean. A list is cut into its elements by counting brackets outside strings; JSON.parse does the rest.
import { UserError } from "../lib/errors.ts";
import { quote } from "../lib/text.ts";

/** A record, or what stands in its place when it is not JSON. `index` counts both, from 0, as the file has them. */
export type ReadRecord =
  | { readonly index: number; readonly value: unknown }
  | { readonly index: number; readonly broken: string };

const bytesOf = {
  quote: 0x22,
  backslash: 0x5c,
  comma: 0x2c,
  newline: 0x0a,
  open: 0x5b,
  close: 0x5d,
  braceOpen: 0x7b,
  braceClose: 0x7d,
};
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);
// A record longer than this is a file whose brackets or quotes do not match: reading on would take all memory.
const longestRecord = 1 << 26;

/**
 * The records of a file, in order. A record that is not JSON is given as `broken` and reading goes on behind it. NaN and
 * Infinity, which Python writes and JSON does not know, become null. Memory holds one record.
 * Throws UserError("file") when a record is longer than 64 MiB or a list does not end.
 */
export async function* jsonRecords(name: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ReadRecord> {
  const cutterFor = (first: number) => (first === bytesOf.open ? new ElementCutter() : new LineCutter());
  let index = 0;
  for await (const piece of cutWith(name, chunks, cutterFor)) yield read(piece, index++);
}

/** The lines of a text file, without line ends; a line longer than 64 MiB is UserError("file"). */
export async function* textLines(name: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  for await (const piece of cutWith(name, chunks, () => new LineCutter())) yield piece.toString("utf8").replace(/\r$/, "");
}

function read(piece: Buffer, index: number): ReadRecord {
  // Blanks before a record may have been passed over or not, as the pieces were cut.
  const text = piece.toString("utf8").trim();
  try {
    return { index, value: JSON.parse(text) };
  } catch (error) {
    const repaired = text.replace(/([:[,]\s*)(?:NaN|-?Infinity)(?=\s*[,}\]])/g, "$1null");
    if (repaired !== text) {
      try {
        return { index, value: JSON.parse(repaired) };
      } catch {
        // The first reason is the one to tell.
      }
    }
    return { index, broken: `not JSON (${(error as Error).message}): ${quote(text, 80)}` };
  }
}

/** Finds where records end in bytes that come in pieces. */
interface Cutter {
  /** The place after the record that begins or goes on at `from`, or -1 when the chunk ends before the record does. */
  end(chunk: Buffer, from: number): number;
  /** The record without what separates it from the next; undefined when nothing but separators is there. */
  trim(record: Buffer): Buffer | undefined;
  /** Why the file may not end here, if it may not. */
  unfinished(): string | undefined;
}

class LineCutter implements Cutter {
  end(chunk: Buffer, from: number): number {
    return chunk.indexOf(bytesOf.newline, from) + 1 || -1;
  }

  trim(record: Buffer): Buffer | undefined {
    const line = record.at(-1) === bytesOf.newline ? record.subarray(0, -1) : record;
    return line.every(isBlank) ? undefined : line;
  }

  unfinished(): undefined {
    return undefined;
  }
}

/** Elements of a list. The bracket that opens it counts as depth 1; a comma or bracket at depth 1 ends an element. */
class ElementCutter implements Cutter {
  #depth = 0;
  #inString = false;
  /** Whether the chunk before ended in an odd number of backslashes inside a string: they escape what comes next. */
  #escaping = false;

  end(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length) {
      if (this.#inString) {
        at = this.#stringEnd(chunk, at);
        continue;
      }
      const byte = chunk[at++];
      if (byte === bytesOf.quote) this.#inString = true;
      else if (byte === bytesOf.open || byte === bytesOf.braceOpen) {
        if (++this.#depth === 1) return at;
      } else if (byte === bytesOf.close || byte === bytesOf.braceClose) {
        this.#depth = Math.max(0, this.#depth - 1);
        if (this.#depth === 0) return at;
      } else if (byte === bytesOf.comma && this.#depth === 1) return at;
    }
    return -1;
  }

  /** The place after the string's closing quote, or the chunk's end. A quote behind an odd number of backslashes is text. */
  #stringEnd(chunk: Buffer, from: number): number {
    for (let at = from; ; ) {
      const close = chunk.indexOf(bytesOf.quote, at);
      const end = close < 0 ? chunk.length : close;
      const escaped = this.#oddBackslashesBefore(chunk, end, from);
      if (close < 0) {
        this.#escaping = escaped;
        return end;
      }
      at = close + 1;
      if (escaped) continue;
      this.#inString = false;
      this.#escaping = false;
      return at;
    }
  }

  #oddBackslashesBefore(chunk: Buffer, end: number, from: number): boolean {
    let start = end;
    while (start > from && chunk[start - 1] === bytesOf.backslash) start--;
    const carried = start === 0 && this.#escaping ? 1 : 0;
    return (end - start + carried) % 2 === 1;
  }

  trim(record: Buffer): Buffer | undefined {
    let [from, to] = [0, record.length];
    const last = record.at(-1);
    const opensList = this.#depth === 1 && last === bytesOf.open;
    if (opensList || last === bytesOf.comma || (this.#depth === 0 && last === bytesOf.close)) to--;
    while (from < to && isBlank(record[from])) from++;
    while (to > from && isBlank(record[to - 1])) to--;
    return from === to ? undefined : record.subarray(from, to);
  }

  unfinished(): string | undefined {
    return this.#depth > 0
      ? "the list does not end: the file was cut off, or a quote or bracket is missing in its last record"
      : undefined;
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** `choose` is asked once, with the first byte that is not blank. */
async function* cutWith(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  choose: (first: number) => Cutter,
): AsyncGenerator<Buffer> {
  let cutter: Cutter | undefined;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of withoutMark(chunks)) {
    const first = cutter ? undefined : chunk.find((byte) => !isBlank(byte));
    if (first !== undefined) cutter = choose(first);
    if (cutter === undefined) continue;
    let from = 0;
    for (let end = cutter.end(chunk, from); end >= 0; end = cutter.end(chunk, from)) {
      const whole = chunk.subarray(from, end);
      const record = cutter.trim(pending.length === 0 ? whole : Buffer.concat([...pending, whole]));
      pending = [];
      pendingBytes = 0;
      from = end;
      if (record) yield record;
    }
    pending.push(chunk.subarray(from));
    pendingBytes += chunk.length - from;
    if (pendingBytes > longestRecord) throw new UserError("file", `${name}: ${tooLong}`);
  }
  if (cutter === undefined) return;
  const unfinished = cutter.unfinished();
  if (unfinished !== undefined) throw new UserError("file", `${name}: ${unfinished}. Fetch the file again.`);
  const last = cutter.trim(Buffer.concat(pending));
  if (last) yield last;
}

const tooLong =
  "a record is longer than 64 MiB: a quote or bracket is missing, or the file is neither a JSON list nor JSON lines.";

/** The same bytes as buffers, without the byte order mark that some editors put in front. */
async function* withoutMark(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const bytes of chunks) {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < byteOrderMark.length) continue;
    yield head.subarray(0, 3).equals(byteOrderMark) ? head.subarray(3) : head;
    head = undefined;
  }
  if (head !== undefined) yield head;
}
