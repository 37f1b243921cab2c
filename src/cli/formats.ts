// backtrail formats: the puzzles, solvers and formats there are, with one example each. The README's table is its output.
import { defaultSolver } from "../config/solvers.ts";
import { Rng } from "../lib/rng.ts";
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import { allPuzzles } from "../puzzle/registry.ts";
import { allSolvers, solve } from "../solver/registry.ts";
import type { AnyFormat } from "../trace/format.ts";
import { formatsOf } from "../trace/registry.ts";
import type { ExitCode, Io } from "./io.ts";

const shownCharacters = 88;
const bound = 2000;

/** A problem small enough that its traces can be read at a glance. */
const small: Readonly<Record<string, { readonly text: string } | { readonly options: object }>> = {
  countdown: { text: "4,9,2 -> 38" },
  graph: { text: "1,3|2,4|1,2|0,1|0,2|3,4/0,4" },
  sudoku: { options: { size: 4, empty: [6, 6] } },
  maze: { options: { size: 3 } },
};

interface Row {
  readonly puzzle: string;
  readonly format: string;
  readonly solver: string;
  readonly prompt: string;
  readonly response: string;
}

/** One row for each format of each puzzle, written by the format's default solver. */
export function formatRows(): Row[] {
  return allPuzzles().flatMap((puzzle) => {
    const problem = exampleProblem(puzzle);
    return formatsOf(puzzle.name).map((format) => rowOf(puzzle, format, problem));
  });
}

function exampleProblem(puzzle: AnyPuzzle): unknown {
  const given = small[puzzle.name] ?? { options: {} };
  const read = "text" in given ? puzzle.readText?.(given.text) : undefined;
  const options = "options" in given ? given.options : {};
  return read ?? puzzle.generate(Rng.for("example", puzzle.name), puzzle.readOptions({ kind: puzzle.name, ...options }));
}

function rowOf(puzzle: AnyPuzzle, format: AnyFormat, problem: unknown): Row {
  const solver = { ...defaultSolver(format.name), maxNodes: bound };
  const trace = [...solve(puzzle, problem, solver, Rng.for("example", puzzle.name, format.name))];
  return {
    puzzle: puzzle.name,
    format: format.name,
    solver: solver.kind,
    prompt: format.prompt(problem),
    response: format.render(problem, trace).text,
  };
}

/** The whole answer: `--json` with full texts, else two tables in Markdown with texts cut to fit. */
export async function formatsCommand(io: Io, flags: { readonly json: boolean }): Promise<ExitCode> {
  const rows = formatRows();
  const solvers = allSolvers().map(({ name, puzzles }) => ({ solver: name, puzzles: puzzles ?? "any" }));
  if (flags.json) io.out(`${JSON.stringify({ formats: rows, solvers }, null, 2)}\n`);
  else io.out(markdown(rows));
  return 0;
}

/** The tables of the README. */
export function markdown(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ puzzle, format, solver, response }) => `| ${puzzle} | \`${format}\` | \`${solver}\` | ${code(response)} |`,
  );
  const ofSolvers = allSolvers().map(({ name, puzzles }) => `| \`${name}\` | ${puzzles?.join(", ") ?? "any puzzle"} |`);
  return [
    "| puzzle | format | default solver | the example's response begins |",
    "|---|---|---|---|",
    ...lines,
    "",
    "| solver | works on |",
    "|---|---|",
    ...ofSolvers,
    "",
  ].join("\n");
}

function code(text: string): string {
  const line = text.replaceAll("\n", "⏎").replaceAll("|", "\\|");
  return `\`${line.length > shownCharacters ? `${line.slice(0, shownCharacters)}…` : line}\``;
}
