// A summary of the shape and size of the quickstart's, made by arithmetic, for all tests of src/report.
import type { Comparison, ReportExtras, SampleNode, SampleTree, SplitResult, Summary } from "../../src/report/model.ts";

export function split(n: number, solved: number, tokens: number): SplitResult {
  const accuracy = solved / n;
  const half = 1.96 * Math.sqrt((accuracy * (1 - accuracy)) / n);
  const failed = n - solved;
  const firstErrors = {
    arithmetic: Math.floor(failed * 0.45),
    "false-goal": Math.floor(failed * 0.25),
    "goal-missed": Math.floor(failed * 0.2),
    operand: failed - Math.floor(failed * 0.45) - Math.floor(failed * 0.25) - Math.floor(failed * 0.2),
  };
  return {
    n,
    solved,
    accuracy,
    interval: [Math.max(0, accuracy - half), Math.min(1, accuracy + half)],
    solvedUsingAll: solved - 7,
    tokensGenerated: { mean: tokens, median: tokens - 0.5, total: tokens * n },
    errors: firstErrors,
    firstErrors,
  };
}

export function comparison(first: string, second: string, name: string, onlyFirst: number, onlySecond: number): Comparison {
  const n = 500;
  const difference = (onlyFirst - onlySecond) / n;
  return {
    first,
    second,
    split: name,
    n,
    both: 200,
    onlyFirst,
    onlySecond,
    neither: n - 200 - onlyFirst - onlySecond,
    difference,
    interval: [difference - 0.03, difference + 0.03],
    pValue: Math.abs(difference) > 0.05 ? 0.00004 : 0.0921,
  };
}

function node(id: number, parent: number | null, text: string, kept: string, rest: Partial<SampleNode> = {}): SampleNode {
  return {
    id,
    parent,
    round: parent === null ? 0 : 1,
    text,
    full: kept + text,
    tokens: 24,
    score: -0.2 - id / 10,
    chosen: false,
    candidate: false,
    verdict: "",
    ...rest,
  };
}

export const wrongAnswer = "9-4=5\n5*3=16\nGoal Reached!";

export function sample(solved: boolean): SampleTree {
  const first = "9+4=13\n";
  return {
    arm: "base",
    policy: "b1",
    split: "unseen",
    problem: { puzzle: "countdown", numbers: [9, 4, 3], target: solved ? 39 : 16 },
    prompt: "Numbers: 9, 4, 3\nTarget: 39\n",
    solved,
    nodes: [
      node(0, null, `${first}13-4=9\n<backtrack>`, ""),
      node(1, null, "9*4=35\n<backtrack>", ""),
      node(2, 0, "13*3=39\nGoal Reached!", first, { candidate: true, chosen: solved, verdict: solved ? "solved" : "" }),
      node(3, 0, "13+3=16\n<script>alert(1)</script>", first),
      node(4, null, wrongAnswer, "", { candidate: true, chosen: !solved, verdict: solved ? "" : "arithmetic, false-goal" }),
    ],
    errors: solved ? [] : [{ kind: "arithmetic", step: 1, span: [6, 12], message: '5*3 is 15, not "16"' }],
  };
}

export const summary: Summary = {
  name: "quickstart",
  description: "Does backtracking beat direct answers on Countdown with three numbers, at equal budgets?",
  configDigest: "4f0c1d2e".repeat(8),
  createdAt: "2026-11-21T04:40:00.000Z",
  device: "cpu",
  dtype: "float32",
  flavour: "torch",
  arms: [
    {
      name: "base",
      settings: { seed: 42, puzzle: { kind: "countdown", numbers: 3 } },
      budget: {
        steps: 1100,
        examples: 70400,
        directExamples: 35200,
        backtrackExamples: 35200,
        tokens: 2182400,
        trainedTokens: 801000,
        parameters: 570240,
        finalLoss: 0.4312,
      },
      policies: {
        greedy: { seen: split(500, 212, 14.2), unseen: split(500, 205, 14.4) },
        b0: { seen: split(500, 281, 231), unseen: split(500, 277, 232.4) },
        b1: { seen: split(500, 303, 312.6), unseen: split(500, 298, 318.1) },
      },
      keys: { problems: "a".repeat(64), train: "b".repeat(64) },
    },
    {
      name: "dop-only",
      settings: { seed: 42 },
      budget: {
        steps: 1100,
        examples: 70400,
        directExamples: 70400,
        backtrackExamples: 0,
        tokens: 2350000,
        trainedTokens: 912000,
        parameters: 570240,
        finalLoss: 0.3121,
      },
      policies: {
        greedy: { seen: split(500, 252, 15.1), unseen: split(500, 249, 15.2) },
        "best-of-16": { seen: split(500, 290, 240.2), unseen: split(500, 283, 241) },
        b0: { seen: split(500, 301, 239.9), unseen: split(500, 292, 240.4) },
      },
      keys: { problems: "a".repeat(64), train: "c".repeat(64) },
    },
  ],
  comparisons: [
    comparison("base/greedy", "base/b0", "seen", 21, 90),
    comparison("base/b0", "base/b1", "seen", 20, 42),
    comparison("base/greedy", "base/b0", "unseen", 20, 92),
    comparison("base/b0", "base/b1", "unseen", 22, 43),
    comparison("base/b1", "dop-only/b0", "unseen", 61, 55),
  ],
  claims: [
    {
      name: "rollback-helps",
      statement: "base/b1 beats base/b0 by more than 1.0 points in accuracy on unseen",
      split: "unseen",
      verdict: "supported",
      required: true,
      explanation: "the whole interval lies above the margin of 1.0 points",
      comparison: comparison("base/b1", "base/b0", "unseen", 43, 12),
    },
    {
      name: "against-direct",
      statement: "base/b1 beats dop-only/b0 in accuracy on unseen",
      split: "unseen",
      verdict: "underpowered",
      required: false,
      explanation: "undecided; 80% takes 1480 problems",
      comparison: comparison("base/b1", "dop-only/b0", "unseen", 61, 55),
    },
  ],
  overlap: { "seen / unseen": 0, "train of base / seen": 0 },
  provenance: {
    code: { backtrail: "0.1.0", protocol: "1", node: "v20.20.2" },
    machine: { cpu: "2 cores of a server", cores: 2, memoryGiB: 8 },
    stages: [
      { stage: "problems", key: "a".repeat(64), digest: "d".repeat(64), seconds: 1.2 },
      { stage: "train base", key: "b".repeat(64), digest: null, seconds: 161 },
    ],
  },
  failures: [],
};

export const extras: ReportExtras = {
  losses: Object.fromEntries(
    ["base", "dop-only"].map((name, arm) => [
      name,
      Array.from({ length: 110 }, (_, index) => ({
        step: index * 10 + 10,
        loss: (arm === 0 ? 0.43 : 0.31) + 3 * Math.exp(-index / 14) + 0.04 * Math.sin(index),
      })),
    ]),
  ),
  samples: [sample(true), sample(false)],
};
