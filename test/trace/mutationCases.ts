// Right traces, one or more a format, and the ways to break each: what is changed, and the errors that this makes. Every
// expected error was worked out by hand: kind@step, steps counted from 0.
import { countdown } from "../../src/puzzle/countdown.ts";
import { graph } from "../../src/puzzle/graph.ts";
import { maze } from "../../src/puzzle/maze.ts";
import type { AnyPuzzle } from "../../src/puzzle/puzzle.ts";
import { sudoku } from "../../src/puzzle/sudoku.ts";
import type { AnyFormat } from "../../src/trace/format.ts";
import { countdownPath } from "../../src/trace/formats/countdownPath.ts";
import { graphBfs, graphBfsArticle } from "../../src/trace/formats/graphBfs.ts";
import { graphPath } from "../../src/trace/formats/graphPath.ts";
import { mazeAStar } from "../../src/trace/formats/mazeAStar.ts";
import { mazePath } from "../../src/trace/formats/mazePath.ts";
import { revision } from "../../src/trace/formats/revision.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { sos } from "../../src/trace/formats/sos.ts";
import { sudokuTrace } from "../../src/trace/formats/sudoku.ts";
import { sudokuPath } from "../../src/trace/formats/sudokuPath.ts";
import { think } from "../../src/trace/formats/think.ts";

/** One way to break a trace: its name, the part that is replaced (there once), by what, and the errors. */
type Way = readonly [name: string, part: string, by: string, errors: readonly string[]];

export interface Broken {
  readonly puzzle: AnyPuzzle;
  readonly format: AnyFormat;
  readonly record: object;
  readonly right: string;
  readonly ways: readonly Way[];
}

const elevenOf325 = { puzzle: "countdown", numbers: [3, 2, 5], target: 11 };

const equations: Broken = {
  puzzle: countdown,
  format: selfBacktracking,
  record: elevenOf325,
  right: "3*2=6\n6+5=11\nGoal Reached!",
  ways: [
    ["a wrong result", "3*2=6", "3*2=7", ["arithmetic@0", "operand@1"]],
    ["a wrong result that is used", "6\n6+5=11", "7\n7+5=12", ["arithmetic@0", "false-goal@2"]],
    ["an inexact division", "6+5=11", "6/5=1", ["arithmetic@1", "false-goal@2"]],
    ["a number used twice", "6+5=11", "6+3=9", ["operand@1", "false-goal@2"]],
    ["a number that is not there", "6+5=11", "6+7=13", ["operand@1", "false-goal@2"]],
    ["a negative result", "6+5=11", "5-6=-1", ["rule@1", "false-goal@2"]],
    ["a line less", "6+5=11\n", "", ["false-goal@1"]],
    ["no end", "Goal Reached!", "", ["goal-missed@2"]],
    ["giving up", "Goal Reached!", "<backtrack>", ["goal-missed@2"]],
    ["a blank", "6+5", "6 +5", ["format@1"]],
  ],
};

const wrongThenRight: Broken = {
  puzzle: countdown,
  format: revision,
  record: elevenOf325,
  right: "5*2=10\n10+3=13\nWrong.\n3*2=6\n6+5=11\nGoal Reached!",
  ways: [
    ["a wrong result in the wrong answer", "10+3=13", "10+3=12", ["arithmetic@1"]],
    ["a wrong result in the right answer", "6+5=11", "6+5=12", ["arithmetic@3", "false-goal@4"]],
    ["a number of the answer before", "6+5=11", "10+5=15", ["operand@3", "false-goal@4"]],
    ["a right answer called wrong", "Goal Reached!", "Wrong.\n", ["dead-end-invented@4", "goal-missed@4"]],
    ["a wrong answer called right", "Wrong.\n3*2=6\n6+5=11\nGoal Reached!", "Goal Reached!", ["false-goal@2"]],
    ["no end", "Goal Reached!", "", ["goal-missed@4"]],
  ],
};

const streamOfSearch: Broken = {
  puzzle: countdown,
  format: sos,
  record: elevenOf325,
  right: `Exploring Operation: 5*2=10, Resulting Numbers: [3, 10]
Generated Node #0,0: 11:[3, 10] Operation: 5*2=10
Moving to Node #0,0
Current State: 11:[3, 10], Operations: ['5*2=10']
Exploring Operation: 10+3=13, Resulting Numbers: [13]
13,11 unequal: No Solution
Moving to Node #0
Current State: 11:[3, 2, 5], Operations: []
Exploring Operation: 3*2=6, Resulting Numbers: [5, 6]
Generated Node #0,1: 11:[5, 6] Operation: 3*2=6
Moving to Node #0,1
Current State: 11:[5, 6], Operations: ['3*2=6']
Exploring Operation: 6+5=11, Resulting Numbers: [11]
11,11 equal: Goal Reached`,
  ways: [
    ["a wrong result", "10+3=13, Resulting Numbers: [13]\n13,", "10+3=12, Resulting Numbers: [12]\n12,", ["arithmetic@1"]],
    [
      "a number that is not there",
      "10+3=13, Resulting Numbers: [13]\n13,",
      "10+4=14, Resulting Numbers: [14]\n14,",
      ["state@1", "operand@1"],
    ],
    ["a negative result", "10+3=13, Resulting Numbers: [13]\n13,", "3-10=-7, Resulting Numbers: [-7]\n-7,", ["rule@1"]],
    // The two lines after it restate the true pool, which is not what this one says.
    [
      "a pool that the step does not lead to",
      "Resulting Numbers: [5, 6]",
      "Resulting Numbers: [5, 7]",
      ["state@2", "state@2", "state@3"],
    ],
    ["a node that restates another pool", "#0,1: 11:[5, 6]", "#0,1: 11:[5, 5]", ["state@2"]],
    // From 5 and 5 the step takes 6 nowhere, and one 5 is left over.
    ["a state that is another", "Current State: 11:[5, 6]", "Current State: 11:[5, 5]", ["state@3", "state@3"]],
    ["another target", "Current State: 11:[5, 6]", "Current State: 12:[5, 6]", ["state@3"]],
    ["operations that were not taken", "Operations: ['3*2=6']", "Operations: ['2*3=6']", ["state@3"]],
    ["a jump", "Moving to Node #0,1", "Moving to Node #0,1,4", ["jump@3"]],
    ["a goal that is none", "13,11 unequal: No Solution\n", "13,11 equal: Goal Reached\n", ["false-goal@2", "format@2"]],
    [
      "a goal called a dead end",
      "11,11 equal: Goal Reached",
      "11,11 unequal: No Solution",
      ["dead-end-invented@4", "goal-missed@4"],
    ],
    ["no end", "\nExploring Operation: 6+5=11, Resulting Numbers: [11]\n11,11 equal: Goal Reached", "", ["goal-missed@3"]],
    [
      "giving up",
      "Exploring Operation: 6+5=11, Resulting Numbers: [11]\n11,11 equal: Goal Reached",
      "No solution found.",
      ["goal-missed@3"],
    ],
    ["the end cut off", "\n11,11 equal: Goal Reached", "", ["format@3"]],
    ["another word", "Moving to Node #0,1", "Move to Node #0,1", ["format@3"]],
  ],
};

const winningPairs: Broken = {
  puzzle: countdown,
  format: think,
  record: elevenOf325,
  right: `Exploring Operation: 5*2=10, Resulting Numbers: [3, 10]
[3, 10] No Solution
Moving to Node #0
Current State: 11:[3, 2, 5], Operations: []
Exploring Operation: 3*2=6, Resulting Numbers: [5, 6]
Generated Node #0,1: 11:[5, 6] Operation: 3*2=6
Moving to Node #0,1
Current State: 11:[5, 6], Operations: ['3*2=6']
Exploring Operation: 6+5=11, Resulting Numbers: [11]
11,11 equal: Goal Reached`,
  ways: [
    [
      "a wrong result",
      "5*2=10, Resulting Numbers: [3, 10]\n[3, 10]",
      "5*2=11, Resulting Numbers: [3, 11]\n[3, 11]",
      ["arithmetic@0", "dead-end-invented@1"],
    ],
    [
      "a winning pair called lost",
      "5*2=10, Resulting Numbers: [3, 10]\n[3, 10]",
      "5+3=8, Resulting Numbers: [2, 8]\n[2, 8] No Solution\nMoving to Node #0\nCurrent State: 11:[3, 2, 5], Operations: []\nExploring Operation: 3*2=6, Resulting Numbers: [5, 6]\n[5, 6]",
      // The node after it is the third of the root, not the second.
      ["dead-end-invented@2", "state@2"],
    ],
    ["a pair restated wrongly", "[3, 10] No Solution", "[3, 9] No Solution", ["state@0"]],
  ],
};

const pathOnly: Broken = {
  puzzle: countdown,
  format: countdownPath,
  record: elevenOf325,
  right: `Exploring Operation: 3*2=6, Resulting Numbers: [5, 6]
Generated Node #2: [5, 6] from Operation: 3*2=6
Current State: 11:[5, 6], Operations: ['3*2=6']
Exploring Operation: 6+5=11, Resulting Numbers: [11]
11,11 equal: Goal Reached`,
  ways: [
    ["a wrong result", "6+5=11, ", "6*5=11, ", ["arithmetic@1"]],
    ["a number that is not there", "6+5=11, ", "4+7=11, ", ["state@1", "operand@1"]],
    ["a state that is another", "Current State: 11:[5, 6]", "Current State: 11:[5, 7]", ["state@0"]],
    ["no end", "\n11,11 equal: Goal Reached", "", ["goal-missed@2"]],
  ],
};

const article = { puzzle: "graph", text: "1,3|2,4|1,2|0,1|0,2|3,4/0,4" };
const bfsWays: readonly Way[] = [
  // Without 2 among the children of 0 the way to 4 in the tree is 0 1 2 4.
  ["a neighbour less", "0,(1,2)", "0,(1)", ["neighbours@0", "traceback@4"]],
  ["a strange neighbour", "1,(2,3)", "1,(0,2,3)", ["neighbours@2"]],
  ["a neighbour twice", "1,(2,3)", "1,(2,2,3)", ["neighbours@2"]],
  ["neighbours in another order", "1,(2,3)", "1,(3,2)", ["neighbours@2"]],
  ["a list left out: out of its turn", "1,(2,3),", "", ["queue@2"]],
  ["a node expanded again", "1,(2,3)", "1,(2,3),1,(2,3)", ["revisit@4"]],
  // Then 2 is expanded before 1, and 4 was first listed by 3.
  ["a node never generated", "1,(2,3)", "3,(4)", ["jump@2", "queue@3", "traceback@4"]],
  ["a wrong way back", "4,2,0", "4,1,0", ["traceback@5"]],
  ["a way back that stops early", "4,2,0", "4,2", ["traceback@5"]],
];
const answerWays = (lead: string): readonly Way[] => [
  ["an answer over an edge that is not there", `${lead}0,2,4`, `${lead}0,1,4`, ["rule@5"]],
  ["an answer that is longer than need be", `${lead}0,2,4`, `${lead}0,1,2,4`, ["traceback@5", "not-shortest@5"]],
  ["an answer that stops early", `${lead}0,2,4`, `${lead}0,2`, ["false-goal@5"]],
  ["an answer from elsewhere", `${lead}0,2,4`, `${lead}2,4`, ["rule@5"]],
];
const breadthFirst: Broken = {
  puzzle: graph,
  format: graphBfs,
  record: article,
  right: "<0,(1,2),1,(2,3),2,(4)-4,2,0>=0,2,4",
  ways: [
    ...bfsWays,
    ...answerWays(">="),
    ["a goal that is none", "2,(4)-4,2,0>=0,2,4", "2,(4)-3,1,0>=0,1,3", ["false-goal@5", "false-goal@5"]],
    ["another sign", "-4", "~4", ["format@5"]],
  ],
};
const breadthFirstArticle: Broken = {
  puzzle: graph,
  format: graphBfsArticle,
  record: article,
  right: "<0,(1, 2),1,(2, 3),2,(4) - 4,2,0> 0,2,4",
  ways: [...bfsWays.map(([name, part, by, errors]): Way => [name, listed(part), listed(by), errors]), ...answerWays("> ")],
};
/** The article writes a blank behind the commas of its lists. */
function listed(text: string): string {
  return text.replace(/\(.*?\)/g, (list) => list.replaceAll(",", ", "));
}

const graphAnswer: Broken = {
  puzzle: graph,
  format: graphPath,
  record: article,
  right: "0,2,4",
  ways: [
    ["an edge that is not there", "0,2,4", "0,3,4", ["neighbours@0"]],
    ["a longer way", "0,2,4", "0,1,2,4", ["not-shortest@3"]],
    ["a way that stops early", "0,2,4", "0,2", ["false-goal@1"]],
  ],
};

const fourByFour = { puzzle: "sudoku", grid: "23.4.....4.3.2.." };
const filled =
  "(1, 0) = 4\n(0, 2) = 1\n(1, 1) = 1\n(1, 3) = 2\n(1, 2) = 3\n(2, 0) = 1\n(2, 2) = 2\n(3, 0) = 3\n(3, 2) = 4\n(3, 3) = 1\nsolved";
const fillWays = (step: number): readonly Way[] => [
  [
    "a digit that stands in the row",
    "(0, 2) = 1",
    "(0, 2) = 4",
    [`rule@${step + 1}`, `rule@${step + 8}`, `false-goal@${step + 10}`],
  ],
  ["a cell that is filled", "(0, 2) = 1", "(0, 0) = 1", [`rule@${step + 1}`, `false-goal@${step + 10}`]],
  ["a cell left out", "(3, 3) = 1\n", "", [`false-goal@${step + 9}`]],
  ["no end", "solved", "", [`goal-missed@${step + 10}`]],
  ["a line less its digit", "(3, 3) = 1", "(3, 3) =", [`format@${step + 9}`]],
];
const guessing: Broken = {
  puzzle: sudoku,
  format: sudokuTrace,
  record: fourByFour,
  // With 1 in (1, 0) the cell (1, 1) has no candidate: 3, 4, 2 stand in its column, 1 beside it.
  right: `guess: (1, 0) [1, 4] = 1\nnocand\nrevert: (1, 0) = 1\n${filled}`,
  ways: [
    ...fillWays(1),
    ["a candidate that is excluded", "[1, 4]", "[1, 2, 4]", ["candidates@0"]],
    ["the right candidate missing", "[1, 4]", "[1]", ["candidates@0"]],
    ["a dead end gone on with", "nocand\n", "(0, 2) = 1\nnocand\n", ["dead-end-denied@1"]],
    ["a dead end that is none", "(1, 0) = 4\n", "(1, 0) = 4\nnocand\n", ["dead-end-invented@2"]],
    ["taking back what was never filled in", "revert: (1, 0) = 1", "revert: (1, 0) = 3", ["jump@1", "rule@1"]],
  ],
};
const filling: Broken = {
  puzzle: sudoku,
  format: sudokuPath,
  record: fourByFour,
  right: filled,
  ways: fillWays(0),
};

const aStar: Broken = {
  puzzle: maze,
  format: mazeAStar,
  // From (1, 0) to (2, 1): (0, 0) costs 1 + 3, (1, 1) and (2, 0) cost 1 + 1.
  record: { puzzle: "maze", width: 3, height: 2, walls: [[0, 1]], start: [1, 0], goal: [2, 1] },
  right: `create 1 0 c0 c2
close 1 0 c0 c2
create 0 0 c1 c3
create 1 1 c1 c1
create 2 0 c1 c1
close 1 1 c1 c1
create 2 1 c2 c0
close 2 1 c2 c0
plan 1 0
plan 1 1
plan 2 1
`,
  ways: [
    ["a wrong cost", "create 2 0 c1 c1", "create 2 0 c2 c1", ["state@2"]],
    ["a wrong estimate", "create 2 0 c1 c1", "create 2 0 c1 c2", ["state@2"]],
    ["a dearer cell first", "close 1 1 c1 c1", "close 0 0 c1 c3\nclose 1 1 c1 c1", ["queue@3"]],
    ["a closed cell closed again", "close 1 1 c1 c1", "close 1 0 c0 c2\nclose 1 1 c1 c1", ["revisit@3"]],
    ["a free cell not created", "create 2 0 c1 c1\n", "", ["neighbours@0"]],
    ["a cell created twice", "create 2 0 c1 c1\n", "create 2 0 c1 c1\ncreate 2 0 c1 c1\n", ["neighbours@0"]],
    ["a cell never created", "close 1 1 c1 c1", "close 2 1 c2 c0\nclose 1 1 c1 c1", ["jump@3"]],
    ["a plan through a wall", "plan 1 1\n", "plan 0 1\nplan 1 1\n", ["rule@4"]],
    ["a plan that leaps", "plan 1 1\n", "", ["rule@4"]],
    ["a plan that stops early", "plan 2 1\n", "", ["false-goal@4"]],
  ],
};
const mazePlan: Broken = {
  puzzle: maze,
  format: mazePath,
  record: aStar.record,
  right: "plan 1 0\nplan 1 1\nplan 2 1\n",
  ways: [
    ["a wall", "plan 1 1\n", "plan 1 1\nplan 0 1\nplan 1 1\n", ["rule@1"]],
    ["a plan that stops early", "plan 2 1\n", "", ["false-goal@1"]],
  ],
};

/** Every format of the house. */
export const brokenTraces: readonly Broken[] = [
  equations,
  wrongThenRight,
  streamOfSearch,
  winningPairs,
  pathOnly,
  breadthFirst,
  breadthFirstArticle,
  graphAnswer,
  guessing,
  filling,
  aStar,
  mazePlan,
];
