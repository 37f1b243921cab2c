// Every law catches something: Countdown and a format of it, each broken in one way, and the law that says so.
import { describe, expect, it } from "vitest";
import { checkLaws } from "../../src/check/check.ts";
import { countdown } from "../../src/puzzle/countdown.ts";
import type { AnyPuzzle } from "../../src/puzzle/puzzle.ts";
import type { Trace } from "../../src/solver/events.ts";
import type { AnyFormat, Parsed } from "../../src/trace/format.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";

const puzzle: AnyPuzzle = countdown;
const format: AnyFormat = selfBacktracking;
const fail = () => {
  throw new Error("no");
};

function check(brokenPuzzle: Partial<AnyPuzzle>, brokenFormat: Partial<AnyFormat>) {
  return checkLaws({
    puzzle: { ...puzzle, ...brokenPuzzle },
    formats: [{ ...format, ...brokenFormat }],
    options: { kind: "countdown", numbers: 3, operands: [1, 9], targets: [1, 20] },
    problems: 8,
    seed: 7,
    maxNodes: 150,
  });
}

/** A problem that is another one each time. */
function neverTwice() {
  let calls = 0;
  return () => ({ puzzle: "countdown", numbers: [1, 2, ++calls], target: 6 });
}

/** A parser that changes what the right one makes of a text that it finds errors in. */
const onErrors = (change: (parsed: Parsed<unknown>) => Partial<Parsed<unknown>>): Partial<AnyFormat> => ({
  parse: (problem, text) => {
    const parsed = format.parse(problem, text);
    return parsed.errors.length === 0 ? parsed : { ...parsed, ...change(parsed) };
  },
});
const generates = (trace: Trace<unknown>) => trace.filter(({ kind }) => kind === "generate").length;

const puzzleBreaks: readonly (readonly [law: string, what: string, broken: Partial<AnyPuzzle>])[] = [
  ["readOptions and generate: problems can be drawn", "options that are refused", { readOptions: fail }],
  ["generate: equal streams give equal problems", "a generator with a clock of its own", { generate: neverTwice() }],
  ["writeProblem: the record names its puzzle", "a record of another puzzle", { writeProblem: () => ({ puzzle: "maze" }) }],
  ["readProblem(writeProblem(p)) is p, through JSON", "a reader that makes things up", { readProblem: neverTwice() }],
  ["canonicalKey: a function of the problem", "a key that changes", { canonicalKey: () => String(Math.random()) }],
  [
    "readProblem refuses what is no problem with a UserError",
    "a reader that takes anything",
    { readProblem: (value: unknown) => value },
  ],
  [
    "canSolve: true at the root of a generated problem, or undefined",
    "a truth that denies every way",
    { canSolve: () => false },
  ],
  ["canSolve: never false at a goal", "a truth that denies the goal itself", { canSolve: () => false, isGoal: () => true }],
  ["nothing throws on a drawn problem", "a root that throws", { root: fail }],
  ["nothing throws on a drawn problem", "a problem that cannot be written", { writeProblem: fail }],
  [
    "apply: takes every action that actions() lists",
    "an action that apply refuses",
    { apply: () => ({ ok: false, violation: { kind: "rule", message: "no" } }) },
  ],
  [
    "apply: equal arguments give equal states, and leave them as they were",
    "states that change",
    { apply: () => ({ ok: true, state: [Math.random()] }) },
  ],
  [
    "actions: the same list, in the same order, each time",
    "actions drawn by chance",
    {
      actions: (problem, state) =>
        puzzle.actions(problem, state).map((action) => ({ ...Object(action), drawn: Math.random() })),
    },
  ],
  ["heuristics.sum: a finite number of at least 0", "an estimate below zero", { heuristics: { sum: { estimate: () => -1 } } }],
  ["heuristics.mult: a finite number of at least 0", "no number", { heuristics: { mult: { estimate: () => Number.NaN } } }],
];

const formatBreaks: readonly (readonly [law: string, what: string, broken: Partial<AnyFormat>])[] = [
  ["it can write every trace of a solver, and its prompt", "a writer that throws", { render: fail }],
  ["it can write every trace of a solver, and its prompt", "a prompt that throws", { prompt: fail }],
  [
    "parse(render(t)) = project(t), without errors",
    "a parser that loses the last event",
    {
      parse: (problem, text) => {
        const parsed = format.parse(problem, text);
        return { ...parsed, events: parsed.events.slice(0, -1), eventSpans: parsed.eventSpans.slice(0, -1) };
      },
    },
  ],
  [
    "project is idempotent",
    "a projection that adds a visit each time",
    { project: (problem, trace) => [...format.project(problem, trace), { kind: "visit", node: 0 }] },
  ],
  [
    "render(project(t)) = render(t)",
    "a writer that tells what the projection drops",
    {
      render: (problem, trace) => ({ ...format.render(problem, trace), text: `searched ${generates(trace)}` }),
    },
  ],
  [
    "render(project(t)) = render(t)",
    "places that depend on what the projection drops",
    {
      render: (problem, trace) => {
        const { text, eventSpans } = format.render(problem, trace);
        return { text, eventSpans: eventSpans.map(([from]) => [from, from + (generates(trace) % 2)]) };
      },
    },
  ],
  [
    "spans lie in the text and in order",
    "places in the wrong order",
    {
      render: (problem, trace) => {
        const { text, eventSpans } = format.render(problem, trace);
        return { text, eventSpans: eventSpans.toReversed() };
      },
    },
  ],
  ["readPrompt(prompt(p)) is p", "a prompt that is not read", { readPrompt: () => undefined }],
  [
    "a tokenizer can be derived from the vocabulary, and it covers prompt and response",
    "a vocabulary with a hole",
    { vocabulary: { pieces: ["1"], special: [] } },
  ],
  [
    "a tokenizer can be derived from the vocabulary, and it covers prompt and response",
    "a piece that is there twice",
    { vocabulary: { ...format.vocabulary, pieces: [...format.vocabulary.pieces, "1"] } },
  ],
  [
    "a tokenizer can be derived from the vocabulary, and it covers prompt and response",
    "an empty mark",
    { vocabulary: { ...format.vocabulary, special: [""] } },
  ],
  ["parse never throws", "a parser that throws", { parse: fail }],
  [
    "a text that parses without errors is rendered back to the letter",
    "a parser that forgives",
    onErrors(() => ({ errors: [] })),
  ],
  [
    "of a text that leaves the grammar, the part that was read is rendered back",
    "a parser that invents",
    onErrors(({ events, eventSpans }) => ({
      events: [...events, { kind: "goal", node: generates(events) }],
      eventSpans: [...eventSpans, eventSpans.at(-1) ?? [0, 0]],
    })),
  ],
  [
    "nothing is read behind the place where a text leaves the grammar",
    "a parser that goes on",
    onErrors(({ errors }) => ({ errors: [...errors, ...errors] })),
  ],
  ...(
    [
      ["an error with an empty place", { span: [0, 0], message: "wrong" }],
      ["an error behind the text", { span: [5000, 5001], message: "wrong" }],
      ["an error that says nothing", { span: [0, 1], message: "" }],
    ] as const
  ).map(
    ([what, error]) =>
      [
        "errors and events are located inside the text, and errors say what is wrong",
        what,
        onErrors(() => ({ errors: [error] })),
      ] as const,
  ),
  [
    "no step of a solver is graded as wrong",
    "a projection that loses the goal",
    {
      project: (problem, trace) => format.project(problem, trace).filter(({ kind }) => kind !== "goal"),
      render: (problem, trace) =>
        format.render(
          problem,
          trace.filter(({ kind }) => kind !== "goal"),
        ),
    },
  ],
];

const lawsOfFormat = formatBreaks.map(([law, what, broken]) => [`format ${format.name}: ${law}`, what, broken] as const);

describe("the checker finds", () => {
  it.each([
    ...puzzleBreaks.map(([law, what, broken]) => [what, law, broken, {}] as const),
    ...lawsOfFormat.map(([law, what, broken]) => [what, law, {}, broken] as const),
  ])("%s", (_what, law, brokenPuzzle, brokenFormat) => {
    const found = check(brokenPuzzle, brokenFormat).filter(({ broken }) => broken !== undefined);
    expect(found.map((result) => result.law)).toContain(law);
  });

  it("something by every law, and nothing where nothing is broken", () => {
    const results = check({}, {});
    expect(results.filter(({ broken }) => broken !== undefined)).toEqual([]);
    // Those of the solvers are held by test/solver.
    const laws = results.map(({ law }) => law).filter((law) => !law.startsWith("solver "));
    expect(new Set([...puzzleBreaks, ...lawsOfFormat].map(([law]) => law))).toEqual(new Set(laws));
  });
});
