// How much of a text a budget of tokens holds, counted in the bytes of a JSON line: `lengthOfTokens` for kernels. Held equal
// to it by test.
import type { Vocabulary } from "../../trace/format.ts";
import { longestFirst } from "../../trace/tokenCount.ts";
import { lineBytes } from "./lineBytes.ts";

/** The end of a text's first `maxTokens` tokens; `to` when all of the text fits. The text stands at from..to in `lineBytes`. */
export type ByteBudget = (from: number, to: number) => number;

/** For texts that are concatenations of the vocabulary's pieces, all of them ASCII. */
export function byteBudget({ pieces, special }: Vocabulary, maxTokens: number): ByteBudget {
  const tokens = [...longestFirst(special), ...longestFirst(pieces)].map((text) =>
    Uint8Array.from(JSON.stringify(text).slice(1, -1), (character) => character.charCodeAt(0)),
  );
  /** The tokens that begin with a byte, in order of preference; none where it can only stand alone. */
  const candidates = Array.from({ length: 128 }, (_, byte) => {
    const found = tokens.filter((token) => token[0] === byte);
    return found.some((token) => token.length > 1) ? found : [];
  });
  return (from, to) => {
    let at = from;
    for (let count = 0; count < maxTokens && at < to; count++) at = tokenEnd(at, candidates[lineBytes[at] as number]);
    return Math.min(at, to);
  };
}

function tokenEnd(at: number, candidates: readonly Uint8Array[] | undefined): number {
  for (const token of candidates ?? []) if (standsAt(at, token)) return at + token.length;
  return at + 1;
}

function standsAt(at: number, token: Uint8Array): boolean {
  for (let index = 1; index < token.length; index++) if (lineBytes[at + index] !== token[index]) return false;
  return true;
}
