// Every way in which a dataset can be broken is found and located.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadModule } from "../../src/config/moduleLoader.ts";
import type { Example, TestProblem } from "../../src/data/example.ts";
import { datasetFiles } from "../../src/data/reading.ts";
import { type Verification, verifyDataset } from "../../src/data/verify.ts";
import { makeIn, small, toy, toyModule } from "./datasets.ts";

let root: string;
let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  await loadModule(toyModule);
  root = mkdtempSync(join(tmpdir(), "backtrail-verify-"));
  await makeIn(join(root, "small"), small({ distinct: true }));
  await makeIn(join(root, "packed"), small({ size: 100 }), { compress: true });
  await makeIn(join(root, "toy"), toy({ maxTokens: 300 }));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  folder = join(root, "copy");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function verified(): Promise<Verification> {
  return verifyDataset(await datasetFiles(folder, folder), () => undefined);
}

/** Copies a dataset, changes one line of a file (from 1) and gives what verification finds at it. */
async function found<T = Example>(dataset: string, file: string, line: number, change: (record: T) => object | string) {
  cpSync(join(root, dataset), folder, { recursive: true });
  const lines = readFileSync(at(file), "utf8").split("\n");
  const changed = change(JSON.parse(lines[line - 1] as string) as T);
  lines[line - 1] = typeof changed === "string" ? changed : JSON.stringify(changed);
  writeFileSync(at(file), lines.join("\n"));
  const { findings } = await verified();
  // The digest of the file is wrong as well.
  expect(findings).toContainEqual({ file, message: expect.stringContaining("digest") as string });
  return findings.filter((finding) => finding.line !== undefined);
}

/** Line of the first example of an origin. */
function lineOf(origin: string): number {
  const lines = readFileSync(join(root, "small", "train-00001.jsonl"), "utf8").split("\n");
  return lines.findIndex((line) => line.includes(`"origin":"${origin}"`)) + 1;
}

describe("a dataset as made", () => {
  it.each([
    ["small", 1000, 50],
    ["packed", 100, 50],
    ["toy", 300, 5],
  ])("is right: %s", async (dataset, examples, tests) => {
    cpSync(join(root, dataset), folder, { recursive: true });
    expect(await verified()).toEqual({ examples, tests, sharedProblems: 0, wrong: 0, findings: [] });
  });
});

describe("one changed line is found: ", () => {
  const file = "train-00000.jsonl";

  it.each<[string, number, (example: Example) => object | string, RegExp]>([
    ["no JSON", 3, () => "{", /^not JSON: /],
    ["a field that is missing", 1, ({ prompt: _, ...rest }) => rest, /^not an example: prompt should be text/],
    ["spans beyond the text", 2, (example) => ({ ...example, spans: [[0, 999]] }), /^not an example: spans/],
    [
      "another problem's prompt",
      2,
      (example) => ({ ...example, prompt: example.prompt.replace("target ", "target 1") }),
      /prompt/,
    ],
    ["a problem that is none", 2, (example) => ({ ...example, problem: { puzzle: "countdown", numbers: "1,2" } }), /"numbers"/],
    ["an unknown puzzle", 2, (example) => ({ ...example, problem: { puzzle: "countdwn" } }), /unknown puzzle/],
    ["an unknown format", 2, (example) => ({ ...example, format: "selfbacktracking" }), /unknown format/],
    [
      "a direct example with a wrong result",
      5,
      (example) => ({ ...example, response: example.response.replace(/=(\d+)/, "=9$1") }),
      /^not solved: arithmetic at step 0/,
    ],
    [
      "a direct example that gives up",
      5,
      (example) => ({ ...example, response: "<backtrack>", spans: [] }),
      /^not solved: goal-missed/,
    ],
  ])("%s", async (_name, line, change, message) => {
    expect(await found("small", file, line, change)).toEqual([
      { file, line, message: expect.stringMatching(message) as string },
    ]);
  });

  it.each<[string, string, (example: Example) => object, RegExp]>([
    [
      "an exploration that says arithmetic",
      "exploration",
      (example) => ({ ...example, origin: "arithmetic" }),
      /kind arithmetic is missing/,
    ],
    [
      "an arithmetic error that says rule",
      "arithmetic",
      (example) => ({ ...example, origin: "rule" }),
      /expected an error of kind operand, found arithmetic/,
    ],
    [
      "an arithmetic error that says exploration",
      "arithmetic",
      (example) => ({ ...example, origin: "exploration" }),
      /every step should be right/,
    ],
    [
      "a mark that is gone",
      "rule",
      (example) => ({ ...example, response: example.response.replace("<backtrack>", ""), spans: [] }),
      /0 backtrack marks/,
    ],
  ])("%s", async (_name, origin, change, message) => {
    const line = lineOf(origin);
    const findings = await found("small", "train-00001.jsonl", line, change);
    expect(findings).toEqual([{ file: "train-00001.jsonl", line, message: expect.stringMatching(message) as string }]);
  });

  it("a problem that is trained on twice", async () => {
    const [first] = readFileSync(join(root, "small", file), "utf8").split("\n");
    const findings = await found("small", file, 9, () => first as string);
    expect(findings).toEqual([{ file, line: 9, message: expect.stringMatching(/was there before/) as string }]);
  });

  it("a test problem in training, in whatever order its numbers stand", async () => {
    const [first] = readFileSync(join(root, "small", "test-seen.jsonl"), "utf8").split("\n");
    const { problem } = JSON.parse(first as string) as { problem: { numbers: number[]; target: number } };
    const turned = { ...problem, numbers: [...problem.numbers].reverse() };
    const findings = await found("small", file, 4, (example) => ({ ...example, problem: turned }));
    expect(findings).toEqual([
      { file, line: 4, message: expect.stringMatching(/is a test problem too: test-seen.jsonl:1$/) as string },
    ]);
    expect((await verified()).sharedProblems).toBe(1);
  });

  it("a training problem in a test file, and one that is there twice", async () => {
    const [first] = readFileSync(join(root, "small", file), "utf8").split("\n");
    const { problem } = JSON.parse(first as string) as Example;
    const tests = await found<TestProblem>("small", "test-unseen.jsonl", 2, (test) => ({ ...test, problem }));
    expect(
      tests.map(({ file: name, line, message }) => [name, line, message.replace(/problem .* (is|belongs)/, "problem $1")]),
    ).toEqual([
      ["test-unseen.jsonl", 2, "the problem belongs to the split train"],
      ["train-00000.jsonl", 1, "the problem is a test problem too: test-unseen.jsonl:2"],
      // The backtracking example on the same question.
      ["train-00001.jsonl", 101, "the problem is a test problem too: test-unseen.jsonl:2"],
    ]);
    rmSync(folder, { recursive: true });
    const [seen] = readFileSync(join(root, "small", "test-seen.jsonl"), "utf8").split("\n");
    const twice = await found<TestProblem>("small", "test-seen.jsonl", 7, () => seen as string);
    expect(twice).toEqual([{ file: "test-seen.jsonl", line: 7, message: expect.stringMatching(/is there twice/) as string }]);
  });

  it("a search that is not what its record says", async () => {
    const claims = await found("toy", file, 1, (example) => ({ ...example, solved: !example.solved }));
    expect(claims).toEqual([{ file, line: 1, message: expect.stringMatching(/solved: false, its text is solved/) as string }]);
    rmSync(folder, { recursive: true });
    const lines = readFileSync(join(root, "toy", file), "utf8").split("\n");
    const whole = lines.findIndex((line) => line.includes('"trainEnd":true')) + 1;
    const early = await found("toy", file, whole, (example) => ({ ...example, response: `2!${example.response.slice(2)}` }));
    expect(early).toEqual([{ file, line: whole, message: expect.stringMatching(/^false-goal at step/) as string }]);
  });
});

describe("files that are not what the manifest says", () => {
  beforeEach(() => cpSync(join(root, "packed"), folder, { recursive: true }));

  it("a row less, a file less, a file more, no manifest", async () => {
    const name = "train-00000.jsonl.gz";
    const lines = gunzipSync(readFileSync(at(name)))
      .toString()
      .split("\n");
    writeFileSync(at(name), gzipSync(lines.slice(1).join("\n")));
    rmSync(at("test-seen.jsonl"));
    writeFileSync(at("train-00001.jsonl"), "");
    expect((await verified()).findings).toEqual([
      { file: "test-seen.jsonl", message: "the manifest names it, but it is not there" },
      { file: "train-00001.jsonl", message: "the manifest does not name it" },
      { file: name, message: "99 rows, the manifest says 100" },
    ]);
    rmSync(at("manifest.json"));
    expect((await verified()).findings).toEqual([
      { file: folder, message: expect.stringMatching(/^no manifest.json/) as string },
    ]);
  });

  it("a file that is torn", async () => {
    const name = "train-00000.jsonl.gz";
    writeFileSync(at(name), readFileSync(at(name)).subarray(0, 500));
    const [first] = (await verified()).findings;
    expect(first).toEqual({ file: name, message: expect.stringMatching(/cannot be read: unexpected end of file/) as string });
  });
});
