// What the bridge costs: training steps/s and generated tokens/s through pool, socket and training loop, against the same
// worker code in a plain Python loop. Same model, data, seeds and rows; the two methods in turn inside each round.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseConfig } from "../src/config/load.ts";
import type { ArmSettings } from "../src/config/schema.ts";
import { testProblems, trainExamples } from "../src/data/make.ts";
import { createGenerator } from "../src/decode/batchingGenerator.ts";
import { deriveSeed64 } from "../src/lib/rng.ts";
import { median } from "../src/lib/stats.ts";
import { initialModelSpec, trainedModelSpec } from "../src/run/modelSpec.ts";
import { findPython } from "../src/setup/environment.ts";
import { writeJsonl } from "../src/store/shards.ts";
import { findFormat } from "../src/trace/registry.ts";
import { tokenizerConfigJson, tokenizerJson } from "../src/trace/tokenizer.ts";
import { localLauncher } from "../src/worker/launcher.ts";
import { createPool, type Pool } from "../src/worker/pool.ts";
import {
  type Case,
  checkpointOf,
  type Direct,
  generateOverBridge,
  startDirect,
  trainOverBridge,
  warmSteps,
} from "./bridgeSides.ts";
import { headline, type Machine, machine, spread } from "./machine.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const perCall = 16;
const samples = 16;

/** What differs from configs/quickstart.yaml, how many steps a round times, and how many generate calls it makes (0 = none). */
interface Sizes {
  readonly set: readonly string[];
  readonly steps: number;
  readonly calls: number;
}
const onCpu: Record<string, Sizes> = {
  tiny: { set: ["train.batch.examples=8"], steps: 100, calls: 0 },
  quickstart: { set: [], steps: 40, calls: 4 },
  long: { set: ["model.width=192", "model.mlp=512"], steps: 30, calls: 4 },
};
const onGpu: Record<string, Sizes> = {
  quickstart: { set: ["model.dtype=bf16"], steps: 400, calls: 16 },
  long: {
    set: [
      "model.dtype=bf16",
      "model.width=1024",
      "model.layers=12",
      "model.heads=16",
      "model.mlp=2816",
      "train.batch.examples=512",
    ],
    steps: 60,
    calls: 8,
  },
};

/** One method's figures of one round. */
interface Round {
  readonly bridge: number;
  readonly direct: number;
}
interface Outcome {
  readonly case: string;
  readonly unit: "steps/s" | "tokens/s";
  readonly rounds: readonly Round[];
  /** Both methods gave the same losses, or tokens, in every round. */
  readonly same: boolean;
  readonly busy?: readonly number[];
  readonly nodeCpuMsPerStep?: readonly number[];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { gpu: { type: "boolean" }, json: { type: "string" }, rounds: { type: "string" }, only: { type: "string" } },
  });
  const rounds = Number(values.rounds ?? 7);
  const found = findPython(process.env, root);
  if (found === undefined) throw new Error("bench:bridge needs .venv or BACKTRAIL_PYTHON");
  const gpu = values.gpu === true;
  const [device, threads] = gpu ? ["cuda:0", 0] : ["cpu", 1];
  const folder = await mkdtemp(join(tmpdir(), "backtrail-bench-"));
  // Both methods get the same kernel settings, whatever the shell has set.
  const environment = { ...process.env, ...(threads > 0 ? { OMP_NUM_THREADS: String(threads) } : {}) };
  const launcher = localLauncher({ flavour: "torch", python: found.python, environment });
  const pool = await createPool({ launcher, size: 1, threads, device, logDirectory: join(folder, "logs") });
  const direct = await startDirect({ python: found.python, device, threads, environment });
  try {
    const outcomes: Outcome[] = [];
    for (const [name, sizes] of Object.entries(gpu ? onGpu : onCpu)) {
      if (values.only === undefined || values.only === name)
        outcomes.push(...(await measure(pool, direct, await prepare(pool, folder, name, sizes, gpu), rounds)));
    }
    const about = { ...machine(direct.versions), device, threads };
    process.stdout.write(render(about, outcomes, rounds));
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ about, rounds, outcomes }, null, 2)}\n`);
  } finally {
    await direct.close();
    await pool.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Shard, tokenizer and requests of a case in a folder of its own. */
async function prepare(pool: Pool, parent: string, name: string, sizes: Sizes, gpu: boolean): Promise<Case> {
  const folder = await mkdtemp(join(parent, `${name}-`));
  const examples = 16_384;
  const steps = sizes.steps + warmSteps;
  const own = [
    `train.steps=${steps}`,
    `train.warmupSteps=${warmSteps}`,
    "train.checkpointEvery=1000000",
    `data.train.size=${examples}`,
    `data.test.dev=${sizes.calls * perCall}`,
  ];
  const text = await readFile(join(root, "configs", "quickstart.yaml"), "utf8");
  const config = parseConfig(text, "configs/quickstart.yaml", [...sizes.set, ...own]);
  const settings = config.arms[0]?.settings as ArmSettings;
  const { puzzle, data, seed, train, model } = settings;
  if (train === undefined) throw new Error("configs/quickstart.yaml has no train settings");
  const path = join(folder, "train-00000.jsonl");
  const { sha256 } = await writeJsonl(path, trainExamples({ puzzle, train: data.train }, seed));
  const format = findFormat(puzzle.kind, data.train.format);
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizerJson(format.vocabulary)));
  await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(tokenizerConfigJson(format.vocabulary)));
  const { backtrack = "", goal } = format.markers;
  const dtype = gpu ? "bfloat16" : "float32";
  const spec = initialModelSpec(model, { seed, tokenizer: folder, dtype, isDirectory: false, backtrack });
  const problems = testProblems({ puzzle, test: { ...data.test, seen: 0, unseen: 0 }, format: data.train.format }, seed);
  const prompts =
    sizes.calls === 0 ? [] : (await createGenerator(pool, spec).tokenizePrompts(problems.map(({ prompt }) => prompt))).prompts;
  const requests = prompts.map((prefix, problem) => ({
    prefix,
    seeds: Array.from({ length: samples }, (_, sample) => deriveSeed64(seed, "bench", problem, sample)),
    maxNewTokens: 48,
    temperature: 0.7,
    stops: [goal, backtrack],
  }));
  const shards = [{ path, sha256 }];
  return { name, folder, seed, model: spec, settings: { ...train, steps }, shards, examples, requests, perCall };
}

/** A round of both methods that does not count (it loads and makes the checkpoint), then `rounds` that do. */
async function measure(pool: Pool, direct: Direct, one: Case, rounds: number): Promise<Outcome[]> {
  const { records } = await trainOverBridge(pool, one);
  await direct.train(one, records);
  const training = await measureTraining(pool, direct, one, rounds);
  return one.requests.length === 0 ? [training] : [training, await measureGenerating(pool, direct, one, rounds)];
}

async function measureTraining(pool: Pool, direct: Direct, one: Case, rounds: number): Promise<Outcome> {
  const steps = one.settings.steps - warmSteps;
  const pairs: Round[] = [];
  const [busy, nodeCpuMsPerStep] = [[] as number[], [] as number[]];
  let same = true;
  for (let round = 1; round <= rounds; round++) {
    const bridge = await trainOverBridge(pool, one);
    const plain = await direct.train(one, bridge.records);
    pairs.push({ bridge: steps / bridge.seconds, direct: steps / plain.seconds });
    busy.push(bridge.busy);
    nodeCpuMsPerStep.push((1000 * bridge.nodeCpuSeconds) / steps);
    same &&= JSON.stringify(bridge.losses) === JSON.stringify(plain.losses);
    const [a, b] = [bridge, plain].map(({ seconds }) => ((1000 * seconds) / steps).toFixed(1));
    say(`${one.name}, round ${round}: ${a} and ${b} ms/step`);
  }
  return { case: one.name, unit: "steps/s", rounds: pairs, same, busy, nodeCpuMsPerStep };
}

/** With the checkpoint that the first training left. */
async function measureGenerating(pool: Pool, direct: Direct, one: Case, rounds: number): Promise<Outcome> {
  const model = trainedModelSpec(`bench-${one.name}`, checkpointOf(one), one.model.dtype, one.model.addTokens[0] ?? "");
  await generateOverBridge(pool, model, one);
  await direct.generate(model, one);
  const pairs: Round[] = [];
  let same = true;
  for (let round = 1; round <= rounds; round++) {
    const bridge = await generateOverBridge(pool, model, one);
    const plain = await direct.generate(model, one);
    const tokens = bridge.tokens.reduce((sum, { length }) => sum + length, 0);
    pairs.push({ bridge: tokens / bridge.seconds, direct: tokens / plain.seconds });
    same &&= JSON.stringify(bridge.tokens) === JSON.stringify(plain.tokens);
    const [a, b] = [bridge, plain].map(({ seconds }) => seconds.toFixed(2));
    say(`${one.name}, round ${round}: ${tokens} tokens in ${a} and ${b} s`);
  }
  return { case: one.name, unit: "tokens/s", rounds: pairs, same };
}

const say = (text: string) => process.stderr.write(`${text}\n`);

/** A Markdown table: medians over rounds with their range; the ratio is the median of the ratios of each round's pair. */
function render(
  about: Machine & { readonly device: string; readonly threads: number },
  outcomes: readonly Outcome[],
  rounds: number,
): string {
  const percent = (value: number) => `${(100 * value).toFixed(1)}%`;
  const lines = outcomes.map(({ case: name, unit, rounds: pairs, same, busy, nodeCpuMsPerStep }) => {
    const digits = (value: number) => value.toFixed(unit === "steps/s" ? 2 : 0);
    const step = unit === "steps/s" ? (1000 / median(pairs.map(({ direct }) => direct))).toFixed(1) : "";
    const cells = [
      `${name}, ${unit}`,
      step,
      spread(
        pairs.map(({ bridge }) => bridge),
        digits,
      ),
      spread(
        pairs.map(({ direct }) => direct),
        digits,
      ),
      spread(
        pairs.map(({ bridge, direct }) => bridge / direct),
        percent,
      ),
      busy === undefined ? "" : percent(median(busy)),
      nodeCpuMsPerStep === undefined ? "" : median(nodeCpuMsPerStep).toFixed(2),
      same ? "yes" : "NO",
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    headline(about, `device ${about.device}`, `${about.threads || "default"} kernel threads`, `${rounds} rounds`),
    "",
    "| case | ms/step, plain | bridge | plain Python loop | bridge / plain, per pair | worker inside calls | Node CPU ms/step | same losses / tokens |",
    "|---|---|---|---|---|---|---|---|",
    ...lines,
    "",
  ].join("\n");
}

await main();
