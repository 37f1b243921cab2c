import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { sudoku } from "../../src/puzzle/sudoku.ts";
import type { SudokuAction, SudokuProblem } from "../../src/puzzle/sudokuRules.ts";
import type { SearchEvent } from "../../src/solver/events.ts";
import { sudokuSettings } from "../../src/solver/settings.ts";
import { sudokuSolver } from "../../src/solver/sudoku.ts";
import { sudokuTrace } from "../../src/trace/formats/sudoku.ts";
import { sudokuPath } from "../../src/trace/formats/sudokuPath.ts";
import { grade } from "../../src/trace/grader.ts";
import { expectTextLaws, expectTiles } from "../check/expectLaws.ts";

type Event = SearchEvent<SudokuAction>;
const rng = Rng.for(1, "unused");
const formats = [sudokuTrace, sudokuPath];
const small = sudoku.readProblem({ puzzle: "sudoku", grid: "......13..3..2.." });

const goldenPrompt = "sudoku 4\n(1, 2) = 1\n(1, 3) = 3\n(2, 2) = 3\n(3, 1) = 2\nsolving\n";
/** By hand: (1, 1) sees 1, 3 and 2, so it is 4; then (1, 0) is 2, (2, 1) sees 3, 4, 2, and so on. */
const golden = [
  "(1, 1) = 4",
  "(1, 0) = 2",
  "(2, 1) = 1",
  "(0, 1) = 3",
  "(0, 0) = 1",
  "(2, 0) = 4",
  "(2, 3) = 2",
  "(0, 3) = 4",
  "(0, 2) = 2",
  "(3, 0) = 3",
  "(3, 2) = 4",
  "(3, 3) = 1",
  "solved",
].join("\n");

/** A text with every kind of line. (0, 0) may be 1, 3 or 4; 3 goes wrong: (0, 1) = 1 then leaves (2, 1) nothing. */
const searched = [
  "guess: (0, 0) [1, 3] = 3",
  "(0, 1) = 1",
  "(1, 1) = 4",
  "nocand",
  "revert: (0, 0) = 3",
  "guess: (0, 0) [1, 3] = 1",
  "(1, 1) = 4",
].join("\n");
const fill = (node: number, parent: number, cell: number, value: number, candidates?: number[]): Event[] => [
  { kind: "generate", node, parent, action: candidates ? { cell, value, candidates } : { cell, value } },
  { kind: "visit", node },
];
const searchedEvents: Event[] = [
  ...fill(1, 0, 0, 3, [1, 3]),
  ...fill(2, 1, 1, 1),
  ...fill(3, 2, 5, 4),
  { kind: "deadEnd", node: 3, reason: "nocand" },
  { kind: "backtrack", from: 3, to: 0 },
  ...fill(4, 0, 0, 1, [1, 3]),
  ...fill(5, 4, 5, 4),
];

describe("golden texts", () => {
  it("writes the prompt and reads it back", () => {
    for (const format of formats) {
      expect(format.prompt(small)).toBe(goldenPrompt);
      expect(format.readPrompt(`${goldenPrompt}(1, 1) = 4\n`)).toEqual({ problem: small, length: goldenPrompt.length });
    }
  });

  it("writes a solution without a guess alike in both formats", () => {
    const events = [...sudokuSolver.solve(sudoku, small, sudokuSettings.parse({ kind: "sudoku" }), rng)];
    expect(sudokuTrace.render(small, events).text).toBe(golden);
    expect(sudokuPath.render(small, events).text).toBe(golden);
  });

  it("writes guesses, contradictions and reverts; the direct form has none of them", () => {
    const { text, eventSpans } = sudokuTrace.render(small, searchedEvents);
    expect(text).toBe(`${searched}\n`);
    expect(sudokuTrace.parse(small, text)).toEqual({ events: searchedEvents, eventSpans, errors: [] });
    expect(eventSpans.slice(0, 2)).toEqual([
      [0, 24],
      [24, 25],
    ]);
    expect(eventSpans.slice(6, 8).map(([from, to]) => text.slice(from, to))).toEqual(["nocand\n", "revert: (0, 0) = 3\n"]);
    expect(sudokuPath.render(small, searchedEvents).text).toBe("(0, 0) = 1\n(1, 1) = 4\n");
    expect(sudokuPath.project(small, searchedEvents)).toEqual([...fill(1, 0, 0, 1), ...fill(2, 1, 5, 4)]);
  });

  it("tells a jump to another branch as the way back and the digits filled in again", () => {
    const jumping: Event[] = [
      { kind: "expand", node: 0 },
      { kind: "generate", node: 1, parent: 0, action: { cell: 0, value: 1 } },
      { kind: "generate", node: 2, parent: 0, action: { cell: 0, value: 3 } },
      { kind: "expand", node: 1 },
      { kind: "generate", node: 3, parent: 1, action: { cell: 5, value: 4 } },
      { kind: "visit", node: 2 },
      { kind: "deadEnd", node: 1 },
      { kind: "deadEnd", node: 2, reason: "invalid" },
      { kind: "visit", node: 3 },
      { kind: "goal", node: 3 },
      { kind: "traceback", path: [] },
    ];
    expect(sudokuTrace.render(small, jumping).text).toBe(
      "(0, 0) = 1\nrevert: (0, 0) = 1\n(0, 0) = 3\ninvalid\nrevert: (0, 0) = 3\n(0, 0) = 1\n(1, 1) = 4\nsolved",
    );
  });

  it("refuses a trace whose nodes come from nowhere", () => {
    for (const format of formats) {
      expect(() => format.render(small, [{ kind: "goal", node: 3 }])).toThrowError(/node 3 was never generated/);
    }
  });
});

describe.each(formats.map((format) => [format.name, format] as const))("texts of %s", (_name, format) => {
  it("keep the laws, and an error stands where the part that was read ends, for lines in any order and any string", () => {
    const piece = fc.constantFrom(
      ...format.vocabulary.pieces.slice(-12),
      "(0, 0) = 1\n",
      "(0, 0) = 3\n",
      "(1, 1) = 4\n",
      "guess: (0, 0) [1, 3] = 3\n",
      "nocand\n",
      "invalid\n",
      "revert: (0, 0) = 3\n",
      "revert: (1, 1) = 4\n",
      "(4, 0) = 1\n",
      "x",
    );
    const lines = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(fc.oneof({ weight: 4, arbitrary: lines }, fc.string({ unit: "binary" })), (text) => {
        expectTextLaws(format, small, text);
        const { events, errors } = format.parse(small, text);
        const [error] = errors;
        if (error && errors.every(({ kind }) => kind === undefined))
          expect(error.span[0]).toBe(format.render(small, events).text.length);
      }),
      { numRuns: 1000 },
    );
  });

  it("are nothing but their events", () => expectTiles(format, small, searchedEvents));

  it("have 102 pieces: 81 cells, 9 digits, 12 words; with three control tokens 105, the paper has 109", () => {
    expect(format.vocabulary.pieces).toHaveLength(102);
  });
});

describe("texts that leave the grammar", () => {
  it.each([
    ["a cell outside the grid", "(1, 1) = 4\n(4, 0) = 1\n", 2, [11, 22], /found "\(4, 0\) = 1"/],
    ["no blank", "(1,1) = 4\n", 0, [0, 10], /expected a line such as/],
    ["a zero", "(1, 1) = 0\n", 0, [0, 11], /expected/],
    ["a line cut off", "(1, 1) = 4\n(1, 0", 2, [11, 16], /cut off in "\(1, 0"/],
    ["a guess cut off in its list", "guess: (0, 0) [1, 3", 0, [0, 19], /cut off/],
    ["a guess without a list", "guess: (0, 0) = 3\n", 0, [0, 18], /expected/],
    ["a guess with an empty list", "guess: (0, 0) [] = 3\n", 0, [0, 21], /expected/],
    ["a word cut off", "nocan", 0, [0, 5], /cut off/],
    ["text after the end", "(1, 1) = 4\nsolved\n", 3, [17, 18], /nothing may follow "solved"/],
    ["a carriage return", "(1, 1) = 4\r\n", 0, [0, 12], /expected/],
  ])("%s", (_name, text, events, span, message) => {
    const parsed = sudokuTrace.parse(small, text);
    expect(parsed.events).toHaveLength(events);
    expect(parsed.errors).toEqual([{ span, message: expect.stringMatching(message) }]);
  });

  it("a digit taken back that was never filled in is a jump, and reading goes on", () => {
    const text = "(1, 1) = 4\nrevert: (1, 0) = 2\n(1, 0) = 2\n";
    const { events, errors } = sudokuTrace.parse(small, text);
    expect(errors).toEqual([{ kind: "jump", span: [11, 30], message: expect.stringMatching(/^\(1, 0\) = 2 is taken back/) }]);
    expect(events).toEqual([...fill(1, 0, 5, 4), ...fill(2, 1, 4, 2)]);
  });

  it("what was taken back with an earlier digit cannot be taken back again", () => {
    const text = "(1, 1) = 4\n(1, 0) = 2\nrevert: (1, 1) = 4\nrevert: (1, 0) = 2\n";
    const { events, errors } = sudokuTrace.parse(small, text);
    expect(errors).toMatchObject([{ kind: "jump", span: [41, 60] }]);
    expect(events.at(-1)).toEqual({ kind: "backtrack", from: 2, to: 0 });
  });

  it.each([
    "",
    "sudoku 9\n",
    goldenPrompt.replace("sudoku 4", "sudoku 5"),
    goldenPrompt.replace("sudoku 4", "sudoku 9"),
    goldenPrompt.replace("(1, 2) = 1\n(1, 3) = 3\n", "(1, 3) = 3\n(1, 2) = 1\n"),
    goldenPrompt.replace("(1, 2) = 1\n", "(1, 2) = 3\n"),
    goldenPrompt.replace("(1, 2)", "(1, 4)"),
    goldenPrompt.replace("solving\n", ""),
  ])("%j is no prompt", (text) => {
    expect(sudokuTrace.readPrompt(text)).toBeUndefined();
  });
});

describe("grading", () => {
  const verdict = (text: string, problem: SudokuProblem = small) => {
    const { solved, errors } = grade(sudokuTrace, sudoku, problem, text);
    return { solved, kinds: errors.map(({ kind, step }) => `${kind} at ${step}`) };
  };

  it.each([
    ["a digit that clashes", golden.replace("(1, 0) = 2", "(1, 0) = 3"), "rule at 1"],
    ["a clue written over", `(1, 2) = 4\n${golden}`, "rule at 0"],
    ["a cell left out", golden.replace("(3, 3) = 1\n", ""), "false-goal at 11"],
    ["a text without an end", golden.replace("\nsolved", "\n"), "goal-missed at 12"],
    ["a candidate too many", `guess: (1, 1) [1, 4] = 4\n${golden.slice(11)}`, "candidates at 0"],
    ["the right candidate left out", `guess: (0, 0) [3, 4] = 3\nrevert: (0, 0) = 3\n${golden}`, "candidates at 0"],
    ["a dead end where there is none", `nocand\n${golden}`, "dead-end-invented at 0"],
    ["a revert of what was never filled in", `revert: (0, 0) = 3\n${golden}`, "jump at 0"],
  ])("names %s", (_name, text, kind) => {
    expect(verdict(golden)).toEqual({ solved: true, kinds: [] });
    const { solved, kinds } = verdict(text);
    expect(solved).toBe(false);
    expect(kinds[0]).toBe(kind);
  });
});
