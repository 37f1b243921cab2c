import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { type CountdownProblem, countdown } from "../../src/puzzle/countdown.ts";
import { beam } from "../../src/solver/beam.ts";
import { dfs } from "../../src/solver/dfs.ts";
import { sos } from "../../src/trace/formats/sos.ts";
import { isAncestor, SosTree } from "../../src/trace/formats/sosTree.ts";
import { exhaustively } from "../solver/searches.ts";
import { type Event, itHoldsTheLaws } from "./countdownLaws.ts";

const problemOf = (numbers: number[], target: number): CountdownProblem => ({ puzzle: "countdown", numbers, target });
const three = problemOf([2, 3, 4], 9);

/**
 * Depth-first search with the sum heuristic, worked out by hand. Mean distances to 9 of the root's children: 4*2=8 3.5,
 * 3*2=6 4, 4+3=7 4.5, ...; below 8 and 3: 11 (2) and 5 (4), 24 is above the threshold of 9.
 */
const threeText = `Exploring Operation: 4*2=8, Resulting Numbers: [3, 8]
Generated Node #0,0: 9:[3, 8] Operation: 4*2=8
Moving to Node #0,0
Current State: 9:[3, 8], Operations: ['4*2=8']
Exploring Operation: 8+3=11, Resulting Numbers: [11]
11,9 unequal: No Solution
Moving to Node #0,0
Current State: 9:[3, 8], Operations: ['4*2=8']
Exploring Operation: 8-3=5, Resulting Numbers: [5]
5,9 unequal: No Solution
Moving to Node #0
Current State: 9:[2, 3, 4], Operations: []
Exploring Operation: 3*2=6, Resulting Numbers: [4, 6]
Generated Node #0,1: 9:[4, 6] Operation: 3*2=6
Moving to Node #0,1
Current State: 9:[4, 6], Operations: ['3*2=6']
Exploring Operation: 6+4=10, Resulting Numbers: [10]
10,9 unequal: No Solution
Moving to Node #0,1
Current State: 9:[4, 6], Operations: ['3*2=6']
Exploring Operation: 6-4=2, Resulting Numbers: [2]
2,9 unequal: No Solution
Moving to Node #0
Current State: 9:[2, 3, 4], Operations: []
Exploring Operation: 4+3=7, Resulting Numbers: [2, 7]
Generated Node #0,2: 9:[2, 7] Operation: 4+3=7
Moving to Node #0,2
Current State: 9:[2, 7], Operations: ['4+3=7']
Exploring Operation: 7+2=9, Resulting Numbers: [9]
9,9 equal: Goal Reached`;

const threeEvents: Event[] = [
  { kind: "generate", node: 1, parent: 0, action: { left: 4, op: "*", right: 2, result: 8 } },
  { kind: "visit", node: 1 },
  { kind: "generate", node: 2, parent: 1, action: { left: 8, op: "+", right: 3, result: 11 } },
  { kind: "deadEnd", node: 2 },
  { kind: "backtrack", from: 2, to: 1 },
  { kind: "generate", node: 3, parent: 1, action: { left: 8, op: "-", right: 3, result: 5 } },
  { kind: "deadEnd", node: 3 },
  { kind: "backtrack", from: 3, to: 0 },
  { kind: "generate", node: 4, parent: 0, action: { left: 3, op: "*", right: 2, result: 6 } },
  { kind: "visit", node: 4 },
  { kind: "generate", node: 5, parent: 4, action: { left: 6, op: "+", right: 4, result: 10 } },
  { kind: "deadEnd", node: 5 },
  { kind: "backtrack", from: 5, to: 4 },
  { kind: "generate", node: 6, parent: 4, action: { left: 6, op: "-", right: 4, result: 2 } },
  { kind: "deadEnd", node: 6 },
  { kind: "backtrack", from: 6, to: 0 },
  { kind: "generate", node: 7, parent: 0, action: { left: 4, op: "+", right: 3, result: 7 } },
  { kind: "visit", node: 7 },
  { kind: "generate", node: 8, parent: 7, action: { left: 7, op: "+", right: 2, result: 9 } },
  { kind: "goal", node: 8 },
];

describe("golden texts", () => {
  it("three numbers, depth first: solved, text and events", () => {
    const trace = [
      ...dfs.solve(countdown, three, { kind: "dfs", heuristic: "sum", threshold: "target" }, Rng.for("none drawn")),
    ];
    expect(sos.prompt(three)).toBe("Current State: 9:[2, 3, 4], Operations: []\n");
    expect(sos.render(three, trace).text).toBe(threeText);
    expect(sos.parse(three, threeText)).toMatchObject({ events: threeEvents, errors: [] });
  });

  it("two numbers, depth first: unsolved, and no mark at the end", () => {
    const two = problemOf([3, 1], 7);
    const trace = dfs.solve(countdown, two, { kind: "dfs", heuristic: "sum", threshold: "target" }, Rng.for("none drawn"));
    const again = "\nMoving to Node #0\nCurrent State: 7:[3, 1], Operations: []\n";
    expect(sos.render(two, [...trace]).text).toBe(
      [
        "Exploring Operation: 3+1=4, Resulting Numbers: [4]\n4,7 unequal: No Solution",
        "Exploring Operation: 3*1=3, Resulting Numbers: [3]\n3,7 unequal: No Solution",
        "Exploring Operation: 3/1=3, Resulting Numbers: [3]\n3,7 unequal: No Solution",
        "Exploring Operation: 3-1=2, Resulting Numbers: [2]\n2,7 unequal: No Solution",
      ].join(again),
    );
  });

  it("breadth first with a beam of 1: moves down without going back, and says that nothing was found", () => {
    const problem = problemOf([2, 3, 4], 11);
    // Mean distances to 11: 4*3=12 with 2 is 5, 4*2=8 with 3 is 5.5; 12-2=10 is nearest, and wrong.
    const trace = beam.solve(countdown, problem, { kind: "beam", heuristic: "sum", width: 1 }, Rng.for("one child"));
    expect(sos.render(problem, [...trace]).text).toBe(`Exploring Operation: 4*3=12, Resulting Numbers: [2, 12]
Generated Node #0,0: 11:[2, 12] Operation: 4*3=12
Moving to Node #0,0
Current State: 11:[2, 12], Operations: ['4*3=12']
Exploring Operation: 12-2=10, Resulting Numbers: [10]
10,11 unequal: No Solution
No solution found.`);
  });

  it("puts in the moves that a trace leaves out, and drops first visits of leaves", () => {
    const two = problemOf([3, 1], 4);
    expect(sos.render(two, exhaustively(countdown, two)).text).toBe(
      "Exploring Operation: 3+1=4, Resulting Numbers: [4]\n4,4 equal: Goal Reached",
    );
    const jumpy: Event[] = [
      { kind: "generate", node: 1, parent: 0, action: { left: 3, op: "+", right: 2, result: 5 } },
      { kind: "generate", node: 2, parent: 0, action: { left: 4, op: "+", right: 2, result: 6 } },
      { kind: "generate", node: 3, parent: 1, action: { left: 5, op: "+", right: 4, result: 9 } },
    ];
    expect(sos.project(three, jumpy)).toEqual([
      ...jumpy.slice(0, 2),
      { kind: "visit", node: 1 },
      ...jumpy.slice(2),
      { kind: "goal", node: 3 },
    ]);
  });
});

describe("texts of the published programs", () => {
  it("may move to leaves, which share a number, when they search breadth first", () => {
    const text = `Exploring Operation: 3+1=4, Resulting Numbers: [4]
4,7 unequal: No Solution
Exploring Operation: 3*1=3, Resulting Numbers: [3]
3,7 unequal: No Solution
Moving to Node #0,0
Current State: 7:[3], Operations: ['3*1=3']
Moving to Node #0,0
Current State: 7:[4], Operations: ['3+1=4']
No solution found.`;
    const problem = problemOf([3, 1], 7);
    const { events, errors } = sos.parse(problem, text);
    expect(errors).toEqual([]);
    expect(events.slice(4)).toEqual([
      { kind: "visit", node: 2 },
      { kind: "visit", node: 1 },
      { kind: "deadEnd", node: 0 },
    ]);
    expect(sos.render(problem, events).text).toBe(text);
  });

  it("may keep another copy of equal numbers, and put the operands in the prompt's order", () => {
    const problem = problemOf([5, 3, 7, 5], 20);
    const text = `Exploring Operation: 3+5=8, Resulting Numbers: [5, 7, 8]
Generated Node #0,0: 20:[5, 7, 8] Operation: 3+5=8
Moving to Node #0,0
Current State: 20:[5, 7, 8], Operations: ['3+5=8']
Exploring Operation: 5+7=12, Resulting Numbers: [8, 12]
Generated Node #0,0,0: 20:[8, 12] Operation: 5+7=12`;
    const { events, errors } = sos.parse(problem, text);
    expect(errors).toEqual([]);
    expect(events[0]).toMatchObject({ action: { left: 3, right: 5, result: 8, shown: [5, 7, 8] } });
    expect(events[2]).toEqual({ kind: "generate", node: 2, parent: 1, action: { left: 5, op: "+", right: 7, result: 12 } });
    expect(sos.render(problem, events).text).toBe(text);
  });
});

describe("what does not agree", () => {
  /** The golden text with one replacement, its first error and the events. */
  const broken = (from: string, to: string) => {
    expect(threeText).toContain(from);
    const text = threeText.replace(from, to);
    const { events, errors } = sos.parse(three, text);
    const [error] = errors;
    return { count: errors.length, error, at: error && text.slice(...error.span), events: events.length };
  };

  it.each([
    ["a number is lost", "Numbers: [3, 8]\nGenerated Node #0,0: 9:[3, 8]", "Numbers: [8]\nGenerated Node #0,0: 9:[8]", 0],
    ["the node line has other numbers", "Generated Node #0,1: 9:[4, 6]", "Generated Node #0,1: 9:[6, 4]", 8],
    ["the node line has another number", "Generated Node #0,2:", "Generated Node #0,3:", 16],
    ["the node line has another operation", "[2, 7] Operation: 4+3=7", "[2, 7] Operation: 3+4=7", 16],
    ["the node line has another target", "Generated Node #0,2: 9:", "Generated Node #0,2: 8:", 16],
    ["the state line has other numbers", "Current State: 9:[2, 7]", "Current State: 9:[2, 8]", 17],
    ["the state line has other operations", "[2, 7], Operations: ['4+3=7']", "[2, 7], Operations: ['4+3=7', '1+1=2']", 17],
    ["the state line has another target", "Current State: 9:[2, 7]", "Current State: 10:[2, 7]", 17],
    ["the verdict is on another number", "11,9 unequal", "12,9 unequal", 2],
    ["the verdict is on another target", "11,9 unequal", "11,8 unequal", 2],
  ])("%s: state, and reading goes on", (_name, from, to, event) => {
    const { error, at, events } = broken(from, to);
    expect(error).toMatchObject({ kind: "state", event });
    expect(to.split("\n").some((part) => at?.includes(part))).toBe(true);
    expect(events).toBeGreaterThanOrEqual(threeEvents.length);
  });

  it("says each disagreement once: what follows is held against what the text said last", () => {
    const text = `Exploring Operation: 4*2=8, Resulting Numbers: [3, 9]
Generated Node #0,0: 9:[3, 9] Operation: 4*2=8
Moving to Node #0,0
Current State: 9:[3, 9], Operations: ['4*2=8']
Exploring Operation: 9/3=3, Resulting Numbers: [3]
3,9 unequal: No Solution`;
    const { errors } = sos.parse(three, text);
    expect(errors).toHaveLength(1);
    expect(errors[0]?.message).toBe("the numbers that result are [3, 8], in any order");
  });

  it("a move to a node that was never generated is a jump to what the text claims", () => {
    const text = `Moving to Node #0,4
Current State: 9:[3, 6], Operations: ['4+2=6']
Exploring Operation: 6+3=9, Resulting Numbers: [9]
9,9 equal: Goal Reached`;
    const { events, errors } = sos.parse(three, text);
    expect(errors).toEqual([]);
    expect(events[0]).toMatchObject({ kind: "jump", node: 1, state: [6, 3], label: "0,4" });
    expect(events.slice(1)).toEqual([
      { kind: "generate", node: 2, parent: 1, action: { left: 6, op: "+", right: 3, result: 9 } },
      { kind: "goal", node: 2 },
    ]);
    expect(sos.render(three, events).text).toBe(text);
  });

  it("takes false verdicts for what they say, so that the grader can judge them", () => {
    const two = problemOf([3, 1], 4);
    const leaf = "Exploring Operation: 3+1=4, Resulting Numbers: [4]\n";
    expect(sos.parse(two, `${leaf}4,4 unequal: No Solution`)).toMatchObject({ events: [{}, { kind: "deadEnd" }], errors: [] });
    const wrong = "Exploring Operation: 3-1=2, Resulting Numbers: [2]\n";
    expect(sos.parse(two, `${wrong}2,4 equal: Goal Reached`)).toMatchObject({ events: [{}, { kind: "goal" }], errors: [] });
  });
});

describe("texts that leave the grammar", () => {
  it.each([
    ["a state without a move", threeText.replace("Moving to Node #0\n", ""), 7, /Exploring Operation/],
    ["a child without its second line", threeText.replace("11,9 unequal: No Solution\n", ""), 2, /a verdict such as/],
    ["a leading zero", threeText.replace("=11, Resulting", "=011, Resulting"), 2, /Resulting Numbers/],
    ["a number beyond 2^53 - 1", threeText.replace("8+3=11,", "8+3=9007199254740993,"), 2, /Resulting Numbers/],
    ["a line cut off", threeText.slice(0, 300), 4, /cut off/],
    ["a text cut off between two lines", threeText.slice(0, threeText.indexOf("\nGenerated")), 0, /needs another line/],
    ["a newline at the end", `${threeText.split("\nMoving")[0]}\n`, 1, /ends in a newline/],
    ["anything behind the goal", `${threeText}\n`, 20, /nothing may follow/],
    ["a pair's verdict, which is think's", threeText.replace(/Generated Node #0,0.*/, "[3, 8] No Solution"), 0, /verdict/],
    ["a line of 5000 characters", threeText.replace("[11]", `[${"1".repeat(5000)}]`), 2, /at most 4096/],
  ])("%s", (_name, text, events, message) => {
    const parsed = sos.parse(three, text);
    expect(parsed.errors).toHaveLength(1);
    expect(parsed.errors[0]?.kind).toBeUndefined();
    expect(parsed.errors[0]?.message).toMatch(message);
    expect(parsed.events).toEqual(threeEvents.slice(0, events));
  });

  it("an end mark in the middle", () => {
    const { events, errors } = sos.parse(three, threeText.replace("Moving to Node #0\n", "No solution found.\n"));
    expect(events.slice(7)).toEqual([{ kind: "deadEnd", node: 0 }]);
    expect(errors).toMatchObject([{ message: expect.stringMatching(/nothing may follow/) }]);
  });
});

describe("ancestors", () => {
  it("are those that the parents lead to, in a tree of any shape", () => {
    const tree = new SosTree(three);
    const nodes = [tree.root];
    const rng = Rng.for("ancestors");
    for (let made = 0; made < 200; made++) {
      // Mostly below the last node, so that some are deep.
      const parent = rng.below(5) === 0 ? rng.pick(nodes) : (nodes.at(-1) ?? tree.root);
      nodes.push(tree.add({ parent, label: `${made}`, pool: [1], before: [], operation: "1+1=2" }, true));
    }
    for (const node of nodes) {
      const above = new Set<unknown>();
      for (let at = node.parent; at; at = at.parent) above.add(at);
      for (const other of nodes) if (isAncestor(other, node) !== above.has(other)) expect.fail(`${other.id} of ${node.id}`);
    }
    expect(Math.max(...nodes.map(({ depth }) => depth))).toBeGreaterThan(20);
  });
});

describe("the prompt", () => {
  it("is read back, and nothing else is one", () => {
    const prompt = sos.prompt(three);
    expect(sos.readPrompt(`${prompt}Exploring`)).toEqual({ problem: three, length: prompt.length });
    expect(sos.readPrompt("Current State: 9:[02, 3], Operations: []\n")).toBeUndefined();
    expect(sos.readPrompt("Current State: 9:[2], Operations: []\n")).toBeUndefined();
    expect(sos.readPrompt("Current State: 9:[2, 3], Operations: []")).toBeUndefined();
  });
});

describe("laws", () => {
  itHoldsTheLaws(sos, problemOf([5, 3, 5, 2], 30), ["\n", "x", "Moving to Node #0", ",0", "5", "[5, 3]", "No Solution"]);
});
