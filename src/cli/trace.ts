// backtrail trace: one problem, solved and written in a format.
import type { z } from "zod";
import { asProblems } from "../config/messages.ts";
import { puzzleSettings } from "../config/schema.ts";
import { defaultSolver } from "../config/solvers.ts";
import { UserError } from "../lib/errors.ts";
import { Rng } from "../lib/rng.ts";
import { quote } from "../lib/text.ts";
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import { findPuzzle } from "../puzzle/registry.ts";
import { findSolver, solve } from "../solver/registry.ts";
import { type SolverSettings, solverSettings } from "../solver/settings.ts";
import { grade } from "../trace/grader.ts";
import { findFormat, formatsOf } from "../trace/registry.ts";
import { type ExitCode, type Io, readJsonFlag } from "./io.ts";

export interface TraceFlags {
  readonly problem?: string;
  readonly solver?: string;
  readonly format?: string;
  readonly options: string;
  readonly seed: string;
  readonly json: boolean;
}

/** Prints the response text alone, or with --json also prompt, events, spans and verdict. Says on stderr when no goal was reached. */
export async function traceCommand(io: Io, puzzleName: string, flags: TraceFlags): Promise<ExitCode> {
  const puzzle = findPuzzle(puzzleName);
  const name = flags.format ?? formatsOf(puzzleName)[0]?.name;
  if (name === undefined) throw new UserError("format-unknown", `puzzle ${puzzleName} has no formats to write a trace in.`);
  const format = findFormat(puzzleName, name);
  const solver = flags.solver === undefined ? defaultSolver(name) : readSolver(flags.solver, puzzle);
  const problem = problemOf(puzzle, flags);
  const trace = [...solve(puzzle, problem, solver, Rng.for(flags.seed, "trace", "solver"))];
  if (!trace.some((event) => event.kind === "goal")) {
    io.err(`${solver.kind} found no goal: the trace ends without one. Another --solver or a larger maxNodes may find it.\n`);
  }
  const events = format.project(problem, trace);
  const { text, eventSpans } = format.render(problem, events);
  if (!flags.json) {
    io.out(text.endsWith("\n") ? text : `${text}\n`);
    return 0;
  }
  const record = {
    problem: puzzle.writeProblem(problem),
    format: name,
    solver,
    prompt: format.prompt(problem),
    text,
    events,
    eventSpans,
    verdict: grade(format, puzzle, problem, text),
  };
  io.out(`${JSON.stringify(record, null, 2)}\n`);
  return 0;
}

/** A name, or JSON with settings. */
function readSolver(text: string, puzzle: AnyPuzzle): SolverSettings {
  const [heuristic] = Object.keys(puzzle.heuristics);
  const given = text.trimStart().startsWith("{") ? readJsonFlag("--solver", text) : { kind: findSolver(text).name };
  const settings = readSettings("--solver", solverSettings, given);
  // A heuristic that was not asked for is the puzzle's own first one.
  const isDefault = "heuristic" in settings && !("heuristic" in given);
  return isDefault && heuristic !== undefined && puzzle.heuristics[settings.heuristic ?? ""] === undefined
    ? ({ ...settings, heuristic } as SolverSettings)
    : settings;
}

/** A flag's value as the schema reads it. Throws UserError("usage") that names each wrong key, as for a config. */
function readSettings<T>(flag: string, schema: z.ZodType<T>, given: object): T {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const told = asProblems(parsed.error, given, schema).map(({ path, message }) => `${[flag, ...path].join(".")}: ${message}`);
  throw new UserError("usage", told.join("\n"));
}

/** The problem that is given, as JSON or in the puzzle's short form ("45,39,2,10 -> 62"), or a drawn one. */
function problemOf(puzzle: AnyPuzzle, { problem: text, options, seed }: TraceFlags): unknown {
  if (text === undefined) {
    const given = { ...readJsonFlag("--options", options), kind: puzzle.name };
    const settings = readSettings("--options", puzzleSettings, given);
    return puzzle.generate(Rng.for(seed, "trace", "problem"), settings);
  }
  const short = puzzle.readText?.(text);
  if (short !== undefined) return short;
  let record: unknown;
  try {
    record = JSON.parse(text) as unknown;
  } catch {
    throw new UserError(
      "problem",
      `--problem: expected JSON such as {"puzzle":"countdown","numbers":[4,9],"target":36}, or a short form such as "4,9 -> 36"; found ${quote(text)}.`,
    );
  }
  return puzzle.readProblem(record);
}
