import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CountdownProblem } from "../../src/puzzle/countdown.ts";
import { compatScorers } from "../../src/trace/compat/compatScorers.ts";
import { evaluateExpression } from "../../src/trace/compat/expression.ts";

const problem = (numbers: number[], target: number): CountdownProblem => ({ puzzle: "countdown", numbers, target });

describe("sb: the published checker of Self-Backtracking", () => {
  const reason = (numbers: number[], target: number, text: string) =>
    compatScorers.sb.score(problem(numbers, target), text).reason;

  // The three inputs on which the published code was run: True, True, False.
  it.each([
    ["floor division passes", [7, 2], 3, "7/2=3\nGoal Reached!", "accepted"],
    ["one 4 serves twice", [4, 2], 8, "4+4=8\nGoal Reached!", "accepted"],
    ["using one 4 takes both", [4, 4, 2], 10, "4+2=6\n6+4=10\nGoal Reached!", "unknown number"],
  ])("%s", (_name, numbers, target, text, expected) => {
    expect(reason(numbers, target, text)).toBe(expected);
  });

  it.each([
    ["the paper's case", "45-39=6\n10*6=60\n2+60=62\nGoal Reached!", "accepted"],
    [
      "behind its prompt",
      "###Question: numbers [45, 39, 2, 10]->target 62\n###Response:\n45+2=47\n47+10=57\nGoal Reached!",
      "target not reached",
    ],
    ["giving up on the target is as good as declaring it", "45-39=6\n10*6=60\n2+60=62\n<backtrack>", "accepted"],
    ["no end mark", "45-39=6\n10*6=60\n2+60=62\n", "no end mark"],
    ["cut at the first mark", "45-39=6\n<backtrack>\n10*6=60\n2+60=62\nGoal Reached!", "target not reached"],
    ["the target reached, then left", "45-39=6\n10*6=60\n2+60=62\n62/62=1\nGoal Reached!", "target not reached"],
    ["a negative result is a format error", "2-10=-8\nGoal Reached!", "step format"],
    ["no equation is a format error", "Goal Reached!", "step format"],
    ["an empty line is a format error", "45-39=6\n\n10*6=60\n2+60=62\nGoal Reached!", "step format"],
    [
      "blanks, leading zeros and what stands behind an equation are fine",
      "45 - 39=06 is\n10*6=60\n2+60=62!\nGoal Reached!",
      "accepted",
    ],
    ["a wrong result", "45-39=7\nGoal Reached!", "wrong result"],
    ["an unknown number goes before a wrong result", "45-38=9\nGoal Reached!", "unknown number"],
    ["division by zero", "45-45=0\n10/0=1\nGoal Reached!", "division by zero"],
  ])("%s", (_name, text, expected) => {
    expect(reason([45, 39, 2, 10], 62, text)).toBe(expected);
  });
});

describe("sos: the published checker of Stream of Search", () => {
  const score = (numbers: number[], target: number, text: string) =>
    compatScorers.sos.score(problem(numbers, target), text).reason;
  const right = [
    "Current State: 10:[4, 4, 2], Operations: []",
    "Exploring Operation: 4+4=8, Resulting Numbers: [2, 8]",
    "Generated Node #0,0: 10:[2, 8] Operation: 4+4=8",
    "Moving to Node #0,0",
    "Current State: 10:[2, 8], Operations: ['4+4=8']",
    "Exploring Operation: 2+8=10, Resulting Numbers: [10]",
    "10,10 equal: Goal Reached",
    "",
  ].join("\n");

  it.each([
    ["a right trace", right, "accepted"],
    ["without its first line, which is put in front", right.slice(right.indexOf("\n") + 1), "accepted"],
    ["with the newline of the first line", right.slice(right.indexOf("\n")), "accepted"],
    ["behind and before an end of text", `<|endoftext|>${right}<|endoftext|>10,10 equal`, "accepted"],
    ["no goal line", right.replace(" equal", " unequal"), "no goal line"],
    ["the numbers of the goal line are not compared", right.replace("10,10 equal", "3,4 equal"), "accepted"],
    ["a goal line needs both numbers", right.replace("10,10 equal", "10 equal"), "no goal line"],
    ["a last operation that misses", right.replace("2+8=10,", "2+8=11,"), "last operation misses the target"],
    ["a wrong result", right.replace("2+8=10,", "2*8=10,"), "wrong result"],
    ["true division", right.replace("['4+4=8']", "['4+4=8', '7/2=3']"), "wrong result"],
    ["exact division as a fraction", right.replace("['4+4=8']", "['4+4=8', '4/2=2']"), "accepted"],
    ["used numbers stay available", right.replace("['4+4=8']", "['4+4=8', '4+2=6', '4*2=8']"), "accepted"],
    ["one 2 serves twice", right.replace("['4+4=8']", "['4+4=8', '2+2=4']"), "accepted"],
    ["an unknown number", right.replace("['4+4=8']", "['4+4=8', '3+4=7']"), "unknown number"],
    ["only the last state counts", right.replace("Exploring Operation: 4+4=8", "Exploring Operation: 9*9=1"), "accepted"],
    ["an operation that is none", right.replace("['4+4=8']", "['4+4=8', 'x']"), "unreadable operation"],
    ["code is never run", right.replace("['4+4=8']", "['len(str(4))=1']"), "unreadable operation"],
    ["no state at all", "Current State: ten", "no initial state"],
    ["numbers that are none", right.replace("[4, 4, 2]", "[4,4, 2]"), "exception"],
  ])("%s", (_name, text, expected) => {
    expect(score([4, 4, 2], 10, text)).toBe(expected);
  });

  it("refuses a goal straight from the root: the empty list of operations counts as one", () => {
    const text = "Exploring Operation: 4+9=13, Resulting Numbers: [13]\n13,13 equal: Goal Reached\n";
    expect(score([4, 9], 13, text)).toBe("unreadable operation");
    expect(score([4, 9], 13, "13,13 equal: Goal Reached\n")).toBe("no operation");
  });

  it("refuses a right trace of as many nodes as the tree has: its rating is 0", () => {
    const padding = "Exploring Operation: 4*4=16, Resulting Numbers: [2, 16]\n";
    const padded = (times: number) =>
      right.replace("Exploring Operation: 4+4", `${padding.repeat(times)}Exploring Operation: 4+4`);
    // 48 nodes for 3 numbers; the trace explores 2 and the rating counts one more.
    expect(score([4, 4, 2], 10, padded(44))).toBe("accepted");
    expect(score([4, 4, 2], 10, padded(45))).toBe("too many nodes");
  });
});

describe("any text", () => {
  const piece = fc.oneof(
    fc.constantFrom("Current State: ", "5:[1, 2]", ", Operations: [", "'1+2=3'", "]", "\n", "Exploring Operation: ", "1+2=3"),
    fc.constantFrom(", Resulting Numbers: [", "3,5 equal: Goal Reached", "Goal Reached!", "<backtrack>", "###Response:\n"),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  it.each(["sb", "sos"] as const)("%s never throws", (name) => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const { accepted, reason } = compatScorers[name].score(problem([1, 2, 4], 5), pieces.join(""));
        expect(accepted).toBe(reason === "accepted");
      }),
    );
  });

  it.each([
    "1".repeat(300_000),
    "=1".repeat(150_000),
    "1,".repeat(150_000),
    "Exploring Operation: ".repeat(15_000),
    "Exploring Operation: 1=1, Resulting Numbers: [".repeat(7000),
    "Current State: 1:[".repeat(15_000),
    `Current State: 5:[1, 2], Operations: ['${"1=1, ".repeat(60_000)}']\n5,5 equal: Goal Reached`,
    `Current State: 5:[1, 2], Operations: ['${"-".repeat(300_000)}1=5']\nExploring Operation: 1=5, Resulting Numbers: [5]\n5,5 equal: Goal Reached`,
  ])("a long one takes no longer than its length (%#)", (text) => {
    const begin = performance.now();
    for (const scorer of Object.values(compatScorers)) scorer.score(problem([1, 2, 4], 5), text);
    expect(performance.now() - begin).toBeLessThan(1000);
  });
});

describe("evaluateExpression", () => {
  it.each([
    ["3+4*5", 23],
    ["(3+4)*5", 35],
    ["10-4-3", 3],
    ["7/2", 3.5],
    ["7//2", 3],
    ["-3 - -4", 1],
    ["0", 0],
    ["1/0", undefined],
    ["1//0", undefined],
    ["07", undefined],
    ["3+", undefined],
    ["3 4", undefined],
    ["(3", undefined],
    ["3)", undefined],
    ["2**3", undefined],
    ["", undefined],
    ["9007199254740991+1", undefined],
    ["9007199254740993", undefined],
    [`${"(".repeat(10_000)}1`, undefined],
  ])("%s", (text, value) => {
    expect(evaluateExpression(text)).toBe(value);
  });
});
