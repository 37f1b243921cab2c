// From one file to its arms; claims that name them; settings that cannot go together.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseConfig, parseDataConfig } from "../../src/config/load.ts";
import { loadModulesOf } from "../../src/config/moduleLoader.ts";
import type { UserError } from "../../src/lib/errors.ts";
import { buildPlan } from "../../src/plan/plan.ts";

const read = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8");
const head =
  "name: x\npuzzle: {kind: countdown}\nmodel: {from: a/b}\ndecode: {greedy: {policy: greedy}, b1: {policy: self-backtrack}}\n";
const arms = (text: string) => parseConfig(head + text, "x.yaml").arms;
const names = (text: string) => arms(text).map((arm) => arm.name);

function problemsOf(text: string): string[] {
  try {
    parseConfig(text, "x.yaml");
  } catch (error) {
    return (error as UserError).message.split("\n");
  }
  return [];
}

describe("arms", () => {
  it("without a sweep there is one, called base", () => {
    expect(names("")).toEqual(["base"]);
    expect(arms("")[0]?.coordinates).toEqual({ arm: "base" });
  });

  it("a named arm is the base with its keys overridden; null removes a key", () => {
    const [base, direct] = arms(
      `sweep: {base: full, arms: {direct: {data.train.backtrackShare: 0, decode.b1: null, "decode.best": {policy: best-of-n, samples: 4}}}}\n`,
    );
    expect(base?.name).toBe("full");
    expect(base?.settings.data.train).toMatchObject({ backtrackShare: 0.5 });
    expect(direct?.settings.data.train).toEqual({ ...base?.settings.data.train, backtrackShare: 0 });
    expect(direct?.settings.decode).toEqual({
      greedy: base?.settings.decode.greedy,
      best: { policy: "best-of-n", samples: 4, temperature: 0.7, select: "likelihood" },
    });
  });

  it("overrides apply to what is written, so that defaults follow them", () => {
    const [, other] = arms(`sweep: {arms: {other: {decode.b1: {policy: best-of-n}}}}\n`);
    expect(other?.settings.decode.b1).toMatchObject({ policy: "best-of-n", samples: 16 });
  });

  it("the grid is crossed with each, but for axes that an arm sets itself", () => {
    const text = `sweep:\n  grid: {data.train.backtrackShare: [0.3, 0.6], seed: [1, 2]}\n  arms: {direct: {data.train.backtrackShare: 0}, small: {data.train: {size: 9}}}\n`;
    expect(names(text)).toEqual([
      "base/backtrackShare=0.3/seed=1",
      "base/backtrackShare=0.3/seed=2",
      "base/backtrackShare=0.6/seed=1",
      "base/backtrackShare=0.6/seed=2",
      "direct/seed=1",
      "direct/seed=2",
      "small/seed=1",
      "small/seed=2",
    ]);
    expect(arms(text)[3]).toMatchObject({
      coordinates: { arm: "base", "data.train.backtrackShare": 0.6, seed: 2 },
      settings: { seed: 2 },
    });
  });

  it("axes that end alike are named in full", () => {
    expect(names("sweep: {grid: {data.test.seen: [5], data.train.size: [7]}}\n")).toEqual(["base/seen=5/size=7"]);
    expect(names("sweep: {grid: {decode.greedy.maxNewTokens: [5], decode.b1.maxNewTokens: [7]}}\n")).toEqual([
      "base/decode.greedy.maxNewTokens=5/decode.b1.maxNewTokens=7",
    ]);
  });

  it("a named arm that equals a point of the base stays, so that claims can name it", () => {
    expect(
      names(
        "sweep: {grid: {seed: [1, 2]}, arms: {first: {seed: 1}}}\nclaims: {a: {compare: [b1, first/greedy], expect: {}}}\n",
      ),
    ).toEqual(["base/seed=1", "base/seed=2", "first"]);
  });

  it.each([
    ["arms: {base: {seed: 1}}", /sweep\.arms\.base: the base arm is called base too/],
    ["arms: {a/b: {seed: 1}}", /sweep\.arms\.a\/b: not a name for an arm/],
    [
      "arms: {a: {decode.b2: null}}",
      /^x\.yaml:5:20 sweep\.arms\.a\.decode\.b2: null removes decode\.b2, but it is not there\. Did you mean b1\?$/,
    ],
    ["arms: {a: {sede: 1}}", /sede is not a setting of an arm\. Did you mean seed\?$/],
    ["arms: {a: {claims: {}}}", /claims belongs to the whole file/],
    ["arms: {a: {data.__proto__.x: 1}}", /is not a key/],
    [
      "arms: {a: {seed.x: 1}}",
      /^x\.yaml:5:28 sweep\.arms\.a\.seed\.x: seed: expected a whole number of at least 0, found \{"x":1\}$/,
    ],
    ["grid: {seed: []}", /sweep\.grid\.seed: expected a list of at least 1, found \[\]$/],
    [
      `grid: {seed: [${Array.from({ length: 101 }, (_, i) => i)}], data.train.size: [${Array.from({ length: 101 }, (_, i) => i + 1)}]}`,
      /make 10201 combinations; at most 10000/,
    ],
  ])("refuses %s", (sweep, expected) => {
    const problems = problemsOf(`${head}sweep: {${sweep}}\n`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(expected);
  });
});

describe("claims", () => {
  const claim = (compare: string, on = "unseen", more = "") =>
    problemsOf(
      `${head}${more}sweep: {arms: {direct: {decode.b1: null}}, grid: {seed: [1, 2]}}\nclaims:\n  c: {on: ${on}, compare: [${compare}], expect: {}}\n`,
    );

  it.each(["b1, greedy", "b1, direct/greedy", "base/b1, direct/seed=1/greedy"])("accepts %s", (compare) => {
    expect(claim(compare)).toEqual([]);
  });

  it.each([
    ["b1, dirct/greedy", "claims.c.compare.1: unknown arm dirct. There is: base, direct. Did you mean direct?"],
    ["b1, direct/b1", "claims.c.compare.1: arm direct/seed=1 has no policy b1. It has: greedy"],
    ["b2, greedy", "claims.c.compare.0: arm base/seed=1 has no policy b2. It has: greedy, b1. Did you mean b1?"],
    ["b1, base/b1", "claims.c.compare: base/b1 is compared with itself"],
  ])("refuses %s", (compare, expected) => {
    expect(claim(compare).map((line) => line.replace(/^x\.yaml:7:\d+ /, ""))).toEqual([expected]);
  });

  it("refuses a split that is not there or has no problems", () => {
    expect(claim("b1, greedy", "unsen")[0]).toMatch(/claims\.c\.on: unknown split unsen\. .* Did you mean unseen\?$/);
    expect(claim("b1, greedy", "dev")[0]).toMatch(/claims\.c\.on: split dev has no problems: set data\.test\.dev$/);
    expect(claim("b1, greedy", "seen", "data: {test: {seen: 0}}\n")[0]).toMatch(/split seen has no problems/);
    expect(claim("b1, greedy", "dev", "data: {test: {dev: 5}}\n")).toEqual([]);
  });

  it("refuses the split of held-out targets where the puzzle has none, also by default", () => {
    const graph = (on: string) =>
      problemsOf(
        `name: x\npuzzle: {kind: graph}\ndata: {train: {format: bfs}}\nmodel: {from: a/b}\ndecode: {a: {policy: greedy}, b: {policy: best-of-n}}\nclaims:\n  c: {compare: [b, a]${on}, expect: {}}\n`,
      );
    for (const on of ["", ", on: unseen"])
      expect(graph(on)).toEqual([
        expect.stringMatching(/claims\.c\.on: split unseen has no problems: only countdown holds targets out/),
      ]);
    expect(graph(", on: seen")).toEqual([]);
  });
});

describe("settings that cannot go together", () => {
  const scratch = (model = "", rest = "", puzzle = "") =>
    problemsOf(
      `name: x\npuzzle: {kind: countdown${puzzle}}\nmodel: {architecture: llama, width: 64, layers: 1, heads: 4${model}}\ndecode: {greedy: {policy: greedy}}\n${rest}`,
    );

  it("accepts what can", () => {
    expect(scratch(", keyValueHeads: 2", "train: {steps: 1, warmupSteps: 1}\n")).toEqual([]);
  });

  it.each([
    [scratch(), "x.yaml:3:8 model: a model from scratch needs training"],
    [
      scratch(", keyValueHeads: 3", "train: {}\n"),
      "x.yaml:3:77 model.keyValueHeads: heads 4 is not a multiple of keyValueHeads 3",
    ],
    [
      scratch(", context: 64", "train: {}\n"),
      "x.yaml:5:8 train.maxTokens: expected at most the model's context of 64, found 128",
    ],
    [
      scratch("", "train: {steps: 5, warmupSteps: 6}\n"),
      "x.yaml:5:32 train.warmupSteps: expected at most the 5 steps of the training, found 6",
    ],
    [
      scratch("", "train: {batch: {examples: 4, microBatch: 8}}\n"),
      "x.yaml:5:42 train.batch.microBatch: expected at most the 4 examples of a step, found 8",
    ],
    [
      scratch("", "train: {}\n", ", numbers: 3, operands: [1, 4], targets: [65, 70]"),
      "puzzle.targets: no problem satisfies this: 3 numbers of 1 to 4 reach at most 64",
    ],
    [
      scratch("", "train: {}\n", ", operands: [1, 1], targets: [5, 9]"),
      "puzzle.targets: no problem satisfies this: 4 numbers of 1 to 1 reach at most 4",
    ],
    [
      scratch("", "train: {}\n", ", operands: [-3, 4]"),
      "x.yaml:2:38 puzzle.operands.0: expected a whole number from 1 to 1000000, found -3",
    ],
    [scratch("", "train: {}\n", ", holdOutTargets: 0.001"), "puzzle.holdOutTargets: 0.001 of 91 target values holds none out"],
    [scratch("", "train: {}\n", ", holdOutTargets: 1"), "puzzle.holdOutTargets: 1 of 91 target values leaves none to train on"],
    [scratch("", "train: {}\ndata: {train: {depth: 3}}\n"), "x.yaml:6:23 data.train.depth: expected a step from 0 to 2"],
  ])("%s", (problems, expected) => {
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });

  it("points at the arm's key when the arm brought it about", () => {
    const text = `name: x\npuzzle: {kind: countdown}\nmodel: {architecture: llama, width: 64, layers: 1, heads: 4}\ntrain: {steps: 100, warmupSteps: 50}\ndecode: {greedy: {policy: greedy}}\nsweep:\n  arms:\n    short: {train.steps: 10}\n    none: {train: null}\n`;
    expect(problemsOf(text)).toEqual([
      "x.yaml:8:26 sweep.arms.short.train.steps: train.warmupSteps: expected at most the 10 steps of the training, found 50",
      expect.stringMatching(/^x\.yaml:9:19 sweep\.arms\.none\.train: model: a model from scratch needs training/),
    ]);
  });
});

describe("an arm with another kind of model", () => {
  const sweep = (overrides: string, rest = "") =>
    `name: x\npuzzle: {kind: countdown}\nmodel: {architecture: llama, width: 64, layers: 1, heads: 4}\ntrain: {steps: 9}\ndecode: {greedy: {policy: greedy}}\nsweep: {arms: {hub: {${overrides}}}}\n${rest}`;
  const most = "model.from: a/b, model.architecture: null, model.width: null";

  it("is told which keys it left behind", () => {
    expect(problemsOf(sweep(`${most}, model.layers: null`))).toEqual([
      expect.stringMatching(
        /^x\.yaml:6:\d+ sweep\.arms\.hub\.model\.layers: model\.heads: does not go with the other keys here/,
      ),
    ]);
    expect(problemsOf(sweep(most))).toHaveLength(2);
    expect(problemsOf(sweep(`${most}, model.layers: null, model.heads: null`))).toEqual([]);
    expect(problemsOf(sweep("model: {from: a/b}"))).toEqual([]);
  });

  it("does not repeat what the file itself has wrong", () => {
    const text = sweep("train.clip: 2, model.initStd: 0.1").replace("heads: 4", "heads: four").replace("steps: 9", "stpes: 9");
    expect(problemsOf(text)).toEqual([
      'x.yaml:3:59 model.heads: expected a whole number above 0, found "four"',
      "x.yaml:4:9 train.stpes: unknown key. Did you mean steps?",
    ]);
  });
});

describe("the published shape of the config", () => {
  it("parses the full example of the design", () => {
    const config = parseConfig(read("design.yaml"), "design.yaml");
    expect(config.arms.map((arm) => arm.name)).toHaveLength(12);
    expect(config.arms.filter((arm) => arm.coordinates.arm === "dop-only").map((arm) => arm.name)).toEqual([
      "dop-only/seed=1",
      "dop-only/seed=2",
      "dop-only/seed=3",
    ]);
    expect(config.arms[0]?.settings.model).toEqual({ from: "unsloth/Llama-3.2-1B", dtype: "bfloat16", backtrackToken: "add" });
  });

  const folder = new URL("../../configs/", import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".yaml"));

  const isData = (name: string) => name.startsWith("data/");
  it.each(files.filter(isData))("configs/%s parses as data", async (name) => {
    const text = read(`../../configs/${name}`);
    await loadModulesOf(text, fileURLToPath(new URL(name, folder)));
    expect(parseDataConfig(text, name).name).toBe(name.slice("data/".length, -".yaml".length));
  });

  it.each(files.filter((name) => !isData(name)))("configs/%s parses and plans", (name) => {
    const config = parseConfig(read(`../../configs/${name}`), name);
    const plan = buildPlan(config, { flavour: "torch", dtype: "float32" });
    expect(plan.arms.map((arm) => arm.name)).toEqual(config.arms.map((arm) => arm.name));
  });

  it("the arms of the quickstart are the two that it compares", () => {
    expect(files).toContain("quickstart.yaml");
    const config = parseConfig(read("../../configs/quickstart.yaml"), "quickstart.yaml");
    expect(config.arms.map((arm) => arm.name)).toEqual(["backtracking", "direct"]);
  });

  it("the digest follows what is resolved, not how it is written", () => {
    const of = (text: string) => parseConfig(text, "x.yaml").digest;
    expect(of(`${head}seed: 42\n`)).toBe(of(head));
    expect(of(head.split("\n").reverse().join("\n"))).toBe(of(head));
    expect(of(`${head}seed: 43\n`)).not.toBe(of(head));
    expect(of(`${head}sweep: {arms: {a: {seed: 1}}}\n`)).not.toBe(of(head));
  });
});
