// Writing a JSON line as bytes without making strings of it: one large buffer, the place to write at handed from call to call.
// All text is ASCII and written as it stands inside a JSON string: a newline is the two bytes `\n`. Knows no puzzle.

/** Lines are shorter than this; only the pages that lines touch take memory. */
export const lineCapacity = 1 << 25;

// Pieces are copied in whole words, so a write may touch up to 15 bytes behind its end.
export const lineBytes = new Uint8Array(lineCapacity + 64);
const view = new DataView(lineBytes.buffer);

/** A text that is written again and again, kept as 8-byte words (ASCII never forms a NaN, whose bits a copy might change). */
export interface Literal {
  readonly words: Float64Array;
  readonly length: number;
}

/** `text` is ASCII as it stands inside a JSON string. */
export function literal(text: string): Literal {
  const padded = new DataView(new ArrayBuffer(Math.ceil(text.length / 8) * 8));
  for (let index = 0; index < text.length; index++) padded.setUint8(index, text.charCodeAt(index));
  // On a buffer of its own: V8 keeps small arrays made without one among its objects, and their address is no constant then.
  const words = new Float64Array(new ArrayBuffer(padded.byteLength));
  for (let word = 0; word < words.length; word++) words[word] = padded.getFloat64(8 * word, true);
  return { words, length: text.length };
}

/** Writes a literal at `at`; returns where it ends, as all writers here do. */
export function put(at: number, { words, length }: Literal): number {
  for (let word = 0, to = at; word < words.length; word++, to += 8) view.setFloat64(to, words[word] as number, true);
  return at + length;
}

/** Writes a text of any length, an ASCII one. */
export function putText(at: number, text: string): number {
  for (let index = 0; index < text.length; index++) lineBytes[at + index] = text.charCodeAt(index);
  return at + text.length;
}

/** Copies `length` bytes of the line itself, from a place that ends before `at`. */
export function copy(at: number, from: number, length: number): number {
  for (let done = 0; done < length; done += 8) view.setFloat64(at + done, view.getFloat64(from + done, true), true);
  return at + length;
}

/** `copy` for texts that are mostly of 16 bytes at most: their length, which is chance, decides no branch then. */
export function copyShort(at: number, from: number, length: number): number {
  view.setFloat64(at, view.getFloat64(from, true), true);
  view.setFloat64(at + 8, view.getFloat64(from + 8, true), true);
  if (length > 16) copy(at + 16, from + 16, length - 16);
  return at + length;
}

const commaSpace = 0x202c;
const tableSize = 10_000;
/** Digits of 0..9999 as one little-endian word of four bytes each: without leading zeros, and with. */
const digits = new Uint32Array(tableSize);
const paddedDigits = new Uint32Array(tableSize);
// A table, because which length comes next is what a processor cannot foresee.
const digitCounts = new Uint8Array(tableSize);
for (let value = 0; value < tableSize; value++) {
  digitCounts[value] = String(value).length;
  digits[value] = wordOf(String(value));
  paddedDigits[value] = wordOf(String(value).padStart(4, "0"));
}

function wordOf(text: string): number {
  return [...text].reduce((word, digit, index) => word | (digit.charCodeAt(0) << (8 * index)), 0);
}

/** Writes a non-negative safe integer in decimal digits. */
export function putNumber(at: number, value: number): number {
  if (value < tableSize) {
    view.setUint32(at, digits[value] as number, true);
    return at + (digitCounts[value] as number);
  }
  const high = Math.floor(value / tableSize);
  const end = putNumber(at, high);
  view.setUint32(end, paddedDigits[value - high * tableSize] as number, true);
  return end + 4;
}

/** Writes `count` numbers from `from` on with ", " between them. */
export function putNumbers(at: number, numbers: Float64Array, from: number, count: number): number {
  let end = putNumber(at, numbers[from] as number);
  for (let index = from + 1; index < from + count; index++) {
    view.setUint16(end, commaSpace, true);
    end = putNumber(end + 2, numbers[index] as number);
  }
  return end;
}
