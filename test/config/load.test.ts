// What a user reads when a config is wrong: the place, the key, what was found, what was expected. All of it at once.
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import { UserError } from "../../src/lib/errors.ts";
import type { CountdownOptions } from "../../src/puzzle/countdown.ts";

function problemsOf(text: string, overrides: readonly string[] = []): string[] {
  try {
    parseConfig(text, "x.yaml", overrides);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).code).toBe("config");
    return (error as UserError).message.split("\n");
  }
  return [];
}

const head = "name: x\npuzzle: {kind: countdown}\n";
const decode = "decode: {greedy: {policy: greedy}, b1: {policy: self-backtrack}}\n";
const withModel = (model: string) => `${head}model: ${model}\n${decode}`;
const good = withModel("{from: owner/model}");

describe("one wrong key", () => {
  it.each([
    [`${good}train:\n  learningrate: 1\n`, "x.yaml:6:3 train.learningrate: unknown key. Did you mean learningRate?"],
    [`${good}data: {train: {size: many}}\n`, 'x.yaml:5:22 data.train.size: expected a whole number above 0, found "many"'],
    [`${good}data: {train: {size: 0}}\n`, "x.yaml:5:22 data.train.size: expected a whole number above 0, found 0"],
    [
      `${good}data: {train: {backtrackShare: 2}}\n`,
      "x.yaml:5:32 data.train.backtrackShare: expected a number from 0 to 1, found 2",
    ],
    [`${good}train: {learningRate: .inf}\n`, "x.yaml:5:23 train.learningRate: expected a number above 0, found Infinity"],
    [
      `${good}data: {test: {sets: {seen: {size: 5}}}}\n`,
      "x.yaml:5:22 data.test.sets.seen: this name is taken. Choose another than train, seen, unseen, dev",
    ],
    [
      `${good}data: {test: {sets: {"a b": {size: 5}}}}\n`,
      "x.yaml:5:22 data.test.sets.a b: letters, digits, dots, dashes and underscores only",
    ],
    [`${good}train: {betas: [0.9, 2]}\n`, "x.yaml:5:22 train.betas.1: expected a number from 0 to 1, found 2"],
    [`${good}train: {betas: [0.9]}\n`, "x.yaml:5:16 train.betas: expected a list of 2, found [0.9]"],
    [`${good}train:\n`, "x.yaml:5:7 train: expected a map of keys, found nothing (null)"],
    [
      `${good}train: {schedule: cosin}\n`,
      'x.yaml:5:19 train.schedule: expected "cosine" or "linear" or "constant", found "cosin". Did you mean cosine?',
    ],
    [
      `${head}model: {from: a/b}\ndecode: {g: {policy: gredy}}\n`,
      'x.yaml:4:22 decode.g.policy: expected "greedy" or "best-of-n" or "self-backtrack", found "gredy". Did you mean greedy?',
    ],
    [
      `${head}model: {from: a/b}\ndecode: {g: {}}\n`,
      'x.yaml:4:13 decode.g.policy: missing: expected "greedy" or "best-of-n" or "self-backtrack"',
    ],
    [
      `${head}model: {from: a/b}\ndecode: {}\n`,
      "x.yaml:4:9 decode: no policy: give at least one, for example greedy: {policy: greedy}",
    ],
    [
      "puzzle: {kind: countdown}\nmodel: {from: a/b}\ndecode: {g: {policy: greedy}}\n",
      "x.yaml:1:1 name: missing: expected a text",
    ],
    [`${head}model: {from: a/b}\ndecode: {g/h: {policy: greedy}}\n`, /^x\.yaml:4:10 decode\.g\/h: not a name for a policy/],
    [
      `${head}model: {from: a/b}\ndecode: {g: {policy: best-of-n, engine: continuous}}\n`,
      /^x\.yaml:4:41 decode\.g\.engine: expected auto or reference for policy best-of-n/,
    ],
    [
      `${head}model: {from: a/b}\ndecode: {g: {policy: greedy, engine: reference, strict: true}}\n`,
      /^x\.yaml:4:\d+ decode\.g\.strict: strict is a mode of the engine auto, found engine reference/,
    ],
    [good.replace("kind: countdown", "kind: countdown, operands: [9, 2]"), /^x\.yaml:2:37 puzzle\.operands: .*first number/],
  ])("%s", (text, expected) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    if (typeof expected === "string") expect(problems[0]).toBe(expected);
    else expect(problems[0]).toMatch(expected);
  });
});

describe("the union of models gives one sensible answer", () => {
  it.each([
    [
      "{}",
      [
        "x.yaml:3:8 model: expected a map with from, or one with architecture, width, layers, heads, or one with preset; found {}",
      ],
    ],
    ["3", ["x.yaml:3:8 model: expected a map of keys, found 3"]],
    ["{from: a/b, dtype: bf17}", [/^x\.yaml:3:27 model\.dtype: .*found "bf17"\. Did you mean bf16\?$/]],
    ["{frm: a/b}", [/model/]],
    ["{from: a/b, width: 4}", [/^x\.yaml:3:20 model\.width: does not go with the other keys/]],
    ["{from: a/b, architecture: llama}", [/^x\.yaml:3:20 model\.architecture: does not go with the other keys/]],
    [
      "{from: a/b, backtrackToken: ad}",
      [/^x\.yaml:3:36 model\.backtrackToken: expected "add" or a map of keys, found "ad"\. Did you mean add\?$/],
    ],
    ["{architecture: llama, width: 64, layers: 2}", ["x.yaml:3:8 model.heads: missing: expected a whole number above 0"]],
    [
      "{architectur: llama, width: 64, layers: 1, heads: 1}",
      [/model\.architecture: missing/, "x.yaml:3:9 model.architectur: unknown key. Did you mean architecture?"],
    ],
  ])("%s", (model, expected) => {
    const problems = problemsOf(withModel(model));
    expect(problems).toHaveLength(expected.length);
    for (const [index, item] of expected.entries()) {
      if (typeof item === "string") expect(problems[index]).toBe(item);
      else expect(problems[index]).toMatch(item);
    }
  });
});

describe("the file as such", () => {
  it.each([
    ["", /^x\.yaml: the file is empty/],
    ["# nothing but a comment\n", /^x\.yaml: the file is empty/],
    ["- 1\n", /^x\.yaml:1:1 expected a map of keys .* found a list$/],
    ["hello\n", /^x\.yaml:1:1 expected a map of keys .* found "hello"$/],
    ["name: [1\nb: 2\n", /^x\.yaml:2:1 not valid YAML/],
    ["name: *nobody\n", /^x\.yaml: not valid YAML: Unresolved alias/],
    ["name: !!js/function x\n", /^x\.yaml:1:7 not valid YAML: Unresolved tag/],
    ["name: a\n---\nname: b\n", /^x\.yaml:2:1 not valid YAML/],
  ])("%j", (text, expected) => {
    expect(problemsOf(text)[0]).toMatch(expected);
  });

  it("refuses many aliases of aliases instead of filling the memory", () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) =>
        `a${level}: &a${level} [${Array(9)
          .fill(level === 0 ? "x" : `*a${level - 1}`)
          .join(",")}]`,
    );
    expect(problemsOf(`${levels.join("\n")}\n`)[0]).toMatch(/Excessive alias count/);
  });

  it("names a key that would be left out without a word", () => {
    const arms = `${good}sweep:\n  arms:\n    __proto__: {seed: 1}\n    other: {seed: 2}\n`;
    expect(problemsOf(arms)).toEqual(["x.yaml:7:5 __proto__ cannot be a key. Choose another name"]);
  });

  it("tells of a key given twice and of everything else too", () => {
    expect(problemsOf(`${good}seed: 1\nseed: 2\nsede: 3\n`)).toEqual([
      "x.yaml:6:1 seed: this key is given twice in the same map. Remove one",
      "x.yaml:7:1 sede: unknown key. Did you mean seed?",
    ]);
  });

  it("looks through anchors and aliases for the place", () => {
    expect(problemsOf(`${head}model: {from: a/b}\ndecode: {a: &p {policy: greedy, samples: 3}, b: *p}\n`)).toEqual([
      expect.stringMatching(/^x\.yaml:4:33 decode\.a\.samples: /),
      expect.stringMatching(/^x\.yaml:4:33 decode\.b\.samples: /),
    ]);
  });
});

it("tells all problems at once, in the order of the file, each once", () => {
  const text = `name: x
puzzle: {kind: countdwn}
data: {train: {depht: 1}}
model: {from: a/b}
decode: {b1: {policy: self-backtrack, keep: sqr}}
sweep:
  arms: {direct: {"data.train.backtrackShar": 0, workers.count: 2}}
  grid: {seed: [1, x, 2]}
claims:
  a: {compare: [b1, dirct/b1], expect: {}}
  b: {compare: [b1], expect: {}}
`;
  expect(problemsOf(text)).toEqual([
    'x.yaml:2:16 puzzle.kind: expected "countdown" or "sudoku" or "graph" or "maze" or "module", found "countdwn". Did you mean countdown?',
    "x.yaml:3:16 data.train.depht: unknown key. Did you mean depth?",
    'x.yaml:5:45 decode.b1.keep: expected "sqrt" or a whole number above 0, found "sqr". Did you mean sqrt?',
    "x.yaml:7:19 sweep.arms.direct.data.train.backtrackShar: data.train.backtrackShar: unknown key. Did you mean backtrackShare?",
    "x.yaml:7:50 sweep.arms.direct.workers.count: workers belongs to the whole file: a sweep cannot vary it",
    'x.yaml:8:20 sweep.grid.seed.1: seed: expected a whole number of at least 0, found "x"',
    "x.yaml:10:21 claims.a.compare.1: unknown arm dirct. There is: base, direct. Did you mean direct?",
    'x.yaml:11:16 claims.b.compare: expected a list of 2, found ["b1"]',
  ]);
});

describe("--set", () => {
  it("reads values as YAML and wins over the file", () => {
    const { file } = parseConfig(good, "x.yaml", [
      "data.train.size=7",
      "data.train.errors={rule: 0}",
      "train.steps=3",
      "puzzle.operands=[1, 5]",
    ]);
    expect(file.data.train).toMatchObject({ size: 7, errors: { exploration: 1, rule: 0 } });
    expect(file.train?.steps).toBe(3);
    expect((file.puzzle as CountdownOptions).operands).toEqual([1, 5]);
  });

  it("takes the dotted keys of grids and arms whole, and null removes", () => {
    const sets = ["sweep.grid.data.train.backtrackShare=[0.1, 0.2]", "sweep.arms.two.data.train.size=9", "decode.b1=null"];
    const { arms } = parseConfig(good, "x.yaml", sets);
    expect(arms.map((arm) => arm.name)).toEqual([
      "base/backtrackShare=0.1",
      "base/backtrackShare=0.2",
      "two/backtrackShare=0.1",
      "two/backtrackShare=0.2",
    ]);
    expect(Object.keys(arms[0]?.settings.decode ?? {})).toEqual(["greedy"]);
    expect(arms[3]?.settings.data.train).toMatchObject({ size: 9, backtrackShare: 0.2 });
  });

  it.each([
    ["data.train.size=many", '--set data.train.size: expected a whole number above 0, found "many"'],
    ["sede=1", "--set sede: unknown key. Did you mean seed?"],
    ["nonsense", "--set nonsense: expected key=value, for example --set train.steps=100"],
    ["=1", "--set =1: expected key=value, for example --set train.steps=100"],
    ["seed=[1", /^--set seed=\[1: the value is not valid YAML/],
    ["decode.b2=null", "--set decode.b2=null removes a key that is not there"],
    [
      "model={preset: llama-50m, backtrackToken: {reserved: '<|r0|>'}}",
      "--set model.backtrackToken: a model from scratch has <backtrack> from its format: a reserved token is one of a published model (model.from)",
    ],
    ["puzzle={kind: graph, family: ring}", '--set puzzle.family: expected "random" or "layered" or "star", found "ring"'],
  ])("%s", (override, expected) => {
    const [first] = problemsOf(good, [override]);
    if (typeof expected === "string") expect(first).toBe(expected);
    else expect(first).toMatch(expected);
  });

  it.each(["__proto__.polluted=1", "data.__proto__.polluted=1", "constructor.prototype.polluted=1"])(
    "%s cannot reach into prototypes",
    (override) => {
      expect(problemsOf(good, [override])).not.toEqual([]);
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    },
  );
});
