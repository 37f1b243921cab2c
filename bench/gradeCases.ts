// Traces to grade: valid ones, and damaged ones made of them. Used by bench/grade.ts and by the
// short fuzz in test/trace/mutation.test.ts.
import { Rng } from "../src/lib/rng.ts";
import type { AnyPuzzle } from "../src/puzzle/puzzle.ts";
import { solve } from "../src/solver/registry.ts";
import type { SolverSettings } from "../src/solver/settings.ts";
import type { AnyFormat } from "../src/trace/format.ts";

export interface Case {
  readonly puzzle: AnyPuzzle;
  readonly format: AnyFormat;
  readonly problem: unknown;
  /** The response, without the prompt. */
  readonly text: string;
}

/** Options of small problems, whose traces are some hundred characters. */
export const smallOptions: Readonly<Record<string, object>> = {
  countdown: { numbers: 3, operands: [1, 20] },
  graph: { nodes: 8 },
  sudoku: { size: 4, empty: [6, 8] },
  maze: { size: 4 },
};

/** What makes the traces of one format. */
export interface Source {
  readonly puzzle: AnyPuzzle;
  readonly format: AnyFormat;
  readonly solver: SolverSettings;
}

/** `count` traces of each source, a problem each. `options`: keys of a puzzle's options, by its name. */
export function casesOf(sources: readonly Source[], count: number, options: Readonly<Record<string, object>> = {}): Case[] {
  return sources.flatMap(({ puzzle, format, solver }) => {
    const drawn = puzzle.readOptions({ kind: puzzle.name, ...options[puzzle.name] });
    return Array.from({ length: count }, (_, index) => {
      const rng = Rng.for("grade", puzzle.name, format.name, index);
      const problem = puzzle.generate(rng, drawn);
      const trace = [...solve(puzzle, problem, solver, rng)];
      return { puzzle, format, problem, text: format.render(problem, trace).text };
    });
  });
}

/** Characters that break parsers: digits and signs in wrong places, control characters, halves of pairs. */
const noise = [
  ..."0123456789+-*/=()[]<>,.:#|' \n\r\t",
  "\u0000",
  "\ud800",
  "\udc00",
  "😀",
  "é",
  "\u2028",
  "１",
  "0x1",
  "1e9",
  "-0",
];

type Damage = (rng: Rng, text: string, from: number, to: number, other: string) => string;
/** Ways to break a text; [from, to) is a random range of it, `other` another trace. */
const damages: readonly Damage[] = [
  (_rng, text, from) => text.slice(0, from),
  (_rng, text, from, to) => text.slice(0, from) + text.slice(to),
  (_rng, text, from, to) => text.slice(0, to) + text.slice(from),
  (rng, text, from) => text.slice(0, from) + rng.pick(noise) + text.slice(from),
  (rng, text, from) => text.slice(0, from) + rng.pick(noise) + text.slice(from + 1),
  (rng, text, from, _to, other) => text.slice(0, from) + other.slice(rng.below(other.length + 1)),
  (rng, text, from, to) => text.slice(0, from) + text.slice(from, to).repeat(rng.below(40)) + text.slice(to),
  (rng, text) => changed(rng, text, /[0-9]+/g, () => String(rng.below(100))),
  (rng, text) => changed(rng, text, /[a-z<>]+/gi, () => rng.pick(text.match(/[a-z<>]+/gi) ?? [""])),
  (rng, text) => rng.shuffled(text.split("\n")).join("\n"),
  (_rng, text, from, to) => [...text.slice(0, from), ...[...text.slice(from, to)].reverse(), ...text.slice(to)].join(""),
];

/** One match of the pattern, drawn, replaced. */
function changed(rng: Rng, text: string, pattern: RegExp, by: () => string): string {
  const matches = [...text.matchAll(pattern)];
  if (matches.length === 0) return text;
  const { index, 0: found } = rng.pick(matches);
  return text.slice(0, index) + by() + text.slice(index + found.length);
}

/** A damaged trace: a valid one with one to three damages, in which parts of another one may stand. */
export function damagedCase(rng: Rng, cases: readonly Case[]): Case {
  const picked = rng.pick(cases);
  let { text } = picked;
  for (let times = rng.between(1, 3); times > 0; times--) {
    const [a, b] = [rng.below(text.length + 1), rng.below(text.length + 1)];
    text = rng.pick(damages)(rng, text, Math.min(a, b), Math.max(a, b), rng.pick(cases).text);
  }
  return { ...picked, text };
}

/** A case as a line for `backtrail grade`, with its newline. Every twentieth or so is damaged as bytes too. */
export function damagedLine(rng: Rng, { puzzle, format, problem, text }: Case): Buffer {
  const line = Buffer.from(JSON.stringify({ problem: puzzle.writeProblem(problem), format: format.name, text }));
  if (rng.below(20) === 0) {
    for (let times = rng.between(1, 4); times > 0; times--) line[rng.below(line.length)] = rng.below(256);
  }
  // A newline inside would make two lines of one.
  for (let at = line.indexOf(10); at >= 0; at = line.indexOf(10)) line[at] = 0;
  return Buffer.concat([line, Buffer.from("\n")]);
}
