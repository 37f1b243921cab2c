// Goes through a text line by line and notes what is wrong in it, where. Newlines stand between lines, none at the end.
import { quote } from "../../lib/text.ts";
import type { SyntaxError as LocatedError, Span } from "../format.ts";

/** No problem of eight numbers comes near it; it bounds the work that one line can cause. */
const longestLine = 4096;

/** A line without its newline; `to` is where the newline stands, or the end of the text. */
export interface Line {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** The lines of a text. Methods that answer undefined have noted a format error: nothing after it is to be read. */
export class SosCursor {
  readonly errors: LocatedError[] = [];
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get length(): number {
    return this.#text.length;
  }

  /** From the start of a line to the end of another one, with the newline behind it. */
  span(first: Line, last: Line): Span {
    return [first.from, Math.min(last.to + 1, this.#text.length)];
  }

  /** The line that begins there, behind a newline or at the start of the text. */
  lineAt(from: number): Line | undefined {
    if (from === this.#text.length) return this.leave([from - 1, from], "the text ends in a newline: it is cut off");
    const newline = this.#text.indexOf("\n", from);
    const to = newline < 0 ? this.#text.length : newline;
    if (to - from <= longestLine) return { from, to, text: this.#text.slice(from, to) };
    return this.leave([from, to], `a line has at most ${longestLine} characters, this one has ${to - from}`);
  }

  /** The line after one that cannot be the last. */
  lineAfter({ from, to, text }: Line): Line | undefined {
    if (to < this.#text.length) return this.lineAt(to + 1);
    return this.leave([from, to], `the text ends behind ${quote(text, 60)}, which needs another line`);
  }

  /** Nothing may stand behind this line, not even a newline. */
  endAfter({ to }: Line): void {
    if (to < this.#text.length) this.leave([to, this.#text.length], "nothing may follow the end mark, not even a newline");
  }

  /** A line that is not what stands there by the grammar. */
  unexpected({ from, to, text }: Line, expected: string): undefined {
    const cut = to === this.#text.length ? " (the text may be cut off here)" : "";
    return this.leave([from, Math.min(to + 1, this.#text.length)], `expected ${expected}; found ${quote(text, 60)}${cut}`);
  }

  /** Something restated that does not agree with the lines before; reading goes on. `event`: index of the line's event. */
  disagrees({ from, to }: Line, event: number, message: string): void {
    this.errors.push({ kind: "state", event, span: [from, to], message });
  }

  leave(span: Span, message: string): undefined {
    this.errors.push({ span, message });
    return undefined;
  }
}
