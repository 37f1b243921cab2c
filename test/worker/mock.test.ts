// The mock's parts without a process: tokenizer, oracle, generation.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import type { Params } from "../../src/protocol/primitives.ts";
import { countdown } from "../../src/puzzle/countdown.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { tokenizerJson } from "../../src/trace/tokenizer.ts";
import { loadMockModel, saveMockModel } from "../../src/worker/mock/checkpoint.ts";
import { completeMock } from "../../src/worker/mock/generate.ts";
import { continueText } from "../../src/worker/mock/oracle.ts";
import { MockTokenizer, readTokenizerFile, withToken } from "../../src/worker/mock/tokenizer.ts";
import { tinyModel, tokenizerDirectory } from "./helpers.ts";

const file = readTokenizerFile(tokenizerJson(selfBacktracking.vocabulary));
const tokenizer = new MockTokenizer(file);
const options = { kind: "countdown", numbers: 4, operands: [1, 20], targets: [10, 50], holdOutTargets: 0 } as const;
const problemOf = (seed: number) =>
  countdown.generate(Rng.for(seed, "problem"), { ...options, operands: [1, 20], targets: [10, 50] });

describe("tokenizer", () => {
  it("matches the longest piece and restores every text of the format", () => {
    const text = `${selfBacktracking.prompt(problemOf(1))}3+4=7\nGoal Reached!<backtrack>`;
    const { tokens, ends } = tokenizer.encode(text);
    expect(tokenizer.decode(tokens)).toBe(text);
    expect(ends.at(-1)).toBe(text.length);
    expect(tokens).toContain(tokenizer.id("Goal Reached!"));
    expect(tokenizer.encode("a\u{1f600}b")).toEqual({ tokens: [2, 2, 2], ends: [1, 3, 4] });
  });

  it("adds a token once, and can put it in the place of a reserved one", () => {
    expect(withToken(file, "<backtrack>", undefined)).toBe(file);
    const added = new MockTokenizer(withToken(file, "<new>", undefined));
    expect(added.id("<new>")).toBe(tokenizer.size);
    const reserved = new MockTokenizer(withToken(file, "<new>", "<backtrack>"));
    expect(reserved.id("<new>")).toBe(tokenizer.id("<backtrack>"));
    expect(reserved.size).toBe(tokenizer.size);
    expect(() => withToken(file, "<new>", "<absent>")).toThrow(/no token "<absent>"/);
  });
});

describe("oracle", () => {
  const complete = (seed: number, noise: { rightStep: number; backtrack: number }, mayBacktrack = true, response = "") =>
    continueText(selfBacktracking.prompt(problemOf(seed)) + response, Rng.for(seed, "oracle"), noise, mayBacktrack)
      .map(({ text }) => text)
      .join("");

  it("always solves without noise, also from the middle of a line", () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.nat(12), (seed, cut) => {
        const whole = complete(seed, { rightStep: 1, backtrack: 1 });
        const begun = whole.slice(0, Math.min(cut, whole.indexOf("\n") + 1));
        const rest = complete(seed, { rightStep: 1, backtrack: 1 }, true, whole.slice(0, whole.indexOf("\n") + 1));
        expect(rest.endsWith("Goal Reached!")).toBe(true);
        const problem = problemOf(seed);
        const { events, errors } = selfBacktracking.parse(problem, whole);
        expect(errors).toEqual([]);
        let state = countdown.root(problem);
        for (const event of events) {
          if (event.kind !== "generate") continue;
          const applied = countdown.apply(problem, state, event.action);
          if (!applied.ok) throw new Error(applied.violation.message);
          state = applied.state;
        }
        expect(state).toEqual([problem.target]);
        expect(complete(seed, { rightStep: 1, backtrack: 1 }, true, begun)).not.toBe("");
      }),
      { numRuns: 60 },
    );
  });

  it("backtracks only when the model has seen the marker, and keeps to the grammar", () => {
    const texts = (may: boolean) =>
      Array.from({ length: 200 }, (_, seed) => complete(seed, { rightStep: 0.3, backtrack: 0.8 }, may));
    const withMarker = texts(true).filter((text) => text.endsWith("<backtrack>")).length;
    expect(withMarker).toBeGreaterThan(100);
    expect(texts(false).some((text) => text.includes("<backtrack>"))).toBe(false);
    for (const text of texts(true)) expect(selfBacktracking.parse(problemOf(0), text).errors).toEqual([]);
  });

  it("has nothing to say after an end mark or to a text that is no prompt", () => {
    expect(complete(1, { rightStep: 1, backtrack: 0 }, true, "Goal Reached!")).toBe("");
    expect(continueText("hello", Rng.for(1), { rightStep: 1, backtrack: 0 }, true)).toEqual([]);
  });
});

describe("checkpoint", () => {
  it("takes away what a killed worker left of it, and nothing else", async () => {
    const folder = mkdtempSync(join(tmpdir(), "backtrail-mock-"));
    try {
      for (const left of ["checkpoint-2.17.tmp", "checkpoint-20.17.tmp"]) mkdirSync(join(folder, left));
      await saveMockModel(await loadMockModel(tinyModel(tokenizerDirectory())), join(folder, "checkpoint-2"), true);
      expect(readdirSync(folder).sort()).toEqual(["checkpoint-2", "checkpoint-20.17.tmp"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("generation", async () => {
  const noise = { rightStep: 0.6, backtrack: 0.5 };
  const params = { temperature: 0.7, stops: ["Goal Reached!", "<backtrack>"] } as Params<"generate">;
  const prefix = tokenizer.encode(selfBacktracking.prompt(problemOf(3))).tokens;
  const load = () => loadMockModel(tinyModel(tokenizerDirectory()));

  it("is a function of seed and prefix; greedy of the prefix alone", async () => {
    const model = await load();
    const tokens = (seed: [number, number], temperature = 0.7) =>
      completeMock(model, { prefix, seed, budget: 60 }, { ...params, temperature }, noise).tokens;
    expect(tokens([1, 2])).toEqual(tokens([1, 2]));
    expect(new Set(Array.from({ length: 20 }, (_, index) => tokens([index, 0]).join())).size).toBeGreaterThan(5);
    expect(tokens([1, 2], 0)).toEqual(tokens([3, 4], 0));
  });

  it("ends by stop, by budget and by context, and says which; character ends fit the text", async () => {
    const model = await load();
    const stopped = completeMock(model, { prefix, seed: [1, 2], budget: 60 }, { ...params, stops: ["\n"] }, noise);
    expect(stopped.finish).toBe(0);
    expect(stopped.text).toMatch(/^[^\n]+\n$/);
    expect(stopped.ends.at(-1)).toBe(stopped.text.length);
    expect(completeMock(model, { prefix, seed: [1, 2], budget: 3 }, params, noise)).toMatchObject({
      finish: 2,
      tokens: { length: 3 },
    });
    const long = { ...model, info: { ...model.info, context: prefix.length + 2 } };
    expect(completeMock(long, { prefix, seed: [1, 2], budget: 60 }, params, noise)).toMatchObject({
      finish: 3,
      tokens: { length: 2 },
    });
    expect(completeMock(model, { prefix: [2], seed: [1, 2], budget: 60 }, params, noise)).toMatchObject({
      finish: 1,
      tokens: [],
    });
  });
});
