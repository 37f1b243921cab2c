import { describe, expect, it } from "vitest";
import { selfBacktrackingData, testDataSettings } from "../../src/config/dataSettings.ts";
import type { Example } from "../../src/data/example.ts";
import { exampleCounts, questionDraws } from "../../src/data/examples.ts";
import { overlap, testProblems, trainExamples } from "../../src/data/make.ts";
import { recipeFor } from "../../src/data/recipe.ts";
import { splitOf } from "../../src/data/splits.ts";
import { type CountdownAction, type CountdownState, countdown, countdownOptions } from "../../src/puzzle/countdown.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { grade } from "../../src/trace/grader.ts";

function settingsOf(puzzle: object, train: object) {
  return {
    puzzle: countdownOptions.parse({ kind: "countdown", ...puzzle }),
    train: selfBacktrackingData.parse({ format: "self-backtracking", ...train }),
  };
}
const three = settingsOf({ numbers: 3, operands: [1, 20], targets: [10, 60] }, { size: 1200 });
const four = settingsOf({ numbers: 4 }, { size: 400 });
const trained = (example: Example) => example.spans.map(([from, to]) => example.response.slice(from, to)).join("|");
const linesOf = (example: Example) => example.response.split("\n").slice(0, -1);
const verdictOf = (example: Example) =>
  grade(selfBacktracking, countdown, countdown.readProblem(example.problem), example.response);

/** Brute force without the fast solver: whether some sequence of legal steps makes the target appear in the pool. */
function canWin(target: number, pool: CountdownState): boolean {
  const problem = { puzzle: "countdown" as const, numbers: pool, target };
  if (pool.includes(target)) return true;
  return countdown.actions(problem, pool).some((action) => {
    const applied = countdown.apply(problem, pool, action);
    return applied.ok && canWin(target, applied.state);
  });
}

/** The pools before and after the last step of an example, by the grader-independent rules. */
function poolsOf(example: Example): { before: CountdownState; after: CountdownState; last: CountdownAction; target: number } {
  const problem = countdown.readProblem(example.problem);
  const { events } = selfBacktracking.parse(problem, example.response);
  const actions = events.flatMap((event) => (event.kind === "generate" ? [event.action] : []));
  let before: CountdownState = [];
  let after = countdown.root(problem);
  for (const action of actions) {
    before = after;
    after = countdown.applyAsClaimed(problem, before, action);
  }
  return { before, after, last: actions.at(-1) as CountdownAction, target: problem.target };
}

describe.each([
  ["three numbers", three],
  ["four numbers", four],
])("examples of %s", (_name, settings) => {
  const examples = [...trainExamples(settings, 11)];
  const direct = examples.filter((example) => example.origin === "optimal");
  const back = examples.filter((example) => example.origin !== "optimal");

  it("are half direct, half backtracking, on the same questions", () => {
    expect(direct).toHaveLength(settings.train.size / 2);
    expect(back.map((example) => example.prompt)).toEqual(direct.map((example) => example.prompt));
    expect(new Set(examples.map((example) => example.id)).size).toBe(examples.length);
  });

  it("direct ones are solved with all numbers and trained whole", () => {
    for (const example of direct) {
      expect(verdictOf(example)).toMatchObject({ solved: true, allUsed: true, errors: [] });
      expect(trained(example)).toBe(example.response);
      expect(example.trainEnd).toBe(true);
    }
  });

  it("backtracking ones are right up to the wrong line, which has exactly the error its origin names", () => {
    const kindOf: Record<string, string[]> = { exploration: [], arithmetic: ["arithmetic"], rule: ["operand"] };
    for (const example of back) {
      const { errors, stats, solved } = verdictOf(example);
      const wrong = errors.filter((error) => error.kind !== "goal-missed");
      expect(wrong.map((error) => error.kind)).toEqual(kindOf[example.origin]);
      for (const error of wrong) expect(error.step).toBe(stats.steps - 1);
      expect(errors.at(-1)?.kind).toBe("goal-missed");
      expect(solved).toBe(false);
      expect(stats.backtracks).toBe(1);
    }
  });

  it("explorations leave a state that can be won for one that cannot, by brute force", () => {
    const explorations = back.filter((example) => example.origin === "exploration");
    expect(explorations.length).toBeGreaterThan(20);
    for (const example of explorations) {
      const { before, after, target } = poolsOf(example);
      expect(canWin(target, before)).toBe(true);
      expect(canWin(target, after)).toBe(false);
    }
  });

  it("rule breaks are right as equations, results are never negative", () => {
    for (const example of back) {
      const { before, last } = poolsOf(example);
      expect(last.result).toBeGreaterThanOrEqual(0);
      if (example.origin !== "rule") continue;
      const own = [last.left, last.right].sort((a, b) => b - a);
      expect(countdown.apply({ puzzle: "countdown", numbers: own, target: 1 }, own, last).ok).toBe(true);
      expect(before.includes(last.left) && before.includes(last.right) && last.left !== last.right).toBe(false);
    }
  });

  it("train the right lines and the mark, not the wrong line with its newline", () => {
    for (const example of back) {
      const lines = linesOf(example).slice(0, -1);
      const prefix = lines.map((line) => `${line}\n`).join("");
      expect(trained(example)).toBe(prefix === "" ? "<backtrack>" : `${prefix}|<backtrack>`);
      expect(example.response.endsWith("<backtrack>")).toBe(true);
    }
  });

  it("come from the training split alone", () => {
    for (const example of examples) expect(splitOf(settings.puzzle, countdown.readProblem(example.problem))).toBe("train");
  });

  it("depend on their index and the seed alone, in whatever order they are made", () => {
    const recipe = recipeFor({ ...settings, seed: 11 });
    const backwards = examples.map((_, index) => recipe.make(examples.length - 1 - index)).reverse();
    expect(JSON.stringify(backwards)).toBe(JSON.stringify(examples));
    expect(recipeFor({ ...settings, seed: 12 }).make(0)).not.toEqual(examples[0]);
  });
});

describe("settings", () => {
  it("kinds follow their weights, depths are uniform", () => {
    const examples = [...trainExamples(settingsOf({ numbers: 4 }, { size: 2000, backtrackShare: 1 }), 5)];
    const count = (origin: string) => examples.filter((example) => example.origin === origin).length / examples.length;
    expect(Math.abs(count("exploration") - 0.2)).toBeLessThan(0.04);
    expect(Math.abs(count("arithmetic") - 0.4)).toBeLessThan(0.05);
    expect(Math.abs(count("rule") - 0.4)).toBeLessThan(0.05);
    for (const steps of [1, 2, 3]) {
      const share = examples.filter((example) => linesOf(example).length === steps).length / examples.length;
      expect(Math.abs(share - 1 / 3)).toBeLessThan(0.05);
    }
  });

  it("one kind alone, at one depth", () => {
    const settings = settingsOf(
      { numbers: 4 },
      { size: 200, backtrackShare: 1, errors: { exploration: 0, arithmetic: 1, rule: 0 }, depth: 2 },
    );
    for (const example of trainExamples(settings, 5)) {
      expect(example.origin).toBe("arithmetic");
      expect(linesOf(example)).toHaveLength(3);
    }
  });

  it("a depth beyond the last step is refused by its key", () => {
    expect(() => recipeFor({ ...settingsOf({ numbers: 3 }, { depth: 2 }), seed: 1 })).toThrowError(
      /data\.train\.depth: 2 is beyond the last step.*steps 0 to 1/,
    );
  });

  it.each([
    [
      { size: 10, backtrackShare: 0.5 },
      { direct: 5, backtracking: 5, questions: 5 },
    ],
    [
      { size: 10, backtrackShare: 0 },
      { direct: 10, backtracking: 0, questions: 10 },
    ],
    [
      { size: 10, backtrackShare: 1 },
      { direct: 0, backtracking: 10, questions: 10 },
    ],
    [
      { size: 10, backtrackShare: 0.67 },
      { direct: 3, backtracking: 7, questions: 3 },
    ],
  ])("%j makes %j", (train, counts) => {
    expect(exampleCounts(train)).toEqual(counts);
  });

  it("more backtracking than direct examples go round the questions, with other wrong actions", () => {
    const settings = settingsOf({ numbers: 4 }, { size: 10, backtrackShare: 0.8 });
    const examples = [...trainExamples(settings, 5)];
    expect(examples.map((example) => example.prompt)).toEqual(
      Array.from({ length: 10 }, (_, index) => examples[index % 2]?.prompt),
    );
    expect(new Set(examples.slice(2).map((example) => example.response)).size).toBeGreaterThan(4);
  });
});

// Small spaces, so that draws repeat; one of three numbers is enumerated, one of five is not.
describe.each([
  ["an enumerated space", { numbers: 3, operands: [1, 9], targets: [10, 29] }],
  ["a space too large to enumerate", { numbers: 5, operands: [1, 4], targets: [10, 29] }],
])("distinct questions of %s", (_name, narrow) => {
  const settings = settingsOf(narrow, { size: 300, distinct: true });
  const repeating = settingsOf(narrow, { size: 300 });
  const keysOf = (examples: Example[]) =>
    examples.map((example) => countdown.canonicalKey(countdown.readProblem(example.problem)));

  it("repeat in no direct example, are shared by the backtracking ones, and are of the training split", () => {
    const examples = [...trainExamples(settings, 5)];
    const keys = keysOf(examples.filter(({ origin }) => origin === "optimal"));
    expect(new Set(keys).size).toBe(150);
    expect(keysOf(examples.filter(({ origin }) => origin !== "optimal"))).toEqual(keys);
    for (const { problem } of examples) expect(splitOf(settings.puzzle, countdown.readProblem(problem))).toBe("train");
    expect(new Set(keysOf([...trainExamples(repeating, 5)].slice(0, 150))).size).toBeLessThan(150);
  });

  it("are the draws that questionDraws gives", () => {
    const draws = questionDraws({ ...settings, seed: 5 }, {});
    expect(draws).toHaveLength(150);
    expect(draws?.every((draw, index) => index === 0 || draw > (draws[index - 1] as number))).toBe(true);
    expect(questionDraws({ ...repeating, seed: 5 }, {})).toBeUndefined();
  });
});

it("distinct questions that are not enumerated are those of the same set without `distinct`, repeats left out", () => {
  const narrow = { numbers: 5, operands: [1, 4], targets: [10, 29] };
  const problemsOf = (train: object) =>
    [...trainExamples(settingsOf(narrow, { backtrackShare: 0, ...train }), 5)].map(({ problem }) => problem);
  const firsts = new Map<string, unknown>();
  for (const problem of problemsOf({ size: 150 })) {
    const key = countdown.canonicalKey(countdown.readProblem(problem));
    if (!firsts.has(key)) firsts.set(key, problem);
  }
  expect(firsts.size).toBeLessThan(150);
  expect(problemsOf({ size: 100, distinct: true })).toEqual([...firsts.values()].slice(0, 100));
});

describe("test problems", () => {
  const test = testDataSettings.parse({ seen: 40, unseen: 30, dev: 20 });
  const problems = testProblems({ puzzle: three.puzzle, test, format: "self-backtracking" }, 11);

  it("are as many as asked of each split, disjoint from training and from each other", () => {
    const of = (split: string) => problems.filter((problem) => problem.split === split);
    expect([of("seen").length, of("unseen").length, of("dev").length]).toEqual([40, 30, 20]);
    const examples = [...trainExamples(three, 11)];
    expect(overlap(problems, examples)).toBe(0);
    expect(overlap(of("seen"), of("unseen"))).toBe(0);
    expect(overlap(of("seen"), of("dev"))).toBe(0);
    expect(overlap(problems, problems)).toBe(90);
    for (const problem of problems) expect(splitOf(three.puzzle, countdown.readProblem(problem.problem))).toBe(problem.split);
  });

  it("overlap sees the same problem in another order", () => {
    const a = [{ problem: { puzzle: "countdown", numbers: [1, 2, 3], target: 6 } }];
    const b = [{ problem: { puzzle: "countdown", numbers: [3, 1, 2], target: 6 } }];
    expect(overlap(a, b)).toBe(1);
  });

  it("carry their prompt and a name that says the split", () => {
    expect(problems[0]?.id).toBe("seen-00000");
    expect(selfBacktracking.readPrompt(problems[0]?.prompt ?? "")?.problem).toEqual(problems[0]?.problem);
  });
});

describe("golden", () => {
  it("the first examples of a seed, read by hand; a change is a new data version", () => {
    const golden = settingsOf({ numbers: 3, operands: [1, 20], targets: [10, 60] }, { size: 6 });
    expect(
      [...trainExamples(golden, 1)].map(({ prompt, response, origin }) => [prompt.split("\n")[0], response, origin]),
    ).toMatchInlineSnapshot(`
      [
        [
          "###Question: numbers [2, 13, 2]->target 30",
          "13+2=15
      15*2=30
      Goal Reached!",
          "optimal",
        ],
        [
          "###Question: numbers [2, 11, 16]->target 19",
          "16/2=8
      11+8=19
      Goal Reached!",
          "optimal",
        ],
        [
          "###Question: numbers [20, 13, 2]->target 23",
          "20/2=10
      13+10=23
      Goal Reached!",
          "optimal",
        ],
        [
          "###Question: numbers [2, 13, 2]->target 30",
          "2-2=7
      <backtrack>",
          "arithmetic",
        ],
        [
          "###Question: numbers [2, 11, 16]->target 19",
          "8/2=4
      <backtrack>",
          "rule",
        ],
        [
          "###Question: numbers [20, 13, 2]->target 23",
          "13*12=156
      <backtrack>",
          "rule",
        ],
      ]
    `);
  });
});
