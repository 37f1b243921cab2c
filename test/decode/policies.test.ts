// Each policy and each quirk on cases worked out by hand, on a model that reads its completions from a table.
import { describe, expect, test } from "vitest";
import { type PolicySettings, policySettings } from "../../src/config/schema.ts";
import type { TestProblem } from "../../src/data/example.ts";
import type { Completion } from "../../src/decode/generator.ts";
import { type Attempt, type DecodeInputs, decode } from "../../src/decode/policies.ts";
import { deriveSeed64 } from "../../src/lib/rng.ts";
import { completion, encode, markers, type Script, ScriptedModel } from "./models.ts";

const problem: TestProblem = { id: "p1", split: "seen", problem: {}, prompt: "p:" };
const policy = (settings: object): PolicySettings => policySettings.parse(settings);

async function solve(script: Script, settings: object, changes: Partial<DecodeInputs> = {}) {
  const generator = new ScriptedModel(script);
  const attempts: Attempt[] = [];
  const onAttempt = (attempt: Attempt) => void attempts.push(attempt);
  await decode({
    generator,
    policy: policy(settings),
    name: "x",
    problems: [problem],
    markers,
    seed: 7,
    onAttempt,
    ...changes,
  });
  return { attempt: attempts[0] as Attempt, requests: generator.requests };
}

describe("greedy", () => {
  test("one completion at temperature 0 that ends at either marker", async () => {
    const { attempt, requests } = await solve({ "p:": [completion("a\nGoal!", -0.5)] }, { policy: "greedy" });
    expect(attempt).toMatchObject({
      problemId: "p1",
      split: "seen",
      policy: "x",
      chosen: 0,
      answer: "a\nGoal!",
      tokensGenerated: 3,
      prefixTokens: 2,
      generateCalls: 1,
      rounds: 0,
    });
    expect(requests.map(({ request }) => request)).toMatchObject([
      { temperature: 0, stops: ["Goal!", "<back>"], maxNewTokens: 98 },
    ]);
    expect(requests[0]?.request.seeds).toEqual([deriveSeed64(7, "decode", "p1", "", 0)]);
  });

  test("the end token counts as generated", async () => {
    const { attempt } = await solve({ "p:": [completion("ab", -0.5, "end")] }, { policy: "greedy" });
    expect(attempt.tokensGenerated).toBe(3);
    expect(attempt.completions[0]).toMatchObject({ tokens: 2, finish: "end" });
  });

  test("new tokens: the setting, but never beyond the context", async () => {
    const script = { "p:": [completion("a", -1)] };
    const budget = async (settings: object, context?: number) => {
      const { requests } = await solve(script, { policy: "greedy", ...settings }, context === undefined ? {} : { context });
      return requests[0]?.request.maxNewTokens;
    };
    expect(await budget({ maxNewTokens: 10 })).toBe(10);
    expect(await budget({ maxNewTokens: 500 })).toBe(98);
    expect(await budget({}, 20)).toBe(18);
    await expect(solve(script, { policy: "greedy" }, { context: 2 })).rejects.toMatchObject({ code: "context" });
  });
});

describe("best-of-n", () => {
  const script = {
    "p:": [completion("a\nGoal!", -0.6), completion("b", -0.2, "end"), completion("a\nGoal!", -0.6), completion("", 0, "end")],
  };
  const settings = { policy: "best-of-n", samples: 4 };

  test("likelihood: highest mean over tokens, goal or not; an empty response never wins", async () => {
    const { attempt } = await solve(script, settings);
    expect(attempt).toMatchObject({ chosen: 1, answer: "b" });
    expect(attempt.completions.map(({ meanLogprob }) => meanLogprob?.toFixed(3))).toEqual([
      "-0.600",
      "-0.200",
      "-0.600",
      undefined,
    ]);
    expect(attempt.completions.every(({ candidate }) => candidate)).toBe(true);
    expect(attempt.tokensGenerated).toBe(3 + 2 + 3 + 1);
  });

  test("the mean is over the response's own length, not over the sum", async () => {
    const { attempt } = await solve(
      { "p:": [completion("a", -0.5, "end"), completion("abc", -0.4, "end")] },
      { ...settings, samples: 2 },
    );
    expect(attempt.chosen).toBe(1);
  });

  test("vote: the most frequent response, its first sample", async () => {
    const { attempt } = await solve(script, { ...settings, select: "vote" });
    expect(attempt).toMatchObject({ chosen: 0, answer: "a\nGoal!" });
    expect(attempt.completions.map(({ score }) => score)).toEqual([2, 1, 2, 1]);
  });

  test("oracle: the first that is right; by likelihood when none is", async () => {
    const select = { ...settings, select: "oracle" };
    expect((await solve(script, select, { solves: (_, answer) => answer === "a\nGoal!" })).attempt.chosen).toBe(0);
    expect((await solve(script, select, { solves: () => false })).attempt.chosen).toBe(1);
    await expect(solve(script, select)).rejects.toThrow("solves");
  });
});

/** N = 4, so two states are rolled back: "a\n" (by samples 0 and 2) and "d\n"; sample 3 of the second state is the best. */
const tree: Script = {
  "p:": [
    completion("a\nb\n<back>", -0.1),
    completion("c\nGoal!", -0.5),
    completion("a\nc\n<back>", -0.1),
    completion("d\ne\n<back>", -0.3),
  ],
  "p:a\n": [completion("Goal!", -0.8), completion("f\nGoal!", -0.6), completion("b\n<back>", -0.1), completion("", 0, "end")],
  "p:d\n": [
    completion("<back>", -0.1),
    completion("g\n<back>", -0.1),
    completion("h", -0.1, "length"),
    completion("Goal!", -0.15),
  ],
};
type Completions = readonly [Completion, Completion, Completion, Completion];
const selfBacktrack = { policy: "self-backtrack", samples: 4, rounds: 1 };

describe("self-backtrack", () => {
  test("b = 0: expand and select", async () => {
    const { attempt, requests } = await solve(tree, { ...selfBacktrack, rounds: 0 });
    expect(requests).toHaveLength(1);
    expect(attempt).toMatchObject({
      chosen: 1,
      answer: "c\nGoal!",
      rounds: 0,
      generateCalls: 1,
      tokensGenerated: 5 + 3 + 5 + 5,
    });
    expect(attempt.completions.map(({ candidate }) => candidate)).toEqual([false, true, false, false]);
    expect(attempt.completions.some(({ rolledBack }) => rolledBack)).toBe(false);
  });

  test("b = 1: the whole tree by hand", async () => {
    const { attempt, requests } = await solve(tree, selfBacktrack);
    expect(requests.map(({ prefix }) => prefix)).toEqual(["p:", "p:a\n", "p:d\n"]);
    // Whole responses: a\nGoal! (-0.2 - 0.8) / 3, a\nf\nGoal! (-0.2 - 1.8) / 5, c\nGoal! -0.5, d\nGoal! (-0.6 - 0.15) / 3.
    const means = attempt.completions
      .filter(({ candidate }) => candidate)
      .map((node) => [node.id, node.response, node.meanLogprob?.toFixed(4)]);
    expect(means).toEqual([
      [1, "c\nGoal!", "-0.5000"],
      [4, "a\nGoal!", "-0.3333"],
      [5, "a\nf\nGoal!", "-0.4000"],
      [11, "d\nGoal!", "-0.2500"],
    ]);
    expect(attempt).toMatchObject({ chosen: 11, answer: "d\nGoal!", rounds: 1, generateCalls: 3, prefixTokens: 2 + 4 + 4 });
    expect(attempt.tokensGenerated).toBe(18 + (1 + 3 + 3 + 1) + (1 + 3 + 1 + 1));
    expect(attempt.completions.map(({ parent }) => parent)).toEqual([null, null, null, null, 0, 0, 0, 0, 3, 3, 3, 3]);
    expect(attempt.completions.filter(({ rolledBack }) => rolledBack).map(({ id }) => id)).toEqual([0, 3]);
    expect(attempt.completions[11]).toMatchObject({ round: 1, sample: 3, keptTokens: 2, text: "Goal!", tokens: 1 });
  });

  test("seeds: by problem, path of samples and sample; the policy's name and b enter none", async () => {
    const { requests } = await solve(tree, selfBacktrack);
    expect(requests.map(({ request }) => request.seeds[2])).toEqual(
      ["", "0", "3"].map((path) => deriveSeed64(7, "decode", "p1", path, 2)),
    );
    const other = await solve(tree, { ...selfBacktrack, rounds: 0 }, { name: "y" });
    expect(other.requests[0]?.request).toEqual(requests[0]?.request);
  });

  test("b = 2: states expanded before are skipped, so the search ends", async () => {
    // Round 1 asks back from "a\n" + "b\n" (kept "a\n", known), from "d\n" (kept "", the prompt) and "d\ng\n" (kept "d\n").
    const { attempt, requests } = await solve(tree, { ...selfBacktrack, rounds: 2 });
    expect(requests).toHaveLength(3);
    expect(attempt.rounds).toBe(1);
  });

  test("dedupe off: the same state is expanded again under seeds of its own", async () => {
    const { requests } = await solve(tree, { ...selfBacktrack, dedupe: false });
    expect(requests.map(({ prefix }) => prefix)).toEqual(["p:", "p:a\n", "p:a\n"]);
    expect(requests[1]?.request.seeds).not.toEqual(requests[2]?.request.seeds);
  });

  test("keep: a number in place of floor(sqrt(N))", async () => {
    const { requests } = await solve(tree, { ...selfBacktrack, keep: 1 });
    expect(requests.map(({ prefix }) => prefix)).toEqual(["p:", "p:a\n"]);
    const three = await solve({ "p:": tree["p:"] as never, "p:a\n": tree["p:a\n"] as never }, { ...selfBacktrack, samples: 3 });
    expect(three.requests.map(({ prefix }) => prefix)).toEqual(["p:", "p:a\n"]);
  });

  test("rollbackSteps: two steps from the second line is the prompt, which is known", async () => {
    expect((await solve(tree, { ...selfBacktrack, rollbackSteps: 2 })).requests).toHaveLength(1);
  });

  test("no candidate: the first completion of the last expansion", async () => {
    const [backFromA, , alsoFromA, backFromD] = tree["p:"] as unknown as Completions;
    const [, , again, ended] = tree["p:a\n"] as unknown as Completions;
    const lost = {
      "p:": [backFromA, completion("c", -1, "end"), alsoFromA, backFromD],
      "p:a\n": [again, ended, again, ended],
      "p:d\n": ["x", "y", "z", "w"].map((letter) => completion(letter, -1, "end")),
    };
    const { attempt } = await solve(lost, selfBacktrack);
    expect(attempt).toMatchObject({ chosen: 8, answer: "d\nx" });
    expect(attempt.completions.some(({ candidate }) => candidate)).toBe(false);
  });

  test("ties: the earlier round, then the earlier sample", async () => {
    const tied: Script = {
      "p:": [
        completion("a\nb\n<back>", -0.5),
        completion("c\nGoal!", -0.5),
        completion("d\nGoal!", -0.5),
        completion("e", -1, "end"),
      ],
      "p:a\n": ["x", "y", "z", "w"].map((letter) => completion(`${letter}\nGoal!`, -0.5)),
    };
    expect((await solve(tied, selfBacktrack)).attempt.chosen).toBe(1);
  });

  test("a format without a backtrack marker only expands and selects", async () => {
    const script = { "p:": [completion("c\nGoal!", -0.5), completion("d\nGoal!", -0.4)] };
    const { goal, stepDelimiter } = markers;
    const { attempt, requests } = await solve(script, { ...selfBacktrack, samples: 2 }, { markers: { goal, stepDelimiter } });
    expect(attempt.chosen).toBe(1);
    expect(requests[0]?.request.stops).toEqual(["Goal!"]);
  });
});

describe("quirks of the published decoder", () => {
  const quirky = (quirks: object) => ({ ...selfBacktrack, rounds: 0, quirks });
  const repeated: Script = {
    "p:": [
      completion("a\nGoal!", -0.3),
      completion("b\nGoal!", -0.5),
      completion("a\nGoal!", -0.3),
      completion("abcdefg", -0.1, "end"),
    ],
  };

  test("duplicates: keep-best by default; add-scores punishes the repeated answer", async () => {
    expect((await solve(repeated, quirky({}))).attempt.chosen).toBe(0);
    const { attempt } = await solve(repeated, quirky({ duplicates: "add-scores" }));
    expect(attempt.chosen).toBe(1);
    expect(attempt.completions.map(({ score }) => score?.toFixed(2))).toEqual(["-0.60", "-0.50", "-0.60", undefined]);
  });

  test("divisor: padded divides by the longest response of the expansion, which favours short answers", async () => {
    const script: Script = { "p:": [completion("abcd\nGoal!", -0.4), completion("b\nGoal!", -0.5)] };
    expect((await solve(script, { ...quirky({}), samples: 2 })).attempt.chosen).toBe(0);
    // -2.4 / 6 = -0.4 against -1.5 / 6 = -0.25.
    const { attempt } = await solve(script, { ...quirky({ divisor: "padded" }), samples: 2 });
    expect(attempt.chosen).toBe(1);
    expect(attempt.completions.map(({ score }) => score?.toFixed(2))).toEqual(["-0.40", "-0.25"]);
  });

  test("bothMarkers: accept takes a text with both, and so must not stop at either", async () => {
    const script: Script = { "p:": [completion("a\n<back>\nGoal!", -0.1, "end"), completion("b\nGoal!", -0.5, "end")] };
    const sound = await solve(script, { ...quirky({}), samples: 2 });
    expect(sound.attempt.chosen).toBe(1);
    const accepting = await solve(script, { ...quirky({ bothMarkers: "accept" }), samples: 2 });
    expect(accepting.attempt.chosen).toBe(0);
    expect(accepting.requests[0]?.request.stops).toEqual([]);
  });

  test("expansion: beam-sample is asked of the worker", async () => {
    expect((await solve(repeated, quirky({ expansion: "beam-sample" }))).requests[0]?.request.beams).toBe("beam-sample");
    expect((await solve(repeated, quirky({}))).requests[0]?.request.beams).toBe("independent");
  });
});

test("the kept part goes to the model as the tokens it had, not as text tokenised anew", async () => {
  const { requests } = await solve(tree, selfBacktrack);
  expect([...(requests[1]?.request.prefix ?? [])]).toEqual([...encode("p:a\n")]);
});
