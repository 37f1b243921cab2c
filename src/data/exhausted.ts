// When drawing goes on in vain: the settings leave fewer examples than were asked for.
import { UserError } from "../lib/errors.ts";

/** After this many draws in a row that gave nothing new, nothing new is expected. */
export const mostDrawsInVain = 20_000;

/** The error that says how far a set has come and what to change. */
export function exhausted(found: number, wanted: number): UserError {
  return new UserError(
    "data-exhausted",
    `data.train: ${wanted} were asked for, but after ${found} of them ${mostDrawsInVain} draws in a row gave nothing new: ` +
      "the settings leave too few (distinct: true in a small space, keep: solved, or over: drop with a small maxTokens). " +
      "Ask for a smaller data.train.size or make the options of `puzzle` wider.",
  );
}
