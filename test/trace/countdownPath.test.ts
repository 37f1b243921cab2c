import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { type CountdownProblem, countdown } from "../../src/puzzle/countdown.ts";
import { dfs } from "../../src/solver/dfs.ts";
import { countdownPath } from "../../src/trace/formats/countdownPath.ts";
import { type Event, itHoldsTheLaws } from "./countdownLaws.ts";

const problemOf = (numbers: number[], target: number): CountdownProblem => ({ puzzle: "countdown", numbers, target });
const paper = problemOf([45, 39, 2, 10], 62);

/** The paper's solution in the lines of `optimal_path`, by hand. */
const text = `Exploring Operation: 45-39=6, Resulting Numbers: [2, 10, 6]
Generated Node #2: [2, 10, 6] from Operation: 45-39=6
Current State: 62:[2, 10, 6], Operations: ['45-39=6']
Exploring Operation: 10*6=60, Resulting Numbers: [2, 60]
Generated Node #3: [2, 60] from Operation: 10*6=60
Current State: 62:[2, 60], Operations: ['45-39=6', '10*6=60']
Exploring Operation: 2+60=62, Resulting Numbers: [62]
62,62 equal: Goal Reached`;
const step = (node: number, left: number, op: "+" | "-" | "*" | "/", right: number, result: number): Event[] => [
  { kind: "generate", node, parent: node - 1, action: { left, op, right, result } },
  { kind: "visit", node },
];
const events: Event[] = [
  ...step(1, 45, "-", 39, 6),
  ...step(2, 10, "*", 6, 60),
  ...step(3, 2, "+", 60, 62),
  { kind: "goal", node: 3 },
];

describe("format path", () => {
  it("writes and reads the paper's solution to the letter", () => {
    expect(countdownPath.render(paper, events).text).toBe(text);
    expect(countdownPath.parse(paper, text)).toMatchObject({ events, errors: [] });
  });

  it("keeps of a search the path to its goal", () => {
    const three = problemOf([2, 3, 4], 9);
    const trace = dfs.solve(countdown, three, { kind: "dfs", heuristic: "sum", threshold: "target" }, Rng.for(1));
    expect(countdownPath.render(three, [...trace]).text).toBe(`Exploring Operation: 4+3=7, Resulting Numbers: [2, 7]
Generated Node #2: [2, 7] from Operation: 4+3=7
Current State: 9:[2, 7], Operations: ['4+3=7']
Exploring Operation: 7+2=9, Resulting Numbers: [9]
9,9 equal: Goal Reached`);
  });

  it("may end behind the last number without success", () => {
    const given = countdownPath.parse(problemOf([3, 1], 7), "Exploring Operation: 3+1=4, Resulting Numbers: [4]");
    expect(given).toMatchObject({ events: step(1, 3, "+", 1, 4), errors: [] });
  });

  it.each([
    ["numbers that do not result", "[2, 10, 6]\nGenerated", "[2, 10, 7]\nGenerated", 0],
    ["another count", "Generated Node #3", "Generated Node #2", 2],
    ["other operations", "['45-39=6', '10*6=60']", "['10*6=60']", 2],
    ["another target", "Current State: 62:[2, 60]", "Current State: 61:[2, 60]", 2],
    ["a verdict on another number", "62,62 equal", "60,62 equal", 6],
  ])("%s: state, and reading goes on", (_name, from, to, event) => {
    const parsed = countdownPath.parse(paper, text.replace(from, to));
    expect(parsed.errors[0]).toMatchObject({ kind: "state", event });
    expect(parsed.events).toEqual(events);
  });

  it.each([
    ["a move", text.replace(/Generated Node #3.*/, "Moving to Node #0"), 2, /expected "Generated Node #"/],
    ["a text cut off between lines", text.slice(0, text.indexOf("\nCurrent")), 0, /needs another line/],
    ["a verdict of failure", text.replace("62,62 equal: Goal Reached", "62,62 unequal: No Solution"), 6, /equal: Goal Reached/],
    ["anything behind the goal", `${text}\n`, 7, /nothing may follow/],
  ])("%s leaves the grammar", (_name, broken, count, message) => {
    const parsed = countdownPath.parse(paper, broken);
    expect(parsed.events).toEqual(events.slice(0, count));
    expect(parsed.errors).toHaveLength(1);
    expect(parsed.errors[0]?.message).toMatch(message);
  });
});

describe("laws", () => {
  itHoldsTheLaws(countdownPath, problemOf([5, 3, 5, 2], 30), ["\n", "#3", "[5, 3]", "30,30 equal: Goal Reached", "'"]);
});
