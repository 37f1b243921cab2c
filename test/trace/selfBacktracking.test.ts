import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CountdownAction, type CountdownProblem, countdown } from "../../src/puzzle/countdown.ts";
import type { SearchEvent } from "../../src/solver/events.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { findFormat } from "../../src/trace/registry.ts";
import { exhaustively } from "../solver/searches.ts";
import { itHoldsTheLaws } from "./countdownLaws.ts";

type Event = SearchEvent<CountdownAction>;
const paper: CountdownProblem = { puzzle: "countdown", numbers: [45, 39, 2, 10], target: 62 };
const line = (node: number, left: number, op: CountdownAction["op"], right: number, result: number): Event[] => [
  { kind: "generate", node, parent: node - 1, action: { left, op, right, result } },
  { kind: "visit", node },
];

const good = {
  text: "45-39=6\n10*6=60\n2+60=62\nGoal Reached!",
  events: [
    ...line(1, 45, "-", 39, 6),
    ...line(2, 10, "*", 6, 60),
    ...line(3, 2, "+", 60, 62),
    { kind: "goal", node: 3 },
  ] as Event[],
  spans: [
    [0, 7],
    [7, 8],
    [8, 15],
    [15, 16],
    [16, 23],
    [23, 24],
    [24, 37],
  ],
};
const bad = {
  text: "45-39=6\n39+6=45\n<backtrack>",
  events: [...line(1, 45, "-", 39, 6), ...line(2, 39, "+", 6, 45), { kind: "backtrack", from: 2, to: 1 }] as Event[],
  spans: [
    [0, 7],
    [7, 8],
    [8, 15],
    [15, 16],
    [16, 27],
  ],
};

describe("the paper's worked case", () => {
  it("has the published prompt", () => {
    const prompt = "###Question: numbers [45, 39, 2, 10]->target 62\n###Response:\n";
    expect(selfBacktracking.prompt(paper)).toBe(prompt);
    expect(selfBacktracking.readPrompt(`${prompt}45-39=6\n`)).toEqual({ problem: paper, length: prompt.length });
  });

  it.each([
    ["good", good],
    ["bad", bad],
  ])("parses the %s response to events and renders it back to the letter", (_name, { text, events, spans }) => {
    expect(selfBacktracking.parse(paper, text)).toEqual({ events, eventSpans: spans, errors: [] });
    expect(selfBacktracking.render(paper, events)).toEqual({ text, eventSpans: spans });
  });
});

describe("laws", () => {
  const broken = ["<backtrack>", "1+2=3\n", "-4*0=0\n", "x", "<", "Goal"];
  itHoldsTheLaws(selfBacktracking, { ...paper, numbers: [5, 3, 5, 2] }, broken);

  it("an error stands where the part that was read ends", () => {
    const piece = fc.constantFrom(...selfBacktracking.vocabulary.pieces, ...broken);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const { events, errors } = selfBacktracking.parse(paper, pieces.join(""));
        const [error] = errors;
        if (error) expect(error.span[0]).toBe(selfBacktracking.render(paper, events).text.length);
      }),
      { numRuns: 500 },
    );
  });
});

describe("project", () => {
  it("keeps the path to the goal of a search and drops its other branches", () => {
    const problem: CountdownProblem = { puzzle: "countdown", numbers: [6, 3, 2], target: 4 };
    const search = exhaustively(countdown, problem);
    expect(search.some((event) => event.kind === "backtrack")).toBe(true);
    expect(selfBacktracking.render(problem, search).text).toBe("6/3=2\n2+2=4\nGoal Reached!");
  });

  it("without a goal keeps the path to the first backtrack, and its parent as the place returned to", () => {
    const events: Event[] = [
      ...line(1, 1, "+", 2, 3),
      ...line(2, 3, "+", 4, 7),
      { kind: "deadEnd", node: 2 },
      { kind: "backtrack", from: 2, to: 0 },
    ];
    expect(selfBacktracking.project(paper, events).at(-1)).toEqual({ kind: "backtrack", from: 2, to: 1 });
  });

  it("refuses a trace whose nodes come from nowhere", () => {
    expect(() => selfBacktracking.project(paper, [{ kind: "goal", node: 3 }])).toThrowError(/node 3 was never generated/);
  });
});

describe("texts that leave the grammar", () => {
  const errorOf = (text: string) => {
    const parsed = selfBacktracking.parse(paper, text);
    expect(parsed.errors).toHaveLength(1);
    return { events: parsed.events.length, ...(parsed.errors[0] as { span: readonly [number, number]; message: string }) };
  };

  it.each([
    ["a blank in an equation", "45-39=6\n10 * 6=60\nGoal Reached!", 2, [8, 18], /expected an equation/],
    ["a leading zero", "45-39=06\n", 0, [0, 9], /leading zeros/],
    ["minus zero", "45*0=-0\n", 0, [0, 8], /leading zeros/],
    ["a fraction", "7/2=3.5\n", 0, [0, 8], /expected an equation/],
    ["an integer beyond 2^53 - 1", "9*9=9007199254740993\n", 0, [0, 21], /2\^53 - 1/],
    ["an empty line", "45-39=6\n\nGoal Reached!", 2, [8, 9], /expected an equation/],
    ["a carriage return", "45-39=6\r\n", 0, [0, 9], /expected an equation/],
    ["two equations in a line", "45-39=6=6\n", 0, [0, 10], /expected an equation/],
    ["a line cut off", "45-39=6\n10*6=6", 2, [8, 14], /cut off/],
    ["a line cut off after its operator", "45-", 0, [0, 3], /cut off/],
    ["a mark cut off", "45-39=6\nGoal Rea", 2, [8, 16], /cut off/],
    ["a newline after the goal", "45-39=6\nGoal Reached!\n", 3, [21, 22], /not even a newline/],
    ["text after the backtrack mark", "45-39=6\n<backtrack>10*6=60\n", 3, [19, 27], /nothing may follow/],
    ["both marks", "<backtrack>Goal Reached!", 1, [11, 24], /nothing may follow/],
    ["foreign text at the end", "45-39=6\nI give up", 2, [8, 17], /found "I give up"/],
  ])("%s", (_name, text, events, span, message) => {
    const error = errorOf(text);
    expect(error.events).toBe(events);
    expect(error.span).toEqual(span);
    expect(error.message).toMatch(message);
  });

  it("a text that stops after a whole line has no end and no error", () => {
    expect(selfBacktracking.parse(paper, "45-39=6\n")).toEqual({
      events: line(1, 45, "-", 39, 6),
      eventSpans: [
        [0, 7],
        [7, 8],
      ],
      errors: [],
    });
    expect(selfBacktracking.parse(paper, "")).toEqual({ events: [], eventSpans: [], errors: [] });
  });

  it("reads negative numbers, so that the grader can judge them", () => {
    expect(selfBacktracking.parse(paper, "2-10=-8\n-8+39=31\n").events).toEqual([
      ...line(1, 2, "-", 10, -8),
      ...line(2, -8, "+", 39, 31),
    ]);
  });

  it.each([
    "",
    "numbers [1, 2]",
    "###Question: numbers [1,2]->target 3\n###Response:\n",
    "###Question: numbers [01, 2]->target 3\n###Response:\n",
    "###Question: numbers [1]->target 3\n###Response:\n",
  ])("%j is no prompt", (text) => {
    expect(selfBacktracking.readPrompt(text)).toBeUndefined();
  });
});

describe("findFormat", () => {
  it("finds by name and offers the nearest for an unknown one", () => {
    expect(findFormat("countdown", "self-backtracking")).toBe(selfBacktracking);
    expect(() => findFormat("countdown", "self-backtraking")).toThrowError(/Did you mean "self-backtracking"/);
    expect(() => findFormat("countdown", "constructor")).toThrowError(/unknown format/);
  });
});
