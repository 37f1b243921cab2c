// How the tokenizer that tokenizer.ts derives cuts a text, without that tokenizer: counts, budgets, what no piece covers.
import { escapeRegex } from "../lib/text.ts";
import type { Vocabulary } from "./format.ts";

/** In the order in which a tokenizer tries them. Equal lengths keep their order: the sort is stable. */
export function longestFirst(texts: readonly string[]): string[] {
  return [...texts].sort((a, b) => b.length - a.length);
}

/** Tokens of `text`. None is added around it. */
export function countTokens(vocabulary: Vocabulary, text: string): number {
  let count = 0;
  cut(vocabulary, text, () => {
    count++;
    return true;
  });
  return count;
}

/** UTF-16 units that the first `most` tokens of `text` take: where a budget cuts it, or its length when all of it fits. */
export function lengthOfTokens(vocabulary: Vocabulary, text: string, most: number): number {
  // No token is empty.
  if (text.length <= most) return text.length;
  let count = 0;
  let length = 0;
  if (most > 0)
    cut(vocabulary, text, (end) => {
      length = end;
      return ++count < most;
    });
  return length;
}

/** Where `text` first holds a character that is in no special mark or piece; undefined when all of it is covered. */
export function uncoveredAt(vocabulary: Vocabulary, text: string): number | undefined {
  let covered = 0;
  cut(vocabulary, text, (end, isKnown) => {
    if (isKnown) covered = end;
    return isKnown;
  });
  return covered < text.length ? covered : undefined;
}

interface Cutter {
  /** Finds the next special mark; undefined when the vocabulary has none. */
  readonly special: RegExp | undefined;
  /** Pieces by their first UTF-16 unit, longest first. */
  readonly pieces: ReadonlyMap<number, readonly string[]>;
}

const cutters = new WeakMap<Vocabulary, Cutter>();

function cutterOf(vocabulary: Vocabulary): Cutter {
  const known = cutters.get(vocabulary);
  if (known) return known;
  const pieces = new Map<number, string[]>();
  for (const piece of longestFirst(vocabulary.pieces)) {
    const first = piece.charCodeAt(0);
    pieces.set(first, [...(pieces.get(first) ?? []), piece]);
  }
  const marks = longestFirst(vocabulary.special).map(escapeRegex);
  const made: Cutter = { special: marks.length === 0 ? undefined : new RegExp(marks.join("|"), "g"), pieces };
  cutters.set(vocabulary, made);
  return made;
}

/**
 * Tells the end of each token in turn for as long as `visit` answers true: special marks wherever they stand, then at each
 * place the longest piece; a character (code point) that begins no piece is one token, which is not known.
 */
function cut(vocabulary: Vocabulary, text: string, visit: (end: number, isKnown: boolean) => boolean): void {
  const { special, pieces } = cutterOf(vocabulary);
  let mark = nextMark(special, text, 0);
  for (let at = 0; at < text.length; ) {
    let isKnown = true;
    if (at === mark.from) {
      at = mark.to;
      mark = nextMark(special, text, at);
    } else {
      const length = pieceLength(pieces.get(text.charCodeAt(at)), text, at, mark.from);
      isKnown = length > 0;
      at += isKnown ? length : (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    }
    if (!visit(at, isKnown)) return;
  }
}

/** Where the next mark from `at` on stands; behind the text when there is none. */
function nextMark(special: RegExp | undefined, text: string, at: number): { readonly from: number; readonly to: number } {
  if (special) {
    special.lastIndex = at;
    const found = special.exec(text);
    if (found) return { from: found.index, to: special.lastIndex };
  }
  return { from: text.length, to: text.length };
}

/** Length of the first candidate that stands at `at` and ends by `to`; 0 when none does. */
function pieceLength(candidates: readonly string[] | undefined, text: string, at: number, to: number): number {
  if (candidates === undefined) return 0;
  for (const candidate of candidates) {
    if (at + candidate.length <= to && text.startsWith(candidate, at)) return candidate.length;
  }
  return 0;
}
