// Whole commands on the torch worker: a run whose checkpoints others can load, and the same run disturbed in every way.
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { sha256 } from "../../src/lib/hash.ts";
import type { Summary } from "../../src/report/model.ts";
import { into, root, run, start, temporary } from "./cli.ts";

const python = process.env.BACKTRAIL_PYTHON ?? join(root, ".venv", "bin", "python");
const smoke = join(root, "configs", "smoke.yaml");
const steps = 120;
/** CPU and fp32 also where there is a GPU: weights are compared byte by byte. */
const env = { BACKTRAIL_PYTHON: python, CUDA_VISIBLE_DEVICES: "" };
const sets = [`train.steps=${steps}`, "train.checkpointEvery=30", "data.test.seen=100"].flatMap((set) => ["--set", set]);
const arguments_ = (folder: string) => ["run", smoke, ...into(folder), ...sets];

const readSummary = (folder: string) =>
  JSON.parse(readFileSync(join(folder, "results", "smoke", "summary.json"), "utf8")) as Summary;
const comparable = ({ createdAt: _, provenance: __, ...rest }: Summary) => rest;

/** A file of every artefact (or stage in progress) of a kind, by key. */
function files(folder: string, kind: string, name: string): Record<string, Buffer> {
  const directory = join(folder, "store", kind);
  const keys = existsSync(directory) ? readdirSync(directory) : [];
  const paths = keys.map((key) => [key, join(directory, key, name)] as const).filter(([, path]) => existsSync(path));
  return Object.fromEntries(paths.map(([key, path]) => [key, readFileSync(path)]));
}

const linesOf = (data: Buffer) =>
  data
    .toString()
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "");

/** What training left: weights by digest, and every metric but the clock's. */
function trained(folder: string) {
  const weights = Object.entries(files(folder, "train", "checkpoint/model.safetensors")).map(([key, data]) => [
    key,
    sha256(data),
  ]);
  const metrics = Object.entries(files(folder, "train", "metrics.jsonl")).map(([key, data]) => {
    const records = linesOf(data).map((line) => JSON.parse(line) as { step: number; tokensPerSecond: number });
    return [key, records.map(({ tokensPerSecond: _, ...rest }) => rest)] as const;
  });
  return { weights: Object.fromEntries(weights), metrics: Object.fromEntries(metrics) };
}

const attempts = (folder: string) =>
  Object.fromEntries(Object.entries(files(folder, "decode", "attempts.jsonl")).map(([key, data]) => [key, linesOf(data)]));

/** The lines of each policy's decode artefact, where the store holds one of each. */
function attemptsByPolicy(folder: string): Record<string, string[]> {
  const read = (line = "{}") => JSON.parse(line) as { policy: string };
  return Object.fromEntries(Object.values(attempts(folder)).map((lines) => [read(lines[0]).policy, lines]));
}

/** What a policy said to each problem. */
const answers = (lines: readonly string[] = []) =>
  lines.map((line) => {
    const { problemId, answer, tokensGenerated } = JSON.parse(line) as Record<string, unknown>;
    return { problemId, answer, tokensGenerated };
  });

/** Texts, tokens, counts and choices are equal; scores may differ in the last digits, since batches differ. */
function sameAttempts(folder: string, calm: string): void {
  const found = attempts(folder);
  const wanted = attempts(calm);
  expect(Object.keys(found)).toEqual(Object.keys(wanted));
  for (const [key, lines] of Object.entries(wanted)) {
    expect(found[key]?.map((line) => JSON.parse(line))).toEqual(lines.map((line) => scoresNear(JSON.parse(line))));
  }
}

function scoresNear(value: unknown): unknown {
  if (typeof value === "number" && !Number.isInteger(value)) return expect.closeTo(value, 4);
  if (Array.isArray(value)) return value.map(scoresNear);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, scoresNear(item)]));
}

/** Lines that a stage in progress has written so far, the longest journal of that name. */
const progressed = (folder: string, name: string) =>
  Math.max(0, ...Object.values(files(folder, "work", name)).map((data) => linesOf(data).length));

/** Waits until a condition holds; fails when the process ends before it does. */
async function during(running: ReturnType<typeof start>, condition: () => boolean): Promise<void> {
  let ended = false;
  running.finished.then(() => {
    ended = true;
  });
  while (!condition()) {
    if (ended) throw new Error(`ended too soon:\n${(await running.finished).err}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Process ids of a process's children that run the torch worker, oldest first. */
function workersOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
  return children.filter((child) => readFileSync(`/proc/${child}/cmdline`, "utf8").includes("backtrail_worker"));
}

describe("the smoke sweep on the torch worker", () => {
  const calm = temporary();

  beforeAll(async () => {
    const { code, err } = await run(arguments_(calm), { env });
    expect(err).toContain("0 failed");
    expect(code).toBe(0);
  });

  it("leaves results, and trains each step once", () => {
    const names = readdirSync(join(calm, "results", "smoke"));
    expect(names).toEqual(
      expect.arrayContaining(["config.resolved.json", "plan.json", "summary.json", "results.csv", "report.html"]),
    );
    const { arms } = readSummary(calm);
    expect(arms.map(({ name }) => name)).toEqual(["backtracking", "direct"]);
    for (const { policies } of arms) {
      for (const splits of Object.values(policies)) expect([splits.seen?.n, splits.unseen?.n]).toEqual([100, 24]);
    }
    const { metrics, weights } = trained(calm);
    expect(new Set(Object.values(weights)).size).toBe(2);
    for (const records of Object.values(metrics)) {
      expect(records.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, index) => index + 1));
      const loss = (record: object | undefined) => (record as { loss: number }).loss;
      expect(loss(records.at(-1))).toBeLessThan(0.6 * loss(records[0]));
    }
  });

  it("leaves checkpoints that transformers loads without us and that continue a prompt in the same way", async () => {
    const [key] = Object.keys(files(calm, "decode", "attempts.jsonl")).filter((name) => {
      const manifest = JSON.parse(String(files(calm, "decode", "manifest.json")[name])) as {
        settings: { policy: { policy: string } };
      };
      return manifest.settings.policy.policy === "greedy";
    });
    const manifest = JSON.parse(String(files(calm, "decode", "manifest.json")[key as string])) as {
      inputs: { train: string; problems: string };
    };
    const problems = linesOf(files(calm, "problems", "seen.jsonl")[manifest.inputs.problems] as Buffer);
    const attempt = JSON.parse(attempts(calm)[key as string]?.[0] ?? "") as { problemId: string; answer: string };
    const problem = problems
      .map((line) => JSON.parse(line) as { id: string; prompt: string })
      .find(({ id }) => id === attempt.problemId);
    const code = `
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
inputs = tokenizer(sys.argv[2], return_tensors="pt", return_token_type_ids=False, add_special_tokens=False)
out = model.generate(**inputs, max_new_tokens=32, do_sample=False)
print(json.dumps(tokenizer.decode(out[0][inputs["input_ids"].shape[1]:], skip_special_tokens=False)))
`;
    const checkpoint = join(calm, "store", "train", manifest.inputs.train, "checkpoint");
    const alone = { ...process.env, PYTHONPATH: "", OMP_NUM_THREADS: "1", CUDA_VISIBLE_DEVICES: "" };
    const { stdout } = await promisify(execFile)(python, ["-c", code, checkpoint, problem?.prompt ?? ""], { env: alone });
    expect(attempt.answer.length).toBeGreaterThan(3);
    expect(JSON.parse(stdout)).toContain(attempt.answer);
  });

  it("ends with the same weights, metrics and attempts after a kill in training, Ctrl-C in training and Ctrl-C in decoding", async () => {
    const rough = temporary();
    const killed = start(arguments_(rough), { env });
    await during(killed, () => progressed(rough, "metrics.jsonl") >= 40);
    killed.process.kill("SIGKILL");
    await killed.finished;
    expect(Object.keys(trained(rough).weights).length).toBeLessThan(2);

    const stopped = start(arguments_(rough), { env });
    await during(stopped, () => progressed(rough, "metrics.jsonl") >= 75);
    stopped.process.kill("SIGINT");
    const { code, err } = await stopped.finished;
    expect(err).toContain("run the same command again");
    expect(code).toBe(130);
    expect(Object.keys(trained(rough).weights).length).toBeLessThan(2);

    const again = start(arguments_(rough), { env });
    await during(again, () => progressed(rough, "attempts.jsonl") >= 1);
    again.process.kill("SIGINT");
    expect((await again.finished).code).toBe(130);
    const kept = progressed(rough, "attempts.jsonl");

    const last = await run(arguments_(rough), { env });
    expect(last.code).toBe(0);
    if (kept > 0) expect(last.err).toContain("attempts kept from the interrupted run");
    expect(trained(rough)).toEqual(trained(calm));
    sameAttempts(rough, calm);
    expect(comparable(readSummary(rough))).toEqual({ ...comparable(readSummary(calm)), configDigest: expect.any(String) });
    expect(readdirSync(join(rough, "store", "work"))).toEqual([]);
  });

  it("goes on by itself when a worker is killed in training, and ends with the same weights", async () => {
    const folder = temporary();
    const running = start(arguments_(folder), { env });
    await during(running, () => progressed(folder, "metrics.jsonl") >= 40);
    const victim = workersOf(running.process.pid as number)[0] as number;
    process.kill(victim, "SIGKILL");
    const { code, err } = await running.finished;
    expect(err).toMatch(/worker worker-\d was lost: .*SIGKILL/);
    expect(code).toBe(0);
    expect(trained(folder)).toEqual(trained(calm));
    sameAttempts(folder, calm);
  });

  it("decodes the same tokens with one worker as with two", async () => {
    const folder = temporary();
    cpSync(join(calm, "store"), join(folder, "store"), { recursive: true });
    for (const kind of ["decode", "grade"]) rmSync(join(folder, "store", kind), { recursive: true });
    const { code, err } = await run([...arguments_(folder), "--set", "workers.count=1"], { env });
    expect(code).toBe(0);
    expect(err).not.toContain("train backtracking: started");
    sameAttempts(folder, calm);
  });

  it("decodes the same greedy tokens on every engine, and strict ones byte for byte with one worker as with two", async () => {
    const greedy = { policy: "greedy", maxNewTokens: 32 };
    const decode = {
      greedy,
      reference: { ...greedy, engine: "reference" },
      continuous: { ...greedy, engine: "continuous" },
      strict: { ...greedy, strict: true },
      b1: { policy: "self-backtrack", samples: 4, rounds: 1, maxNewTokens: 32, strict: true },
    };
    const changes = { "sweep.arms": {}, claims: {}, "data.test.seen": 10, "data.test.unseen": 0, decode };
    const decodeAll = async (workers: number) => {
      const folder = temporary();
      cpSync(join(calm, "store"), join(folder, "store"), { recursive: true });
      for (const kind of ["decode", "grade"]) rmSync(join(folder, "store", kind), { recursive: true });
      const settings = Object.entries({ ...changes, "workers.count": workers });
      const sets = settings.flatMap(([key, value]) => ["--set", `${key}=${JSON.stringify(value)}`]);
      const { code, err } = await run([...arguments_(folder), ...sets], { env });
      expect(err).toContain("0 failed");
      expect(code).toBe(0);
      return attemptsByPolicy(folder);
    };
    const [one, two] = [await decodeAll(1), await decodeAll(2)];
    expect(Object.keys(one).sort()).toEqual(Object.keys(decode).sort());
    expect([one.strict, one.b1]).toEqual([two.strict, two.b1]);
    expect(answers(one.greedy)).toHaveLength(10);
    for (const name of ["reference", "continuous", "strict"]) expect(answers(one[name])).toEqual(answers(one.greedy));
  });
});

describe("what users get wrong with models and Python: a sentence, no stack", () => {
  const notCausal = temporary();
  writeFileSync(join(notCausal, "config.json"), JSON.stringify({ model_type: "vit" }));
  const small = ["--set", "data.train.size=100", "--set", "sweep.arms={}"];
  const fails = async (args: string[], extra: Record<string, string>) => {
    const finished = await run(["run", smoke, ...into(temporary()), ...small, ...args], { env: { ...env, ...extra } });
    expect(finished.out + finished.err).not.toMatch(/\n\s+at .*\.ts:|Traceback/);
    return { ...finished, said: finished.err.replace(/\s+/g, " ") };
  };

  it("a Python without torch", async () => {
    const bare = join(temporary(), "bare");
    await promisify(execFile)("python3", ["-m", "venv", "--without-pip", bare]);
    const { code, said } = await fails([], { BACKTRAIL_PYTHON: join(bare, "bin", "python") });
    expect(said).toMatch(/bare\/bin\/python: this Python lacks torch, .*backtrail setup/);
    expect(code).toBe(2);
  });

  it("a Hub id while offline", async () => {
    const { code, said } = await fails(["--set", "model={from: no-such-org/no-such-model}"], {
      HF_HUB_OFFLINE: "1",
      HF_HOME: temporary(),
    });
    expect(said).toMatch(
      /^model\.from: no-such-org\/no-such-model is not in the local cache, and HF_HUB_OFFLINE is set: .*give a directory/,
    );
    expect(code).toBe(2);
  });

  it("a directory that is no checkpoint: before any data is made", async () => {
    const { code, said } = await fails(["--set", `model={from: ${notCausal}}`], {});
    expect(said).toMatch(/^model\.from: .* itself has no causal model of type vit \(model_type in config\.json\)/);
    expect(code).toBe(2);
  });

  it("a worker of another release: its protocol version is refused", async () => {
    const other = join(temporary(), "py");
    mkdirSync(other);
    cpSync(join(root, "py", "backtrail_worker"), join(other, "backtrail_worker"), { recursive: true });
    const main = join(other, "backtrail_worker", "__main__.py");
    writeFileSync(main, readFileSync(main, "utf8").replace("v=PROTOCOL_VERSION", "v=PROTOCOL_VERSION + 1"));
    // A Python that finds the other release first, as a stale environment would.
    const wrapper = join(other, "python");
    writeFileSync(wrapper, `#!/bin/sh\nPYTHONPATH="${other}" exec "${python}" "$@"\n`, { mode: 0o755 });
    const { code, said } = await fails([], { BACKTRAIL_PYTHON: wrapper });
    expect(said).toMatch(
      /the worker speaks protocol version 3, this backtrail speaks version 2: both must come from one release/,
    );
    expect(code).toBe(3);
  });
});
