// Whole commands on the mock worker: a sweep from config to page, caching, interruption, what users get wrong.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Summary } from "../../src/report/model.ts";
import { into, root, run, start, temporary } from "./cli.ts";

const smoke = join(root, "configs", "smoke.yaml");
const readSummary = (folder: string) =>
  JSON.parse(readFileSync(join(folder, "results", "smoke-mock", "summary.json"), "utf8")) as Summary;
const stepsIn = (path: string) =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { step: number }).step);
/** What must be equal between two runs: everything but when and where. */
const comparable = ({ createdAt: _, provenance: __, ...rest }: Summary) => rest;

describe("run --mock", () => {
  const folder = temporary();
  let first: Summary;

  beforeAll(async () => {
    const { code, err } = await run(["run", smoke, "--mock", ...into(folder)]);
    expect(err).toMatch(/stages: \d+ ran/);
    expect(code).toBe(0);
    first = readSummary(folder);
  });

  it("leaves config, plan, summary, csv and page", () => {
    const names = readdirSync(join(folder, "results", "smoke-mock"));
    expect(names).toEqual(
      expect.arrayContaining(["config.resolved.json", "plan.json", "summary.json", "results.csv", "report.html"]),
    );
    expect(names.filter((name) => name.endsWith(".lock"))).toEqual([]);
    const page = readFileSync(join(folder, "results", "smoke-mock", "report.html"), "utf8");
    expect(page).not.toMatch(/(src|href)="https?:/);
  });

  it("measures what it says: every problem once per policy and split, no overlap between splits", () => {
    expect(first.arms.map((arm) => arm.name)).toEqual(["backtracking", "direct"]);
    for (const arm of first.arms) {
      for (const splits of Object.values(arm.policies)) {
        expect(Object.keys(splits)).toEqual(["seen", "unseen"]);
        for (const result of Object.values(splits)) {
          expect(result.n).toBe(24);
          expect(result.accuracy).toBeCloseTo(result.solved / 24, 12);
        }
      }
    }
    expect(Object.keys(first.overlap).length).toBeGreaterThanOrEqual(5);
    expect(Object.values(first.overlap).every((count) => count === 0)).toBe(true);
  });

  it("finds everything cached the second time and says the same", async () => {
    const { code, err } = await run(["run", smoke, "--mock", ...into(folder)]);
    expect(code).toBe(0);
    expect(err).toContain("stages: 0 ran");
    expect(comparable(readSummary(folder))).toEqual(comparable(first));
  });

  it("reuses data and checkpoints when a decoding setting changes, and keeps the earlier results", async () => {
    const { code, err } = await run(["run", smoke, "--mock", ...into(folder), "--set", "decode.b1.samples=5"]);
    expect(code).toBe(0);
    expect(err).toContain("stages: 2 ran");
    expect(err).toContain("were kept in earlier/");
    const earlier = join(folder, "results", "smoke-mock", "earlier", first.configDigest.slice(0, 12), "summary.json");
    expect(JSON.parse(readFileSync(earlier, "utf8"))).toMatchObject({ configDigest: first.configDigest });
  });

  it("gives the same summary with one worker and in another folder", async () => {
    const other = temporary();
    const { code } = await run(["run", smoke, "--mock", ...into(other), "--set", "workers.count=1"]);
    expect(code).toBe(0);
    expect(comparable(readSummary(other))).toEqual(comparable(first));
  });

  it("reports a figure that was changed by hand as a failed stage, not as a result; the others stand", async () => {
    const other = temporary();
    expect((await run(["run", smoke, "--mock", ...into(other)])).code).toBe(0);
    const grades = join(other, "store", "grade");
    const path = join(grades, readdirSync(grades)[0] as string, "verdicts.jsonl");
    writeFileSync(path, readFileSync(path, "utf8").replaceAll('"solved":false', '"solved":true '));
    const { code, err } = await run(["run", smoke, "--mock", ...into(other)]);
    expect(code).toBe(3);
    expect(err).toMatch(/grade .*FAILED: .*verdicts\.jsonl: was changed after it was made/);
    expect(readSummary(other).failures).toHaveLength(1);
  });

  it("plan lists cached stages and why others are to do, and writes nothing", async () => {
    const set = ["--set", `store=${join(folder, "store")}`];
    const before = readdirSync(folder, { recursive: true });
    const { code, out } = await run(["plan", smoke, "--mock", ...set, "--set", "decode.b1.samples=6"]);
    expect(code).toBe(0);
    expect(out).toMatch(/cached {2}train backtracking/);
    expect(out).toMatch(/to do {3}decode backtracking\/b1 .*decode\.b1\.samples \d+ -> 6/);
    expect(readdirSync(folder, { recursive: true })).toEqual(before);
  });
});

describe("interruption", () => {
  it("goes on after a kill of the coordinator and after Ctrl-C, and ends with the summary of an undisturbed run", async () => {
    const calm = temporary();
    const rough = temporary();
    const long = ["--set", "train.steps=3000", "--set", "train.checkpointEvery=100", "--set", "data.test.seen=200"];
    expect((await run(["run", smoke, "--mock", ...into(calm), ...long])).code).toBe(0);
    const killed = start(["run", smoke, "--mock", ...into(rough), ...long]);
    await killed.saw("train backtracking: started");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    killed.process.kill("SIGKILL");
    await killed.finished;
    const interrupted = start(["run", smoke, "--mock", ...into(rough), ...long]);
    await interrupted.saw("decode backtracking");
    interrupted.process.kill("SIGINT");
    expect((await interrupted.finished).code).toBe(130);
    const last = await run(["run", smoke, "--mock", ...into(rough), ...long]);
    expect(last.code).toBe(0);
    expect(comparable(readSummary(rough))).toEqual(comparable(readSummary(calm)));
    const metrics = readdirSync(join(rough, "store", "train")).map((key) =>
      stepsIn(join(rough, "store", "train", key, "metrics.jsonl")),
    );
    for (const steps of metrics) expect(steps).toEqual(Array.from({ length: 3000 }, (_, index) => index + 1));
  });

  it("lets two sweeps that share stages run at once: each stage is made once, whole", async () => {
    const folder = temporary();
    const args = (name: string) => [
      "run",
      smoke,
      "--mock",
      "--results",
      join(folder, name),
      "--set",
      `store=${join(folder, "store")}`,
      "--set",
      `name=${name}`,
      "--set",
      "train.steps=800",
    ];
    const runs = await Promise.all([run(args("aa")), run(args("bb"))]);
    expect(runs.map(({ code }) => code)).toEqual([0, 0]);
    expect(runs.map(({ err }) => err).join("")).toContain("being made by process");
    const train = join(folder, "store", "train");
    expect(readdirSync(train)).toHaveLength(2);
    for (const key of readdirSync(train)) {
      expect(readdirSync(join(train, key)).sort()).toEqual(["checkpoint", "manifest.json", "metrics.jsonl"]);
      expect(stepsIn(join(train, key, "metrics.jsonl"))).toEqual(Array.from({ length: 800 }, (_, index) => index + 1));
    }
  });

  it("can be watched from another terminal, and tells until when it ran after it was killed", async () => {
    const folder = temporary();
    const args = [smoke, "--mock", ...into(folder), "--set", "train.steps=6000"];
    const first = start(["run", ...args]);
    await first.saw("train direct: started");
    const results = join(folder, "results", "smoke-mock");
    // What the run makes is known to be in use from its start.
    expect(JSON.parse(readFileSync(join(results, "plan.json"), "utf8"))).toMatchObject({ name: "smoke" });
    expect(JSON.parse(readFileSync(join(results, "config.resolved.json"), "utf8"))).toHaveProperty("arms");
    let watched = "";
    // A worker at work, and steps told: either may come first.
    const seen = [/generate|forward_backward|optim_step/, /train backtracking: \d+\/6000 steps/];
    while (!seen.every((one) => one.test(watched))) watched = (await run(["status", ...args])).out;
    expect(watched).toContain(`running: process ${first.process.pid}`);
    expect(watched).toMatch(/backtracking +done +done +running +2 (to do|begun) +2 to do/);
    expect(watched).toMatch(/smoke: 0\/2 arms, 3\/11 stages/);
    expect(watched).toMatch(/worker-\d +cpu +\S+/);
    first.process.kill("SIGKILL");
    await first.finished;
    const { out } = await run(["status", ...args]);
    expect(out).toMatch(/not running: process \d+ on \S+ was running until \S+ and was killed\. Nothing is lost/);
  });

  it("refuses a second run of the same sweep and says who holds it", async () => {
    const folder = temporary();
    const first = start(["run", smoke, "--mock", ...into(folder), "--set", "train.steps=3000"]);
    await first.saw("started");
    const second = await run(["run", smoke, "--mock", ...into(folder), "--set", "train.steps=3000"]);
    expect(second.code).toBe(2);
    expect(second.err).toContain(`process ${first.process.pid}`);
    first.process.kill("SIGKILL");
    await first.finished;
  });
});

describe("what users get wrong: exit code 2, a sentence, no stack", () => {
  const cases: [string, string[], RegExp, Record<string, string>?][] = [
    ["no such config", ["run", "nowhere.yaml"], /nowhere\.yaml: there is no such file/],
    ["unknown command", ["rnu"], /unknown command 'rnu'[\s\S]*Did you mean run\?/],
    ["results under a file", ["run", smoke, "--mock", "--results", join(root, "package.json")], /package\.json.*not a folder/],
    [
      "store under a file",
      ["run", smoke, "--mock", "--results", temporary(), "--set", `store=${join(root, "package.json")}/x`],
      /package\.json.*not a folder/,
    ],
    [
      "a checkpoint that is not there",
      ["run", smoke, "--set", "model={from: ./nowhere}", "--results", temporary()],
      /model\.from: there is no directory/,
    ],
    [
      "a directory that is no checkpoint",
      ["run", smoke, "--set", `model={from: ${join(root, "src")}}`, "--results", temporary()],
      /holds no config\.json/,
    ],
    [
      "no python",
      ["run", smoke, "--results", temporary(), "--set", `store=${temporary()}`],
      /nowhere\/python/,
      { BACKTRAIL_PYTHON: "/nowhere/python" },
    ],
    ["a range that no problem satisfies", ["plan", smoke, "--set", "puzzle.targets=[9000, 9001]"], /no problem satisfies/],
    [
      "a claim over arms with different problems",
      [
        "plan",
        smoke,
        "--set",
        "sweep.arms.direct.seed=9",
        "--set",
        "claims.x={compare: [greedy, direct/greedy], on: seen, required: true}",
      ],
      /claims\.x\.compare: .* are not tested on the same problems/,
    ],
    ["a file that holds no examples", ["data", "inspect", join(root, "test", "contract", "messages", "bye.json")], /bye\.json/],
    ["an unknown puzzle", ["trace", "cuontdown", "--problem", "1,2 -> 3"], /Did you mean "countdown"/],
    [
      "a size that there is not",
      ["trace", "sudoku", "--options", '{"size":5}'],
      /^--options\.size: expected 4 or 6 or 9, found 5$/m,
    ],
    [
      "a misspelt solver",
      ["trace", "sudoku", "--solver", '{"kind":"dsf"}'],
      /^--solver\.kind: expected .*found "dsf"\. Did you mean dfs\?/m,
    ],
  ];
  it.each(cases)("%s", async (_, args, message, env) => {
    const { code, out, err } = await run(args, env === undefined ? {} : { env });
    expect(err).toMatch(message);
    expect(out + err).not.toMatch(/\n\s+at .*\.ts:/);
    expect(code).toBeGreaterThanOrEqual(2);
    expect(code).toBeLessThanOrEqual(3);
  });
});

describe("small commands", () => {
  it("trace prints the text alone", async () => {
    const { code, out } = await run(["trace", "countdown", "--problem", "4,4,2 -> 10"]);
    expect(code).toBe(0);
    expect(out).toBe("4+4=8\n8+2=10\nGoal Reached!\n");
  });

  it("grade answers line by line, in order, and goes on after a bad line", async () => {
    const line = (numbers: number[], target: number, text: string) =>
      JSON.stringify({ id: text, problem: { puzzle: "countdown", numbers, target }, text });
    const input = [
      line([4, 9], 16, "4*4=16\nGoal Reached!"),
      "not json",
      line([7, 2], 3, "7/2=3\nGoal Reached!"),
      JSON.stringify({ problem: { puzzle: "chess" }, text: "" }),
      line([4, 4, 2], 10, "4+4=8\n8+2=10\nGoal Reached!"),
    ].join("\n");
    const { code, out } = await run(["grade"], { input });
    const answers = out
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text) as { solved?: boolean; error?: object; errors?: { kind: string }[] });
    expect(answers.map((answer) => (answer.error === undefined ? answer.solved : "error"))).toEqual([
      false,
      "error",
      false,
      "error",
      true,
    ]);
    expect(answers[0]?.errors?.[0]?.kind).toBe("operand");
    expect(answers[2]?.errors?.[0]?.kind).toBe("arithmetic");
    expect(code).toBe(2);
  });

  it("data make writes the same bytes for the same seed, inspect counts them, nothing is overwritten", async () => {
    const folder = temporary();
    const make = (name: string, ...more: string[]) =>
      run(["data", "make", smoke, "--out", join(folder, name), "--size", "500", ...more]);
    expect((await make("a")).code).toBe(0);
    expect((await make("b")).code).toBe(0);
    expect((await make("c", "--seed", "8")).code).toBe(0);
    const bytes = (name: string) => readFileSync(join(folder, name, "train-00000.jsonl"), "utf8");
    expect(bytes("a")).toBe(bytes("b"));
    expect(bytes("a")).not.toBe(bytes("c"));
    expect((await make("a")).code).toBe(0);
    expect(bytes("a")).toBe(bytes("b"));
    const other = await make("a", "--seed", "9");
    expect(other.code).toBe(2);
    expect(other.err).toContain("holds the dataset");
    const { out } = await run(["data", "inspect", join(folder, "a"), "--json"]);
    expect(JSON.parse(out)).toMatchObject({ examples: 500, origins: { optimal: 250 } });
    mkdirSync(join(folder, "empty"));
    expect((await run(["data", "inspect", join(folder, "empty")])).err).toContain("holds no train-");
  });

  it("a shard changed by hand is refused by name", async () => {
    const folder = temporary();
    const stop = start(["run", smoke, "--mock", ...into(folder), "--set", "train.steps=5000"]);
    await stop.saw("train backtracking: started");
    stop.process.kill("SIGKILL");
    await stop.finished;
    const dataset = join(folder, "store", "dataset");
    for (const key of readdirSync(dataset)) {
      const shard = join(dataset, key, "train-00000.jsonl");
      writeFileSync(shard, readFileSync(shard, "utf8").replace('"target":1', '"target":2'));
    }
    const { code, err } = await run(["run", smoke, "--mock", ...into(folder), "--set", "train.steps=5000"]);
    expect(code).toBe(3);
    expect(err).toMatch(/train-00000\.jsonl: was changed after it was made/);
  });

  it("every command has help with an example", async () => {
    const commands = [
      "run",
      "retry",
      "plan",
      "why",
      "status",
      "store ls",
      "store gc",
      "report",
      "trace",
      "grade",
      "data make",
      "data inspect",
      "doctor",
      "setup",
      "model show",
      "schema",
    ];
    for (const command of commands) {
      const { code, out } = await run([...command.split(" "), "--help"]);
      expect(code, command).toBe(0);
      expect(out, command).toContain(`$ `);
    }
  });
});
