// backtrail trace: one problem, solved and written in a format.
import { UserError } from "../lib/errors.ts";
import { nearest, quote } from "../lib/text.ts";
import { findPuzzle } from "../puzzle/registry.ts";
import { exhaustive } from "../solver/exhaustive.ts";
import { grade } from "../trace/grader.ts";
import { findFormat } from "../trace/registry.ts";
import type { ExitCode, Io } from "./io.ts";

const solvers = { exhaustive } as const;

export interface TraceFlags {
  readonly problem: string;
  readonly solver: string;
  readonly format: string;
  readonly json: boolean;
}

/** Prints the response text alone, or with --json also prompt, events, spans and verdict. Exit code 2 when the problem has no solution. */
export async function traceCommand(io: Io, puzzleName: string, flags: TraceFlags): Promise<ExitCode> {
  const puzzle = findPuzzle(puzzleName);
  const format = findFormat(flags.format);
  if (!Object.hasOwn(solvers, flags.solver)) {
    const near = nearest(flags.solver, Object.keys(solvers));
    throw new UserError(
      "solver-unknown",
      `--solver: unknown solver ${quote(flags.solver)}; there is: ${Object.keys(solvers).join(", ")}.${near ? ` Did you mean ${near}?` : ""}`,
    );
  }
  const problem = puzzle.readProblem(problemRecord(puzzleName, flags.problem));
  const trace = [...solvers[flags.solver as keyof typeof solvers](puzzle, problem)];
  if (!trace.some((event) => event.kind === "goal")) {
    throw new UserError(
      "no-solution",
      `${flags.problem}: no solution uses all numbers, so there is no trace to print. Try another problem.`,
    );
  }
  const events = format.project(trace);
  const { text, eventSpans } = format.render(problem, events);
  if (!flags.json) {
    io.out(text.endsWith("\n") ? text : `${text}\n`);
    return 0;
  }
  const verdict = grade(format, puzzle, problem, text);
  const record = {
    problem: puzzle.writeProblem(problem),
    format: flags.format,
    solver: flags.solver,
    prompt: format.prompt(problem),
    text,
    events,
    eventSpans,
    verdict,
  };
  io.out(`${JSON.stringify(record, null, 2)}\n`);
  return 0;
}

/** JSON as it is, or the short form "45,39,2,10 -> 62". */
function problemRecord(puzzleName: string, text: string): unknown {
  const short = /^\s*(\d+(?:[\s,]+\d+)*)\s*->\s*(\d+)\s*$/.exec(text);
  if (short !== null) {
    const numbers = (short[1] as string).split(/[\s,]+/).map(Number);
    return { puzzle: puzzleName, numbers, target: Number(short[2]) };
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new UserError(
      "problem",
      `--problem: expected JSON such as {"puzzle":"countdown","numbers":[4,9],"target":36}, or the short form "4,9 -> 36"; found ${quote(text)}.`,
    );
  }
}
