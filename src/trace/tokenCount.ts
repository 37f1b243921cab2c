// How many tokens of a format's vocabulary a text has, by the rules of the tokenizer that trace/tokenizer.ts derives.
import type { Vocabulary } from "./format.ts";

interface Counter {
  /** Splits a text at its special marks; undefined when there are none. */
  readonly special: RegExp | undefined;
  /** Pieces by their first UTF-16 unit, longest first. */
  readonly pieces: ReadonlyMap<number, readonly string[]>;
}

const counters = new WeakMap<Vocabulary, Counter>();

/**
 * Tokens of `text`: special marks wherever they stand, then at each place the longest piece; a character (code point) that
 * begins no piece is one token. No token is added around the text.
 */
export function countTokens(vocabulary: Vocabulary, text: string): number {
  let counter = counters.get(vocabulary);
  if (!counter) {
    counter = counterOf(vocabulary);
    counters.set(vocabulary, counter);
  }
  if (!counter.special) return countPieces(counter.pieces, text, 0, text.length);
  let count = 0;
  let at = 0;
  for (const match of text.matchAll(counter.special)) {
    count += countPieces(counter.pieces, text, at, match.index) + 1;
    at = match.index + match[0].length;
  }
  return count + countPieces(counter.pieces, text, at, text.length);
}

function counterOf(vocabulary: Vocabulary): Counter {
  const longestFirst = (texts: readonly string[]) => [...texts].sort((a, b) => b.length - a.length);
  const pieces = new Map<number, string[]>();
  for (const piece of longestFirst(vocabulary.pieces)) {
    const first = piece.charCodeAt(0);
    pieces.set(first, [...(pieces.get(first) ?? []), piece]);
  }
  const marks = longestFirst(vocabulary.special).map((mark) => mark.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return { special: marks.length === 0 ? undefined : new RegExp(marks.join("|"), "g"), pieces };
}

function countPieces(pieces: Counter["pieces"], text: string, from: number, to: number): number {
  let count = 0;
  let at = from;
  while (at < to) {
    const piece = pieces
      .get(text.charCodeAt(at))
      ?.find((candidate) => at + candidate.length <= to && text.startsWith(candidate, at));
    at += piece?.length ?? ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
    count++;
  }
  return count;
}
