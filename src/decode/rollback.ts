// Where a completion that asks for a step back is cut: at the token that ends the step before the wrong one. Pure.

/** The kept part of a response: its first `tokens` tokens, which spell `text`. */
export interface Cut {
  readonly tokens: number;
  readonly text: string;
}

/**
 * Takes the last `steps` steps and the backtrack mark at the end off a response. A step is what a delimiter ends; text
 * after the last delimiter counts as a step of its own. Never cuts into the prompt: with fewer steps, nothing is kept.
 * `charEnds` gives the end of each token in `response`. Where no token ends at the end of a step, the cut is made at the
 * token boundary before it, so that what is kept is always a prefix the model has really written.
 */
export function rollBack(
  response: string,
  charEnds: ArrayLike<number>,
  marks: { backtrack: string; stepDelimiter: string },
  steps: number,
): Cut {
  const body = response.slice(0, response.length - marks.backtrack.length);
  const ends: number[] = [];
  for (
    let at = body.indexOf(marks.stepDelimiter);
    at >= 0;
    at = body.indexOf(marks.stepDelimiter, at + marks.stepDelimiter.length)
  ) {
    ends.push(at + marks.stepDelimiter.length);
  }
  if (ends.at(-1) !== body.length && body.length > 0) ends.push(body.length);
  const tokens = tokensUpTo(charEnds, ends[ends.length - 1 - steps] ?? 0);
  return { tokens, text: response.slice(0, tokens === 0 ? 0 : (charEnds[tokens - 1] as number)) };
}

/**
 * The tokens before character `limit`: up to the FIRST token that ends there, since a token after it with the same end is
 * the beginning of a character that is not whole yet.
 */
function tokensUpTo(charEnds: ArrayLike<number>, limit: number): number {
  let tokens = 0;
  let end = 0;
  for (let index = 0; index < charEnds.length; index++) {
    const next = charEnds[index] as number;
    if (next > limit) break;
    if (next > end) {
      end = next;
      tokens = index + 1;
    }
  }
  return tokens;
}
