import { describe, expect, it } from "vitest";
import { type CountdownAction, type CountdownProblem, countdown, equation } from "../../src/puzzle/countdown.ts";
import type { SearchEvent } from "../../src/solver/events.ts";
import { canonicalSolution } from "../../src/solver/exhaustive.ts";
import { countSolutions } from "../puzzle/countdownBruteForce.ts";
import { exhaustively } from "./searches.ts";

const problemOf = (numbers: number[], target: number): CountdownProblem => ({ puzzle: "countdown", numbers, target });

/** The equations on the way to the goal of a search. */
function pathToGoal(events: readonly SearchEvent<CountdownAction>[]): string[] | undefined {
  const goal = events.find((event) => event.kind === "goal");
  if (!goal) return undefined;
  const path: string[] = [];
  for (let node = goal.node; node !== 0; ) {
    const made = events.find((event) => event.kind === "generate" && event.node === node);
    if (made?.kind !== "generate") throw new Error("no such node");
    path.unshift(equation(made.action));
    node = made.parent;
  }
  return path;
}

describe("canonicalSolution", () => {
  it.each([
    [[45, 39, 2, 10], 62, ["45-39=6", "10*6=60", "60+2=62"]],
    [[4, 4, 2], 10, ["4+4=8", "8+2=10"]],
    [[1, 1], 1, ["1*1=1"]],
    [[3, 8], 5, ["8-3=5"]],
    [[7, 2], 3, undefined],
    [[4, 9], 16, undefined],
  ])("of %j for %i is %j", (numbers, target, expected) => {
    expect(canonicalSolution(numbers, target)?.map(equation)).toEqual(expected);
  });

  it("is the first solution of a plain depth-first search, on every problem of three numbers up to 6", () => {
    for (let a = 1; a <= 6; a++) {
      for (let b = a; b <= 6; b++) {
        for (let c = b; c <= 6; c++) {
          for (let target = 0; target <= 40; target++) {
            const searched = pathToGoal(exhaustively(countdown, problemOf([a, b, c], target)));
            expect(canonicalSolution([b, a, c], target)?.map(equation)).toEqual(searched);
            expect(countSolutions([c, a, b], target) > 0).toBe(searched !== undefined);
          }
        }
      }
    }
  });

  it("does not depend on the order of the numbers", () => {
    expect(canonicalSolution([10, 2, 39, 45], 62)).toEqual(canonicalSolution([45, 39, 2, 10], 62));
  });
});

describe("exhaustive", () => {
  it("tells the whole search of a hopeless problem", () => {
    const events = exhaustively(countdown, problemOf([3, 1], 7));
    const text = events.map((event) =>
      event.kind === "generate"
        ? equation(event.action)
        : event.kind === "backtrack"
          ? `back ${event.from}>${event.to}`
          : `${event.kind} ${"node" in event ? event.node : ""}`,
    );
    expect(text).toEqual([
      "expand 0",
      ...["3+1=4", "visit 1", "deadEnd 1", "back 1>0"],
      ...["3*1=3", "visit 2", "deadEnd 2", "back 2>0"],
      ...["3-1=2", "visit 3", "deadEnd 3", "back 3>0"],
      ...["3/1=3", "visit 4", "deadEnd 4", "back 4>0"],
      "deadEnd 0",
    ]);
  });

  it("does not stop at a target with numbers left over", () => {
    const events = exhaustively(countdown, problemOf([5, 3, 2], 5));
    expect(pathToGoal(events)).toEqual(canonicalSolution([5, 3, 2], 5)?.map(equation));
    expect(pathToGoal(events)).toHaveLength(2);
  });

  it("ends within its budget, without a verdict", () => {
    const events = exhaustively(countdown, problemOf([9, 8, 7, 6], 9999), 25);
    expect(events.filter((event) => event.kind === "generate")).toHaveLength(25);
    expect(events.some((event) => event.kind === "goal")).toBe(false);
    expect(events.some((event) => event.kind === "deadEnd" && event.node === 0)).toBe(false);
  });
});
