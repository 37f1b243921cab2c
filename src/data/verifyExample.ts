// What is wrong with one training example: it is graded again and held to what its origin promises. No files.
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import type { AnyFormat, Span } from "../trace/format.ts";
import { grade } from "../trace/grader.ts";
import { formatsOf } from "../trace/registry.ts";
import type { TraceError, Verdict } from "../trace/verdict.ts";
import type { Example } from "./example.ts";

/** The one error that a wrong action of each origin shows as; none for a legal step into a dead end. */
const errorOf: Readonly<Record<string, string | undefined>> = {
  exploration: undefined,
  arithmetic: "arithmetic",
  rule: "operand",
};

/** The first thing that is wrong, or undefined. Errors of kinds in `allowed` count for nothing: an import took them knowingly. */
export function exampleError(
  puzzle: AnyPuzzle,
  format: AnyFormat,
  problem: unknown,
  example: Example,
  allowed: ReadonlySet<string> = new Set(),
): string | undefined {
  if (example.prompt !== format.prompt(problem)) return "the prompt is not that of its problem";
  const solution = example.solution === undefined ? undefined : solutionError(puzzle, problem, example.solution);
  if (solution !== undefined) return `its \`solution\`: ${solution}`;
  const graded = grade(format, puzzle, problem, example.response, { useAllNumbers: true });
  const errors = graded.errors.filter(({ kind }) => !allowed.has(kind));
  const verdict = errors.length === graded.errors.length ? graded : { ...graded, errors, solved: example.solved ?? true };
  return verdictError(example, verdict) ?? maskError(example);
}

function verdictError(example: Example, verdict: Verdict): string | undefined {
  if (example.origin === "trace") return traceError(example, verdict);
  if (Object.hasOwn(errorOf, example.origin)) return wrongActionError(example, verdict);
  const first = verdict.errors[0];
  return first === undefined && verdict.solved ? undefined : `not solved: ${first ? told(first) : "no goal is declared"}`;
}

/**
 * The mask that the origin promises: a wrong action and its newline are not trained, all else is, and so is the end of every response
 * that is not cut off. The wrong action is the last line before the mark (Self-Backtracking, the one recipe with a mask).
 */
function maskError({ response, spans, origin, trainEnd }: Example): string | undefined {
  const hidden = Object.hasOwn(errorOf, origin);
  const mark = response.lastIndexOf("\n") + 1;
  const wrong = mark < 2 ? 0 : response.lastIndexOf("\n", mark - 2) + 1;
  const prefix: readonly Span[] = wrong > 0 ? [[0, wrong]] : [];
  const expected: readonly Span[] = hidden ? [...prefix, [mark, response.length]] : [[0, response.length]];
  if (JSON.stringify(spans) !== JSON.stringify(expected)) {
    return `origin ${origin}: spans ${JSON.stringify(spans)}, expected ${JSON.stringify(expected)}`;
  }
  return hidden && !trainEnd ? `origin ${origin}: the end of the text is not trained` : undefined;
}

/** Judged where the puzzle writes solutions as a format of their own. */
function solutionError(puzzle: AnyPuzzle, problem: unknown, solution: string): string | undefined {
  const format = formatsOf(puzzle.name).find(({ name }) => name === "path");
  const error = format && grade(format, puzzle, problem, solution, { useAllNumbers: true }).errors[0];
  return error && told(error);
}

/** A right beginning, one wrong action of the kind that the origin names as the last step, and the backtrack mark. */
function wrongActionError({ origin }: Example, verdict: Verdict): string | undefined {
  const wrong = verdict.errors.filter(({ kind }) => kind !== "goal-missed");
  const expected = errorOf[origin];
  if (verdict.stats.backtracks !== 1) return `origin ${origin}: ${verdict.stats.backtracks} backtrack marks, expected 1`;
  const [first, second] = wrong;
  if (expected === undefined) return first && `origin ${origin}: every step should be right, but ${told(first)}`;
  if (first === undefined) return `origin ${origin}: an error of kind ${expected} is missing`;
  if (second !== undefined) return `origin ${origin}: a second error: ${told(second)}`;
  if (first.kind !== expected) return `origin ${origin}: expected an error of kind ${expected}, found ${told(first)}`;
  const last = verdict.stats.steps - 1;
  return first.step === last ? undefined : `origin ${origin}: the error is at step ${first.step}, expected the last, ${last}`;
}

/** A search holds no error; one without a goal misses it, and one that is cut off may end in the middle of a line. */
function traceError(example: Example, verdict: Verdict): string | undefined {
  const end = example.response.length;
  const isExpected = ({ kind, span }: TraceError) =>
    (kind === "goal-missed" && (!example.solved || !example.trainEnd)) || (!example.trainEnd && span[1] === end);
  const error = verdict.errors.find((found) => !isExpected(found));
  if (error !== undefined) return told(error);
  if (example.trainEnd && example.solved !== verdict.solved)
    return `the record says solved: ${example.solved}, its text is ${verdict.solved ? "" : "not "}solved`;
  return undefined;
}

function told({ kind, step, message }: TraceError): string {
  return `${kind} at step ${step}: ${message}`;
}
