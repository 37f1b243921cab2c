// The axes of a sweep: what grid, zip, list, seeds and exclude come to, worked by hand, and what a user reads when they are wrong.
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import { armName } from "../../src/config/sweepAxes.ts";
import type { UserError } from "../../src/lib/errors.ts";

const head =
  "name: x\npuzzle: {kind: countdown}\nmodel: {architecture: llama, width: 64, layers: 1, heads: 4}\ntrain: {steps: 9, warmupSteps: 1}\ndecode: {greedy: {policy: greedy}, b1: {policy: self-backtrack}}\n";
const config = (sweep: string, sets: readonly string[] = []) => parseConfig(`${head}sweep: {${sweep}}\n`, "x.yaml", sets);
const names = (sweep: string, sets: readonly string[] = []) => config(sweep, sets).arms.map(({ name }) => name);
const points = (sweep: string) => config(sweep).arms.map(({ coordinates }) => coordinates);

function problemsOf(sweep: string, more = "", sets: readonly string[] = []): string[] {
  try {
    parseConfig(`${head}sweep: {${sweep}}\n${more}`, "x.yaml", sets);
  } catch (error) {
    return (error as UserError).message.split("\n");
  }
  return [];
}

describe("zip", () => {
  it("varies its keys together", () => {
    const { arms } = config("zip: {model.width: [64, 128], model.heads: [2, 8]}");
    expect(arms.map(({ name }) => name)).toEqual(["base/width=64/heads=2", "base/width=128/heads=8"]);
    expect(arms[1]?.settings.model).toMatchObject({ width: 128, heads: 8 });
    expect(arms[1]?.coordinates).toEqual({ arm: "base", "model.width": 128, "model.heads": 8 });
  });

  it("several zips are combined with each other", () => {
    expect(names("zip: [{model.width: [64, 128], model.heads: [2, 8]}, {train.steps: [3, 5], train.clip: [0, 1]}]")).toEqual([
      "base/width=64/heads=2/steps=3/clip=0",
      "base/width=64/heads=2/steps=5/clip=1",
      "base/width=128/heads=8/steps=3/clip=0",
      "base/width=128/heads=8/steps=5/clip=1",
    ]);
  });

  it("leaves out the key that an arm sets itself, and what comes out equal is one arm", () => {
    const sweep =
      "zip: {model.width: [64, 128, 128], model.heads: [2, 4, 8]}, arms: {four: {model.heads: 4}, one: {model: {from: a/b}}}";
    expect(names(sweep).slice(3)).toEqual(["four/width=64", "four/width=128", "one"]);
    expect(points(sweep)[4]).toEqual({ arm: "four", "model.width": 128 });
  });
});

describe("list", () => {
  const sweep = "list: [{}, {train.steps: 3}, {train.steps: 5, decode.b1: null}]";

  it("takes its points as they are", () => {
    const { arms } = config(sweep);
    expect(arms.map(({ name }) => name)).toEqual(["base", "base/steps=3", "base/steps=5/b1=null"]);
    expect(arms.map(({ settings }) => [settings.train?.steps, Object.keys(settings.decode)])).toEqual([
      [9, ["greedy", "b1"]],
      [3, ["greedy", "b1"]],
      [5, ["greedy"]],
    ]);
  });

  it("a key that a point leaves out has the file's value among the coordinates, so that claims pair equal points", () => {
    const b1 = { policy: "self-backtrack" };
    expect(points(sweep)).toEqual([
      { arm: "base", "train.steps": 9, "decode.b1": b1 },
      { arm: "base", "train.steps": 3, "decode.b1": b1 },
      { arm: "base", "train.steps": 5, "decode.b1": null },
    ]);
    expect(points("list: [{train.clip: 2}, {train.steps: 4}]")).toEqual([
      { arm: "base", "train.clip": 2, "train.steps": 9 },
      { arm: "base", "train.clip": null, "train.steps": 4 },
    ]);
  });
});

describe("seeds", () => {
  it("are an axis of every arm, but for one with a seed of its own", () => {
    const sweep = "seeds: [3, 1], arms: {short: {train.steps: 5}, own: {seed: 8}}";
    expect(names(sweep)).toEqual(["base/seed=3", "base/seed=1", "short/seed=3", "short/seed=1", "own"]);
    expect(config(sweep).arms.map(({ settings }) => settings.seed)).toEqual([3, 1, 3, 1, 8]);
  });

  it("a number counts up from the file's seed", () => {
    expect(names("seeds: 3")).toEqual(["base/seed=42", "base/seed=43", "base/seed=44"]);
    expect(names("seeds: 2", ["seed=7"])).toEqual(["base/seed=7", "base/seed=8"]);
    expect(points("seeds: 1")).toEqual([{ arm: "base", seed: 42 }]);
  });
});

it("arms are combined with grid, zip, list and seeds in this order", () => {
  const sweep =
    "seeds: [1, 2], list: [{train.clip: 0}, {train.clip: 2}], zip: {train.steps: [3, 5]}, grid: {model.layers: [1, 2]}, arms: {a: {train.epochs: 1}}";
  const all = names(sweep);
  expect(all).toHaveLength(2 * 2 * 2 * 2 * 2);
  expect(all.slice(0, 3)).toEqual([
    "base/layers=1/steps=3/clip=0/seed=1",
    "base/layers=1/steps=3/clip=0/seed=2",
    "base/layers=1/steps=3/clip=2/seed=1",
  ]);
  expect(all.at(-1)).toBe("a/layers=2/steps=5/clip=2/seed=2");
});

describe("exclude", () => {
  it("drops the arms that agree with all keys of a map", () => {
    const sweep = "seeds: [1, 2], grid: {train.steps: [3, 5]}, arms: {short: {train.clip: 2}}";
    expect(names(`${sweep}, exclude: [{arm: short, train.steps: 3}, {seed: 2, train.steps: 5}]`)).toEqual([
      "base/steps=3/seed=1",
      "base/steps=3/seed=2",
      "base/steps=5/seed=1",
      "short/steps=5/seed=1",
    ]);
  });

  it("compares values as written and with defaults filled in; null is an absent key", () => {
    expect(names("list: [{model.dtype: bf16}, {model.dtype: auto}], exclude: [{model.dtype: bfloat16}]")).toEqual([
      "base/dtype=auto",
    ]);
    expect(names("list: [{model.dtype: bf16}, {model.dtype: auto}], exclude: [{model.dtype: bf16}]")).toEqual([
      "base/dtype=auto",
    ]);
    expect(names("list: [{}, {train.clip: 2}], exclude: [{train.clip: 1}]")).toEqual(["base/clip=2"]);
    expect(names("list: [{}, {decode.b1: null}], exclude: [{decode.b1: null}]")).toEqual(["base"]);
    expect(names("grid: {train.betas: [[0.9, 0.98], [0.8, 0.9]]}, exclude: [{train.betas: [0.9, 0.98]}]")).toEqual([
      "base/betas=[0.8,0.9]",
    ]);
  });

  it("drops combinations that cannot be before they are judged", () => {
    const grid = "grid: {model.width: [64, 96], model.heads: [4, 64]}";
    expect(problemsOf(grid)).toEqual([
      "x.yaml:6:56 sweep.grid.model.heads.1: model.heads: width 96 is not a multiple of heads 64",
    ]);
    expect(names(`${grid}, exclude: [{model.width: 96, model.heads: 64}]`)).toEqual([
      "base/width=64/heads=4",
      "base/width=64/heads=64",
      "base/width=96/heads=4",
    ]);
  });

  it("a section that cannot be read agrees with no default", () => {
    expect(problemsOf("grid: {train.steps: [3, x]}, exclude: [{train.clip: null}]")).toEqual([
      'x.yaml:6:33 sweep.grid.train.steps.1: train.steps: expected a whole number above 0, found "x"',
      "x.yaml:6:48 sweep.exclude.0: drops nothing: no arm has train.clip nothing (null). There is: 1, nothing",
    ]);
  });

  it.each([
    ["seeds: 2, exclude: [{sede: 1}]", "x.yaml:6:30 sweep.exclude.0.sede: sede is not a setting of an arm. Did you mean seed?"],
    [
      "seeds: 2, exclude: [{arm: bsae}]",
      'x.yaml:6:35 sweep.exclude.0.arm: unknown arm "bsae". There is: base. Did you mean base?',
    ],
    ["seeds: 2, exclude: [{seed: 4}]", "x.yaml:6:29 sweep.exclude.0: drops nothing: no arm has seed 4. There is: 42, 43"],
    [
      "seeds: 9, exclude: [{seed: 4}]",
      "x.yaml:6:29 sweep.exclude.0: drops nothing: no arm has seed 4. There is: 42, 43, 44, 45, 46, ...",
    ],
    [
      "list: [{train.steps: 3, train.clip: 0}, {train.steps: 5, train.clip: 2}], exclude: [{train.steps: 3, train.clip: 2}]",
      "x.yaml:6:93 sweep.exclude.0: drops nothing: no arm agrees with all of its keys together",
    ],
    ["seeds: 2, exclude: [{seed: 42}, {seed: 43}]", "x.yaml:6:28 sweep.exclude: drops all 2 arms. Leave at least one"],
    ["seeds: 2, exclude: [{}]", "x.yaml:6:28 sweep.exclude: drops all 2 arms. Leave at least one"],
  ])("refuses %s", (sweep, expected) => {
    expect(problemsOf(sweep)).toEqual([expected]);
  });

  it("a claim that names what is dropped is told so", () => {
    const claim = (reference: string) => `claims: {c: {compare: [base/b1, ${reference}], expect: {}}}\n`;
    const sweep = "seeds: 2, arms: {a: {train.clip: 2}}, exclude: [{arm: a}, {arm: base, seed: 42}]";
    expect(problemsOf(sweep, claim("a/b1"))).toEqual(["x.yaml:7:33 claims.c.compare.1: sweep.exclude drops arm a"]);
    expect(problemsOf(sweep, claim("base/seed=42/b1"))).toEqual([
      "x.yaml:7:33 claims.c.compare.1: sweep.exclude drops arm base/seed=42",
    ]);
    expect(problemsOf(sweep, claim("base/seed=43/b1"))).toEqual([]);
  });
});

describe("a wrong axis", () => {
  it.each([
    [
      "zip: {train.steps: [1, 2, 3], train.clip: [1, 2]}",
      "x.yaml:6:39 sweep.zip.train.clip: train.clip has a list of 2, train.steps one of 3. Keys of one zip vary together: give them equally many",
    ],
    [
      "zip: [{seed: [1]}, {train.steps: [2], train.clip: [1, 2]}]",
      "x.yaml:6:47 sweep.zip.1.train.clip: train.clip has a list of 2, train.steps one of 1. Keys of one zip vary together: give them equally many",
    ],
    [
      "grid: {seed: [1, 2]}, seeds: 2",
      "x.yaml:6:31 sweep.seeds: seed varies already at sweep.grid.seed. A setting can vary on one axis only",
    ],
    [
      "grid: {train.steps: [1, 2]}, list: [{train.clip: 1}, {train.steps: 4}]",
      "x.yaml:6:63 sweep.list.1.train.steps: train.steps varies already at sweep.grid.train.steps. A setting can vary on one axis only",
    ],
    [
      "zip: [{data.train: [{size: 5}]}, {data.train.size: [4]}]",
      "x.yaml:6:43 sweep.zip.1.data.train.size: data.train.size and data.train (at sweep.zip.0.data.train) overlap. A setting can vary on one axis only",
    ],
    ["zip: {sede: [1]}", "x.yaml:6:15 sweep.zip.sede: sede is not a setting of an arm. Did you mean seed?"],
    [
      "list: [{workers.count: 1}]",
      "x.yaml:6:17 sweep.list.0.workers.count: workers belongs to the whole file: a sweep cannot vary it",
    ],
    ["zip: {seed: 1}", "x.yaml:6:21 sweep.zip.seed: expected a list of at least 1, found 1"],
    ["zip: [{seed: []}]", "x.yaml:6:22 sweep.zip.0.seed: expected a list of at least 1, found []"],
    ["zip: 3", "x.yaml:6:14 sweep.zip: expected a map of keys or a list, found 3"],
    ["list: {seed: 1}", 'x.yaml:6:15 sweep.list: expected a list, found {"seed":1}'],
    ["seeds: 0", "x.yaml:6:16 sweep.seeds: expected a whole number above 0 or a list of at least 1, found 0"],
    ["seeds: [1, 2, 1]", "x.yaml:6:23 sweep.seeds.2: seed=1 stands twice on this axis. Give it once"],
    [
      "grid: {train.clip: [1.0, 1]}",
      "x.yaml:6:34 sweep.grid.train.clip.1: train.clip=1 stands twice on this axis. Give it once",
    ],
    [
      "zip: {train.steps: [1, 1, 1], train.clip: [1, 2, 1]}",
      "x.yaml:6:35 sweep.zip.train.steps.2: train.steps=1, train.clip=1 stands twice on this axis. Give it once",
    ],
    [
      "list: [{train.steps: 1, train.clip: 2}, {train.clip: 2, train.steps: 1}]",
      "x.yaml:6:62 sweep.list.1.train.clip: train.clip=2, train.steps=1 stands twice on this axis. Give it once",
    ],
    ["list: [{}, {}]", "x.yaml:6:20 sweep.list.1: {} stands twice on this axis. Give it once"],
    ["seeds: [1, x]", 'x.yaml:6:20 sweep.seeds.1: expected a whole number of at least 0, found "x"'],
    [
      "zip: {train.steps: [1, x]}",
      'x.yaml:6:32 sweep.zip.train.steps.1: train.steps: expected a whole number above 0, found "x"',
    ],
    ["list: [{train.stpes: 1}]", "x.yaml:6:17 sweep.list.0.train.stpes: train.stpes: unknown key. Did you mean steps?"],
    ["list: [{train.lora: null}]", "x.yaml:6:17 sweep.list.0.train.lora: null removes train.lora, but it is not there"],
    [
      "list: [{puzzle.a/b: 1}]",
      "x.yaml:6:17 sweep.list.0.puzzle.a/b: puzzle.a/b cannot name an axis: arms are called arm/key=value",
    ],
    ["grid: {data.__proto__.x: [1]}", /^x\.yaml:6:16 sweep\.grid\.data\.__proto__\.x: data\.__proto__\.x is not a key/],
    ["grid: {train.clip: [.inf]}", /train\.clip: expected a number of at least 0, found Infinity$/],
  ])("%s", (sweep, expected) => {
    const problems = problemsOf(sweep);
    if (typeof expected === "string") expect(problems).toEqual([expected]);
    else expect(problems[0]).toMatch(expected);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  it("is bounded before anything is expanded", () => {
    expect(problemsOf("seeds: 1000000000000, grid: {train.clip: [1, 2]}, arms: {a: {train.epochs: 1}}")).toEqual([
      "x.yaml:6:16 sweep.seeds: 2 (arms) x 2 (train.clip) x 1000000000000 (seeds) make 4000000000000 combinations; at most 10000 are allowed",
    ]);
    const values = (count: number) => `[${Array.from({ length: count }, (_, index) => index)}]`;
    expect(problemsOf(`seeds: 101, zip: {train.clip: ${values(100)}, train.epsilon: ${values(100)}}`)).toEqual([
      expect.stringMatching(/100 \(train\.clip and train\.epsilon\) x 101 \(seeds\) make 10100 combinations/),
    ]);
    expect(problemsOf("seeds: 5001, list: [{train.clip: 0}, {train.clip: 2}]")).toHaveLength(1);
  });
});

describe("--set", () => {
  it("takes zips, lists, seeds and excludes", () => {
    expect(names("base: b", ["sweep.zip.model.width=[64, 128]", "sweep.zip.model.heads=[2, 8]", "sweep.seeds=2"])).toEqual([
      "b/width=64/heads=2/seed=42",
      "b/width=64/heads=2/seed=43",
      "b/width=128/heads=8/seed=42",
      "b/width=128/heads=8/seed=43",
    ]);
    expect(names("seeds: 3", ["sweep.exclude=[{seed: 43}]", "sweep.list=[{train.steps: 2}]"])).toEqual([
      "base/steps=2/seed=42",
      "base/steps=2/seed=44",
    ]);
    expect(names("seeds: 3", ["sweep.seeds=null"])).toEqual(["base"]);
  });

  it("says what is wrong as the flag's fault", () => {
    expect(problemsOf("zip: {train.steps: [1, 2]}", "", ["sweep.zip.train.clip=[1]"])).toEqual([
      "--set sweep.zip.train.clip: train.clip has a list of 1, train.steps one of 2. Keys of one zip vary together: give them equally many",
    ]);
    expect(problemsOf("zip: [{train.steps: [1, 2]}]", "", ["sweep.zip.train.clip=[1]"])).toEqual([
      "--set sweep.zip.train.clip: sweep.zip is a list in the file. Set all of it: --set sweep.zip=[...]",
    ]);
    expect(problemsOf("list: [{train.steps: 1}]", "", ["sweep.list.0.train=null"])).toHaveLength(1);
  });
});

describe("names", () => {
  it("tell values apart that read alike, and shorten long ones", () => {
    const named = (value: unknown) => armName("a", [{ key: "train.x", value, path: [] }], new Map([["train.x", "x"]]));
    const values = [1, "1", true, "true", null, "null", "", "b/c", "b=c", "b c", [1], "[1]", "[1", { b: 1 }];
    expect(values.map(named)).toEqual(
      ["1", '"1"', "true", '"true"', "null", '"null"', "", "b/c", '"b=c"', '"b c"', "[1]", '"[1]"', "[1", '{"b":1}'].map(
        (text) => `a/x=${text}`,
      ),
    );
    expect(named({ c: 1, b: 2 })).toBe(named({ b: 2, c: 1 }));
    const sets = (sweeps: string) => names(`grid: {data.test.sets: [${sweeps}]}`);
    const long = (size: number) => `{a: {size: ${size}, puzzle: {operands: [1, 10], targets: [10, 20], numbers: 3}}}`;
    const [first, second] = sets(`${long(5)}, ${long(6)}`);
    expect(first).toMatch(/^base\/sets=\{"a":\{"puzzle":\{"numbers":3,"operands":\[~[0-9a-f]{8}$/);
    expect(second).not.toBe(first);
  });

  it("stay when an axis gets one more value", () => {
    const small = names("seeds: 2, grid: {train.steps: [3]}, zip: {train.clip: [0]}, list: [{model.layers: 1}]");
    const large = names(
      "seeds: 3, grid: {train.steps: [4, 3]}, zip: {train.clip: [2, 0]}, list: [{model.layers: 2}, {model.layers: 1}]",
    );
    expect(large).toHaveLength(24);
    expect(large).toEqual(expect.arrayContaining(small));
  });
});

it("a map on an axis is not changed for other arms by an arm that sets a part of it", () => {
  const { arms } = config("grid: {data.train: [{size: 5}]}, arms: {a: {data.train.size: 7}}");
  expect(arms.map(({ settings }) => settings.data.train.size)).toEqual([5, 7]);
  expect(arms.map(({ coordinates }) => coordinates["data.train"])).toEqual([{ size: 5 }, { size: 5 }]);
});

it("what arms have in common is read once: a thousand seeds cost little more than one", () => {
  const { arms } = config("seeds: 1000");
  expect(new Set(arms.map(({ settings }) => settings.seed)).size).toBe(1000);
  expect(new Set(arms.map(({ settings }) => settings.train)).size).toBe(1);
  expect(new Set(arms.map(({ settings }) => settings.data)).size).toBe(1);
});

it("the digest is that of the arms, however their axes are written", () => {
  const grid = config("grid: {train.steps: [3, 5]}").digest;
  expect(config("zip: {train.steps: [3, 5]}").digest).toBe(grid);
  expect(config("list: [{train.steps: 3}, {train.steps: 5}]").digest).toBe(grid);
  expect(config("grid: {train.steps: [3, 5, 6]}, exclude: [{train.steps: 6}]").digest).toBe(grid);
  expect(config("grid: {train.steps: [3, 6]}").digest).not.toBe(grid);
  expect(config("base: other, grid: {train.steps: [3, 5]}").digest).not.toBe(grid);
});
