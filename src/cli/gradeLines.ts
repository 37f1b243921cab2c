// Standard input as lines, whatever its bytes, in memory that no input can exhaust. Knows nothing of what a line holds.

/** A line's text, or how many bytes a line has that is too long to be read. */
export type Line = string | { readonly tooLong: number };

/** No trace comes near it. A line of wrong steps takes about a hundred times its size in memory while it is graded. */
export const longestLine = 16 * 2 ** 20;

const newline = 10;

/**
 * The lines that end in each chunk of the input, so that a reader who waits for an answer gets it; the last line may lack its
 * newline. Bytes that are not UTF-8 are read as U+FFFD. A line of more than `limit` bytes is skipped and its length given.
 */
export async function* lineBatches(
  input: AsyncIterable<Uint8Array | string>,
  limit = longestLine,
): AsyncGenerator<readonly Line[]> {
  const encoder = new TextEncoder();
  const rest = new Rest(limit);
  for await (const data of input) {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    const lines: Line[] = [];
    let from = 0;
    for (let to = bytes.indexOf(newline); to >= 0; to = bytes.indexOf(newline, from)) {
      rest.add(bytes.subarray(from, to));
      lines.push(rest.take());
      from = to + 1;
    }
    rest.add(bytes.subarray(from));
    if (lines.length > 0) yield lines;
  }
  if (rest.size > 0) yield [rest.take()];
}

/** The bytes of the line that is being read. */
class Rest {
  size = 0;
  #parts: Uint8Array[] = [];
  readonly #limit: number;
  readonly #decoder = new TextDecoder();

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(bytes: Uint8Array): void {
    this.size += bytes.length;
    if (this.size > this.#limit) this.#parts = [];
    else if (bytes.length > 0) this.#parts.push(bytes);
  }

  take(): Line {
    const [size, parts] = [this.size, this.#parts];
    this.size = 0;
    this.#parts = [];
    if (size > this.#limit) return { tooLong: size };
    return this.#decoder.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts));
  }
}
