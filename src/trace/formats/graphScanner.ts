// Reads the texts of graph formats character by character, and says where and why one leaves its grammar.
import { quote } from "../../lib/text.ts";
import type { Span, SyntaxError as TextError } from "../format.ts";

const [zero, nine] = [48, 57];
// 999999: a run of digits is no vertex, and a text can be restored from its numbers.
const mostDigits = 6;

/** A place in a text that moves on over what is expected there. */
export class GraphScanner {
  readonly text: string;
  at = 0;
  /** Where the part that is being read began; what stands before is read for good. */
  begin = 0;

  constructor(text: string) {
    this.text = text;
  }

  get ended(): boolean {
    return this.at === this.text.length;
  }

  /** Moves over the literal, if it stands here. */
  take(literal: string): boolean {
    if (!this.text.startsWith(literal, this.at)) return false;
    this.at += literal.length;
    return true;
  }

  /** Moves over a vertex (0 to 999999, no leading zeros) and gives its number, or undefined when none stands here. */
  vertex(): number | undefined {
    const from = this.at;
    let value = 0;
    let to = from;
    for (; to < this.text.length; to++) {
      const unit = this.text.charCodeAt(to);
      if (unit < zero || unit > nine) break;
      if (to > from && value === 0) return undefined;
      if (to - from === mostDigits) return undefined;
      value = value * 10 + unit - zero;
    }
    if (to === from) return undefined;
    this.at = to;
    return value;
  }

  /** Vertices with `between` between them, as far as they go, and their spans. */
  vertices(between: string): { readonly list: number[]; readonly spans: Span[] } {
    const list: number[] = [];
    const spans: Span[] = [];
    for (;;) {
      const back = this.at;
      if (list.length > 0 && !this.take(between)) return { list, spans };
      const from = this.at;
      const vertex = this.vertex();
      if (vertex === undefined) {
        this.at = back;
        return { list, spans };
      }
      list.push(vertex);
      spans.push([from, this.at]);
    }
  }

  /** The text does not go on as expected. At its end it is cut off, and the part that was begun is to blame. */
  error(expected: string): TextError {
    const { text, at, begin } = this;
    if (this.ended) {
      return { span: [begin, at], message: `the text is cut off in ${quote(text.slice(begin))}: expected ${expected}` };
    }
    const numbers = /^(?:0[0-9]|[0-9]{7})/.test(text.slice(at, at + 7)) ? " (vertices are 0 to 999999, no leading zeros)" : "";
    return { span: [at, text.length], message: `expected ${expected}, found ${quote(text.slice(at))}${numbers}` };
  }
}
