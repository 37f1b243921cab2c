// backtrail grade: JSON lines in, one verdict a line out, in order. A bad line gets an error object; the rest goes on.
import { exitCode, UserError } from "../lib/errors.ts";
import { readProblem } from "../puzzle/registry.ts";
import { grade } from "../trace/grader.ts";
import { findFormat } from "../trace/registry.ts";
import { type ExitCode, type Io, stdinLines } from "./io.ts";

export interface GradeFlags {
  readonly format: string;
  readonly useAllNumbers: boolean;
}

/** Exit code 2 when any line could not be graded. */
export async function gradeCommand(io: Io, flags: GradeFlags): Promise<ExitCode> {
  findFormat(flags.format); // an unknown --format is one error, not one per line
  let failed = false;
  for await (const line of stdinLines(io)) {
    if (line.trim() === "") continue;
    const answer = gradeLine(line, flags);
    failed ||= "error" in answer;
    io.out(`${JSON.stringify(answer)}\n`);
  }
  return failed ? exitCode.usage : exitCode.done;
}

/** One answer for one line, whatever its bytes. */
export function gradeLine(line: string, flags: GradeFlags): object {
  let id: unknown;
  try {
    const record = parseLine(line);
    id = record.id;
    const format = findFormat(record.format === undefined ? flags.format : String(record.format));
    if (typeof record.text !== "string") {
      throw new UserError(
        "line",
        `text: expected a string (the response, or prompt and response), found ${JSON.stringify(record.text) ?? "nothing"}`,
      );
    }
    const { puzzle, problem } = readProblem(record.problem);
    const prompt = format.prompt(problem);
    const response = record.text.startsWith(prompt) ? record.text.slice(prompt.length) : record.text;
    const offset = record.text.length - response.length;
    const verdict = grade(format, puzzle, problem, response, { useAllNumbers: flags.useAllNumbers });
    const errors = verdict.errors.map((error) => ({ ...error, span: [error.span[0] + offset, error.span[1] + offset] }));
    return { ...(id === undefined ? {} : { id }), ...verdict, errors };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ...(id === undefined ? {} : { id }), error: { code: error.code, message: error.message } };
  }
}

function parseLine(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new UserError("json", `not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UserError(
      "line",
      `expected an object {problem, format, text}, found ${Array.isArray(value) ? "a list" : typeof value}`,
    );
  }
  return value as Record<string, unknown>;
}
