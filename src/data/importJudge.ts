// A published record, graded anew: an example of ours, a problem alone, or the reason why it is neither. No files.
import type { CountdownProblem } from "../puzzle/countdown.ts";
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import { findPuzzle } from "../puzzle/registry.ts";
import type { Trace } from "../solver/events.ts";
import { compatScorers } from "../trace/compat/compatScorers.ts";
import type { AnyFormat, Span } from "../trace/format.ts";
import { grade } from "../trace/grader.ts";
import { findFormat } from "../trace/registry.ts";
import type { ErrorKind, TraceError, Verdict } from "../trace/verdict.ts";
import type { Example, TestProblem } from "./example.ts";
import type { Published } from "./importPublished.ts";

/** What became of a record that holds a problem we can read. */
export interface Judged {
  readonly problem: Omit<TestProblem, "id" | "split">;
  /** Absent: the record is a problem alone. */
  readonly text?: JudgedText;
}

export interface JudgedText {
  readonly example: Omit<Example, "id">;
  readonly verdict: Verdict;
  /** The errors that an example of its kind may not have, in the order of the text. */
  readonly wrong: readonly TraceError[];
  /** What the published checkers of this kind of text say. */
  readonly compat: readonly { readonly scorer: string; readonly accepted: boolean; readonly reason: string }[];
}

/** Which published checker is for which format. */
const scorerOf: Readonly<Record<string, keyof typeof compatScorers>> = { "self-backtracking": "sb", sos: "sos", think: "sos" };

/** Judges the records of one puzzle and format. */
export class Judge {
  readonly #puzzle: AnyPuzzle;
  readonly #format: AnyFormat;

  /** Throws UserError("puzzle-unknown") or ("format-unknown"). */
  constructor(puzzle: string, format: string) {
    this.#puzzle = findPuzzle(puzzle);
    this.#format = findFormat(puzzle, format);
  }

  /** Throws UserError("problem") when the record's problem breaks the puzzle's rules. */
  judge(published: Published): Judged {
    const problem = this.#puzzle.readProblem(published.problem);
    const asked = {
      problem: this.#puzzle.writeProblem(problem),
      prompt: this.#format.prompt(problem),
      ...(published.difficulty === undefined ? {} : { difficulty: published.difficulty }),
    };
    const response = this.#response(problem, published);
    return response === undefined
      ? { problem: asked }
      : { problem: asked, text: this.#text(problem, asked, response, published) };
  }

  #response(problem: unknown, { response, trace }: Published): string | undefined {
    if (trace !== undefined) return this.#format.render(problem, trace).text;
    return response === undefined ? undefined : withoutPrompt(this.#format, problem, response);
  }

  /** The published solution if it is right; some hold pools from which numbers are missing. */
  #solution(problem: unknown, text: string | undefined): string | undefined {
    if (text === undefined) return undefined;
    const format = findFormat(this.#puzzle.name, "path");
    const solution = withoutPrompt(format, problem, text);
    return grade(format, this.#puzzle, problem, solution, { useAllNumbers: true }).solved ? solution : undefined;
  }

  #text(problem: unknown, asked: Judged["problem"], response: string, published: Published): JudgedText {
    const { name } = this.#format;
    // As `data verify` grades: training answers use every number.
    const verdict = grade(this.#format, this.#puzzle, problem, response, { useAllNumbers: true });
    const kind =
      name === "self-backtracking"
        ? selfBacktrackingKind(this.#format, problem, response, verdict)
        : traceKind(response, verdict);
    const solution = kind.origin === "trace" ? this.#solution(problem, published.solution) : undefined;
    const scorer = scorerOf[name];
    return {
      example: {
        ...asked,
        response,
        spans: kind.spans,
        trainEnd: true,
        format: name,
        solver: published.solver,
        origin: kind.origin,
        ...(kind.origin === "trace" ? { solved: verdict.solved, nodes: verdict.stats.steps } : {}),
        ...(solution === undefined ? {} : { solution }),
      },
      verdict,
      wrong: kind.wrong,
      compat: scorer === undefined ? [] : [{ scorer, ...compatScorers[scorer].score(problem as CountdownProblem, response) }],
    };
  }
}

/**
 * The response alone. Published trainers cut blanks at both ends off, prompt included; a line end that the format writes behind the
 * prompt may be gone with them.
 */
function withoutPrompt(format: AnyFormat, problem: unknown, text: string): string {
  const trimmed = text.trim();
  for (const prompt of [format.prompt(problem), format.prompt(problem).trimEnd()]) {
    if (trimmed.startsWith(prompt)) return trimmed.slice(prompt.length).trimStart();
  }
  return trimmed;
}

interface Kind extends Pick<Example, "origin" | "spans"> {
  readonly wrong: readonly TraceError[];
}

/** A search may end without a goal: that is no error of its text. Everything is trained on. */
function traceKind(response: string, verdict: Verdict): Kind {
  const wrong = verdict.errors.filter(({ kind }) => kind !== "goal-missed");
  return { origin: "trace", spans: response === "" ? [] : [[0, response.length]], wrong };
}

/**
 * A direct example is right when it is solved. One that ends in the mark must be right but for its last step, and its origin is
 * what is wrong there (nothing: a legal step into a dead end). Trained, as in the published trainer: all but that step's line.
 */
function selfBacktrackingKind(format: AnyFormat, problem: unknown, response: string, verdict: Verdict): Kind {
  const { events, eventSpans } = format.parse(problem, response);
  const all: Span[] = [[0, response.length]];
  if (events.at(-1)?.kind !== "backtrack") {
    return { origin: "optimal", spans: all, wrong: verdict.errors };
  }
  const line = eventSpans[lastStep(events)]?.[0] ?? 0;
  const mark = eventSpans.at(-1) as Span;
  const spans: Span[] = line > 0 ? [[0, line], mark] : [mark];
  const last = verdict.errors.find(({ step }) => step === verdict.stats.steps - 1)?.kind;
  const origin = last === undefined ? "exploration" : originOf[last];
  const wrong = verdict.errors.filter(
    ({ kind, step }) => kind !== "goal-missed" && !(origin && step === verdict.stats.steps - 1),
  );
  return { origin: origin ?? "unknown", spans, wrong };
}

/** The wrong actions of the paper by the error that they show as. */
const originOf: Partial<Record<ErrorKind, string>> = { arithmetic: "arithmetic", operand: "rule" };

function lastStep(events: Trace<unknown>): number {
  return events.findLastIndex(({ kind }) => kind === "generate");
}
