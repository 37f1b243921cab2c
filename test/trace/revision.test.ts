import { describe, expect, it } from "vitest";
import { type CountdownProblem, countdown } from "../../src/puzzle/countdown.ts";
import { revision } from "../../src/trace/formats/revision.ts";
import { exhaustively } from "../solver/searches.ts";
import { type Event, itHoldsTheLaws } from "./countdownLaws.ts";

const paper: CountdownProblem = { puzzle: "countdown", numbers: [45, 39, 2, 10], target: 62 };
const step = (
  node: number,
  parent: number,
  left: number,
  op: "+" | "-" | "*" | "/",
  right: number,
  result: number,
): Event[] => [
  { kind: "generate", node, parent, action: { left, op, right, result } },
  { kind: "visit", node },
];

/** Two wrong answers, one of them short, and the right one. */
const text = "45-39=6\n10*6=60\n60-2=58\nWrong.\n45+39=84\nWrong.\n45-39=6\n10*6=60\n2+60=62\nGoal Reached!";
const events: Event[] = [
  ...step(1, 0, 45, "-", 39, 6),
  ...step(2, 1, 10, "*", 6, 60),
  ...step(3, 2, 60, "-", 2, 58),
  { kind: "deadEnd", node: 3 },
  { kind: "backtrack", from: 3, to: 0 },
  ...step(4, 0, 45, "+", 39, 84),
  { kind: "deadEnd", node: 4 },
  { kind: "backtrack", from: 4, to: 0 },
  ...step(5, 0, 45, "-", 39, 6),
  ...step(6, 5, 10, "*", 6, 60),
  ...step(7, 6, 2, "+", 60, 62),
  { kind: "goal", node: 7 },
];

describe("format revision", () => {
  it("writes and reads wrong answers and the right one", () => {
    expect(revision.render(paper, events).text).toBe(text);
    expect(revision.parse(paper, text)).toMatchObject({ events, errors: [] });
    expect(revision.markers.backtrack).toBeUndefined();
  });

  it("keeps of a search each answer that it gives up at its end, and the path to the goal", () => {
    // In the puzzle's order: 6+3=9 and 9+2, 9*2, 9-2 come first; 9/2 is no integer. Then 6*3=18, 18+2, 18*2, 18-2 = 16.
    const problem: CountdownProblem = { puzzle: "countdown", numbers: [6, 3, 2], target: 16 };
    expect(revision.render(problem, exhaustively(countdown, problem)).text).toBe(
      "6+3=9\n9+2=11\nWrong.\n6+3=9\n9*2=18\nWrong.\n6+3=9\n9-2=7\nWrong.\n" +
        "6*3=18\n18+2=20\nWrong.\n6*3=18\n18*2=36\nWrong.\n6*3=18\n18-2=16\nGoal Reached!",
    );
  });

  it.each([
    ["an empty answer", "Wrong.\n", 0, /expected an equation/],
    ["success without an answer", "45-39=6\nWrong.\nGoal Reached!", 4, /expected an equation/],
    ["a mark cut off", "45-39=6\nWron", 2, /cut off/],
    ["a mark without its newline", "45-39=6\nWrong.", 2, /cut off/],
    ["an answer behind the right one", `${text}\n45-39=6\n`, events.length, /nothing may follow/],
  ])("%s leaves the grammar", (_name, broken, count, message) => {
    const parsed = revision.parse(paper, broken);
    expect(parsed.events).toHaveLength(count);
    expect(parsed.errors).toHaveLength(1);
    expect(parsed.errors[0]?.message).toMatch(message);
  });
});

describe("laws", () => {
  itHoldsTheLaws(revision, { ...paper, numbers: [5, 3, 5, 2] }, ["\n", "Wrong.\n", "Goal Reached!", "1+2=3\n", "x"]);
});
