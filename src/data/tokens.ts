// How much of a text a budget of tokens holds, in a format's own vocabulary. Cuts as trace/tokenizer.ts's tokenizer does:
// special marks first, then pieces, longest first; a strange character is one token.
import type { Vocabulary } from "../trace/format.ts";

/** For a text: the number of UTF-16 units that its first `maxTokens` tokens take; text.length when all of it fits. */
export function tokenBudget(vocabulary: Vocabulary, maxTokens: number): (text: string) => number {
  const longestFirst = (pieces: readonly string[]) => [...pieces].sort((a, b) => b.length - a.length);
  const pieces = [...longestFirst(vocabulary.special), ...longestFirst(vocabulary.pieces)].map((piece) =>
    piece.replace(/[\\^$.*+?()[\]{}|\-/]/g, "\\$&"),
  );
  const token = new RegExp([...pieces, "[\\s\\S]"].join("|"), "y");
  return (text) => {
    // No token is empty.
    if (text.length <= maxTokens) return text.length;
    token.lastIndex = 0;
    for (let count = 0; count < maxTokens && token.lastIndex < text.length; count++) token.test(text);
    return token.lastIndex;
  };
}
