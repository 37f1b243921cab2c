// The mock's way with trace formats: it says what the format's own solver would have written for the prompt, and with some
// probability slips. Like the oracle a pure function of the text before it and the random stream.
import { defaultSolver } from "../../config/solvers.ts";
import { Rng } from "../../lib/rng.ts";
import { findPuzzle } from "../../puzzle/registry.ts";
import { solve } from "../../solver/registry.ts";
import type { AnyFormat } from "../../trace/format.ts";
import { allFormats } from "../../trace/registry.ts";
import type { Noise, Segment } from "./oracle.ts";

/** Bound on the search behind one completion: a mock is no place for long searches. */
const maxNodes = 2000;

/** The format that a text is a prompt of: the one of that name, or without a name one whose every piece the tokenizer knows. */
export function formatOfPrompt(
  prefix: string,
  name: string | undefined,
  knows: (piece: string) => boolean,
): AnyFormat | undefined {
  const known = ({ vocabulary }: AnyFormat) => [...vocabulary.special, ...vocabulary.pieces].every(knows);
  return allFormats().find(
    (format) => format.readPrompt(prefix) !== undefined && (name === undefined ? known(format) : format.name === name),
  );
}

/**
 * The rest of the solver's response after `prefix`, one segment for each event. With probability 1 - rightStep one of its
 * digits is another one. Empty when the response so far is not how the solver's begins.
 */
export function imitate(format: AnyFormat, prefix: string, rng: Rng, noise: Noise): Segment[] {
  const read = format.readPrompt(prefix);
  if (read === undefined) return [];
  const puzzle = findPuzzle(format.puzzle);
  // The teacher is the same for every sample of a problem: only the slips differ.
  const teacher = Rng.for("mock teacher", puzzle.canonicalKey(read.problem));
  const trace = [...solve(puzzle, read.problem, { ...defaultSolver(format.name), maxNodes }, teacher)];
  const { text, eventSpans } = format.render(read.problem, trace);
  const begun = prefix.slice(read.length);
  if (!text.startsWith(begun)) return [];
  const said = rng.uniform() < noise.rightStep ? text : slip(text, begun.length, rng);
  const ends = [...eventSpans.map(([, to]) => to).filter((to) => to > begun.length), text.length];
  let from = begun.length;
  return ends.flatMap((to) => {
    const segment = {
      text: said.slice(from, to),
      logprob: Math.log(said.slice(from, to) === text.slice(from, to) ? 0.95 : 0.05),
    };
    from = to;
    return segment.text === "" ? [] : [segment];
  });
}

function slip(text: string, from: number, rng: Rng): string {
  const digits = [...text.slice(from).matchAll(/[0-9]/g)].map(({ index }) => from + index);
  if (digits.length === 0) return text;
  const at = rng.pick(digits);
  return text.slice(0, at) + String((Number(text[at]) + rng.between(1, 9)) % 10) + text.slice(at + 1);
}
