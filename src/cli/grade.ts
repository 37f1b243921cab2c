// backtrail grade: JSON lines in, one verdict a line out, in order. A bad line gets an error object; the rest goes on.
import { exitCode, UserError } from "../lib/errors.ts";
import { nearest, quote } from "../lib/text.ts";
import type { CountdownProblem } from "../puzzle/countdown.ts";
import { readProblem } from "../puzzle/registry.ts";
import { compatScorers } from "../trace/compat/compatScorers.ts";
import type { AnyFormat } from "../trace/format.ts";
import { grade } from "../trace/grader.ts";
import { compareTraces, type TraceOverlap } from "../trace/graderCompare.ts";
import { findFormat, formatsOf } from "../trace/registry.ts";
import type { Verdict } from "../trace/verdict.ts";
import { type Line, lineBatches, longestLine } from "./gradeLines.ts";
import { type CompatVerdicts, GradeSummary } from "./gradeSummary.ts";
import type { ExitCode, Io } from "./io.ts";

export interface GradeFlags {
  /** Format of lines that name none; default: the puzzle's first. */
  readonly format?: string;
  readonly useAllNumbers: boolean;
  /** Names of compat scorers, separated by commas. */
  readonly compat?: string;
  /** Whether to count tokens and to judge dead ends against the ground truth. */
  readonly stats?: boolean;
  /** Whether the summary on stderr is one JSON line. */
  readonly json?: boolean;
}

/** What grading asks of the terminal. */
export type GradeIo = Pick<Io, "out" | "err" | "drained"> & { readonly stdin: AsyncIterable<Uint8Array | string> };

type ScorerName = keyof typeof compatScorers;

/** What a line is answered with. */
type Answer =
  | { readonly verdict: Verdict; readonly compat: CompatVerdicts; readonly overlap?: TraceOverlap; readonly id?: Id }
  | { readonly error: UserError; readonly id?: Id };
type Id = string | number | boolean | null;

/** Answers are written together up to about this many characters. */
const batchLength = 2 ** 20;

/**
 * Reads `{id?, problem, format?, text, reference?}` a line; answers `{id?, ...verdict, compat?, overlap?}` or `{id?, error}`.
 * `reference` is another trace of the problem in the same format, a solver's say; `overlap` is what the text shares with it.
 * Blank lines are skipped. The summary goes to stderr at the end. Exit code 2 when any line could not be graded.
 */
export async function gradeCommand(io: GradeIo, flags: GradeFlags): Promise<ExitCode> {
  const scorers = scorerNames(flags.compat);
  const summary = new GradeSummary();
  let text = "";
  const flush = async () => {
    if (text !== "") io.out(text);
    text = "";
    await io.drained();
  };
  for await (const lines of lineBatches(io.stdin)) {
    for (const line of lines) {
      if (typeof line === "string" && line.trim() === "") continue;
      const answer = answerLine(line, flags, scorers);
      if ("verdict" in answer) summary.add(answer.verdict, answer.compat);
      else summary.failed++;
      text += `${write(answer)}\n`;
      if (text.length >= batchLength) await flush();
    }
    await flush();
  }
  io.err(flags.json ? `${JSON.stringify(summary)}\n` : summary.toText());
  return summary.failed > 0 ? exitCode.usage : exitCode.done;
}

/** One answer for one line, whatever its bytes. */
function answerLine(line: Line, flags: GradeFlags, scorers: readonly ScorerName[]): Answer {
  let id: Id | undefined;
  try {
    const record = parseLine(line);
    id = readId(record.id);
    return { ...gradeRecord(record, flags, scorers), ...(id === undefined ? {} : { id }) };
  } catch (caught) {
    const error = asUserError(caught);
    return { error, ...(id === undefined ? {} : { id }) };
  }
}

function gradeRecord(record: Record<string, unknown>, flags: GradeFlags, scorers: readonly ScorerName[]) {
  const text = readText(record, "text") ?? wrongText("text", undefined);
  const { puzzle, problem } = readProblem(record.problem);
  const format = formatOf(puzzle.name, readText(record, "format") ?? flags.format);
  const verdict = grade(format, puzzle, problem, text, {
    useAllNumbers: flags.useAllNumbers,
    ...(flags.stats ? { deadEnds: true, tokens: true } : {}),
  });
  const prompt = format.prompt(problem);
  const responseOf = (whole: string) => (whole.startsWith(prompt) ? whole.slice(prompt.length) : whole);
  const compat = scorers
    .filter((name) => compatScorers[name].puzzle === puzzle.name)
    .map((name) => [name, compatScorers[name].score(problem as CountdownProblem, responseOf(text))] as const);
  const reference = readText(record, "reference");
  const eventsOf = (whole: string) => format.parse(problem, responseOf(whole)).events;
  const overlap = reference === undefined ? undefined : compareTraces(puzzle, problem, eventsOf(text), eventsOf(reference));
  return { verdict, compat: Object.fromEntries(compat), ...(overlap ? { overlap } : {}) };
}

function formatOf(puzzle: string, name: string | undefined): AnyFormat {
  const format = name === undefined ? formatsOf(puzzle)[0] : findFormat(puzzle, name);
  if (format) return format;
  throw new UserError("format-unknown", `puzzle ${puzzle} has no format. Load a module with one: --module <path>.`);
}

function write(answer: Answer): string {
  const id = answer.id === undefined ? {} : { id: answer.id };
  if ("error" in answer) {
    return JSON.stringify({ ...id, error: { code: answer.error.code, message: answer.error.message } });
  }
  const compat = Object.entries(answer.compat).map(([name, { accepted }]) => [name, accepted] as const);
  return JSON.stringify({
    ...id,
    ...answer.verdict,
    ...(compat.length === 0 ? {} : { compat: Object.fromEntries(compat) }),
    ...(answer.overlap ? { overlap: answer.overlap } : {}),
  });
}

function scorerNames(list: string | undefined): ScorerName[] {
  const known = Object.keys(compatScorers);
  return (list ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
    .map((name) => {
      if (Object.hasOwn(compatScorers, name)) return name as ScorerName;
      const near = nearest(name, known);
      throw new UserError(
        "compat-unknown",
        `--compat: unknown scorer ${quote(name)}; there is: ${known.join(", ")}.${near ? ` Did you mean ${near}?` : ""}`,
      );
    });
}

function parseLine(line: Line): Record<string, unknown> {
  if (typeof line !== "string") {
    throw new UserError("line", `a line of ${line.tooLong} bytes: expected at most ${longestLine}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw new UserError("json", `not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UserError(
      "line",
      `expected an object {problem, format, text}, found ${value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`}`,
    );
  }
  return value as Record<string, unknown>;
}

/**
 * Lists and objects are no ids: an id is to be found again in a file, and its answer must cost no more than the line. Nor are
 * numbers that JSON may have read as another one: only integers up to 2^53 - 1 are sure to come back as they were.
 */
function readId(id: unknown): Id | undefined {
  if (typeof id === "number" && (!Number.isSafeInteger(id) || Object.is(id, -0))) {
    throw new UserError("line", `id: expected a text or an integer within +-${Number.MAX_SAFE_INTEGER}, found another number`);
  }
  if (id === undefined || id === null || ["string", "number", "boolean"].includes(typeof id)) return id as Id | undefined;
  throw new UserError("line", `id: expected a text or a number, found ${Array.isArray(id) ? "a list" : "an object"}`);
}

function readText(record: Record<string, unknown>, key: string): string | undefined {
  const value = record[key];
  return value === undefined || typeof value === "string" ? value : wrongText(key, value);
}

function wrongText(key: string, value: unknown): never {
  const expected = key === "format" ? "the name of a format" : "a string (the response, or prompt and response)";
  throw new UserError("line", `${key}: expected ${expected}, found ${quote(JSON.stringify(value) ?? "nothing", 120)}`);
}

/** Lists in lists by the ten thousand overflow the stack of whoever walks them: the line's fault, not ours. */
function asUserError(error: unknown): UserError {
  if (error instanceof UserError) return error;
  if (error instanceof RangeError) return new UserError("line", "nested too deeply to be read");
  throw error;
}
