// What several ranks cost: ms per step of one process, of n ranks that sum gradients, and of n ranks under ZeRO-2, with the
// same rows of the same global batch through pool, socket and training loop; the sides in turn inside each round. On the
// CPU every rank has one thread, as the one process has, so n ranks should take 1/n of its time: what is beyond is overhead.
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseDeepspeed } from "../src/config/deepspeed.ts";
import { parseConfig } from "../src/config/load.ts";
import type { ArmSettings } from "../src/config/schema.ts";
import { trainExamples } from "../src/data/make.ts";
import { initialModelSpec } from "../src/run/modelSpec.ts";
import { findPython } from "../src/setup/environment.ts";
import { writeJsonl } from "../src/store/shards.ts";
import { findFormat } from "../src/trace/registry.ts";
import { tokenizerConfigJson, tokenizerJson } from "../src/trace/tokenizer.ts";
import { localLauncher } from "../src/worker/launcher.ts";
import { createPool, type Pool } from "../src/worker/pool.ts";
import { type RankGroup, torchrunLauncher } from "../src/worker/torchrun.ts";
import { type Case, trainOverBridge, warmSteps } from "./bridgeSides.ts";
import { headline, type Machine, machine, spread } from "./machine.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What differs from configs/quickstart.yaml, and how many steps a round times. */
interface Sizes {
  readonly set: readonly string[];
  readonly steps: number;
}
const onCpu: Record<string, Sizes> = {
  tiny: { set: ["model.width=64", "model.layers=2", "model.heads=2", "model.mlp=160", "train.batch.examples=8"], steps: 40 },
  quickstart: { set: [], steps: 15 },
};
const onGpu: Record<string, Sizes> = {
  "1B shape": {
    set: ["width=2048", "layers=16", "heads=32", "mlp=8192"].map((set) => `model.${set}`).concat("train.batch.examples=1024"),
    steps: 20,
  },
};

interface Side {
  readonly name: string;
  readonly pool: Pool;
}
interface Outcome {
  readonly case: string;
  readonly side: string;
  readonly msPerStep: readonly number[];
  /** Beyond the first side's time divided by the ranks, pair by pair. */
  readonly overheadMs: readonly number[];
  /** Largest relative difference of a step's loss from the first side's. */
  readonly lossDifference: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      gpu: { type: "boolean" },
      json: { type: "string" },
      rounds: { type: "string" },
      ranks: { type: "string" },
      only: { type: "string" },
    },
  });
  const [rounds, ranks] = [Number(values.rounds ?? 3), Number(values.ranks ?? 2)];
  const gpu = values.gpu === true;
  const python = findPython(process.env, root)?.python;
  if (python === undefined) throw new Error("bench:multirank needs .venv or BACKTRAIL_PYTHON");
  const folder = await mkdtemp(join(tmpdir(), "backtrail-bench-"));
  const sides: Side[] = [];
  const versions: Record<string, string> = {};
  try {
    const launch = async (name: string, group: RankGroup) => {
      const single = localLauncher({ flavour: "torch", python, environment: process.env });
      const [device, threads] = gpu ? (["auto", 0] as const) : (["cpu", 1] as const);
      const pool = await createPool({
        launcher: torchrunLauncher(single, group),
        size: 1,
        threads,
        device,
        logDirectory: join(folder, `logs-${sides.length}`),
        onEvent: (event) => {
          if (event.kind === "worker-ready") Object.assign(versions, event.versions);
        },
      });
      sides.push({ name, pool });
    };
    await launch("one process", { ranks: 1 });
    await launch(`${ranks} ranks`, { ranks });
    if (hasDeepspeed(python)) {
      const text = await readFile(join(root, "configs", "deepspeed", "zero2.json"), "utf8");
      await launch(`${ranks} ranks, ZeRO-2`, { ranks, deepspeed: parseDeepspeed(text, "zero2.json") });
    } else say("DeepSpeed is not installed: no ZeRO-2 side");
    const outcomes: Outcome[] = [];
    for (const [name, sizes] of Object.entries(gpu ? onGpu : onCpu)) {
      if (values.only !== undefined && values.only !== name) continue;
      outcomes.push(...(await measure(sides, await prepare(folder, name, sizes, gpu), rounds, ranks)));
    }
    const about = { ...machine(versions), device: gpu ? "GPU" : "CPU, one thread per rank", rounds };
    process.stdout.write(render(about, outcomes));
    if (values.json !== undefined)
      await writeFile(values.json, `${JSON.stringify({ about, rounds, ranks, outcomes }, null, 2)}\n`);
  } finally {
    await Promise.all(sides.map(({ pool }) => pool.close()));
    await rm(folder, { recursive: true, force: true });
  }
}

function hasDeepspeed(python: string): boolean {
  try {
    execFileSync(python, ["-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('deepspeed') is None)"]);
    return true;
  } catch {
    return false;
  }
}

/** Shard, tokenizer and settings of a case in a folder of its own. */
async function prepare(parent: string, name: string, sizes: Sizes, gpu: boolean): Promise<Case> {
  const folder = await mkdtemp(join(parent, "case-"));
  const steps = sizes.steps + warmSteps;
  const examples = 4096;
  const own = [`train.steps=${steps}`, `train.warmupSteps=${warmSteps}`, "train.checkpointEvery=1000000"];
  const text = await readFile(join(root, "configs", "quickstart.yaml"), "utf8");
  const config = parseConfig(text, "configs/quickstart.yaml", [...sizes.set, ...own, `data.train.size=${examples}`]);
  const settings = config.arms[0]?.settings as ArmSettings;
  const { puzzle, data, seed, train, model } = settings;
  if (train === undefined) throw new Error("configs/quickstart.yaml has no train settings");
  const path = join(folder, "train-00000.jsonl");
  const { sha256 } = await writeJsonl(path, trainExamples({ puzzle, train: data.train }, seed));
  const format = findFormat(puzzle.kind, data.train.format);
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizerJson(format.vocabulary)));
  await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(tokenizerConfigJson(format.vocabulary)));
  const dtype = gpu ? "bfloat16" : "float32";
  const { backtrack = "" } = format.markers;
  const spec = initialModelSpec(model, { seed, tokenizer: folder, dtype, isDirectory: false, backtrack });
  const shards = [{ path, sha256 }];
  return { name, folder, seed, model: spec, settings: { ...train, steps }, shards, examples, requests: [], perCall: 1 };
}

/** A round of all sides that does not count, then `rounds` that do. */
async function measure(sides: readonly Side[], one: Case, rounds: number, ranks: number): Promise<Outcome[]> {
  const times = sides.map(() => [] as number[]);
  const losses = sides.map(() => [] as readonly number[]);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, { name, pool }] of sides.entries()) {
      const trained = await trainOverBridge(pool, one);
      losses[index] = trained.losses;
      const ms = (1000 * trained.seconds) / (one.settings.steps - warmSteps);
      if (round > 0) times[index]?.push(ms);
      say(`${one.name}, round ${round}, ${name}: ${ms.toFixed(1)} ms/step`);
    }
  }
  const [alone = [], reference = []] = [times[0], losses[0]];
  return sides.map(({ name }, index) => ({
    case: one.name,
    side: name,
    msPerStep: times[index] ?? [],
    overheadMs: index === 0 ? [] : (times[index] ?? []).map((ms, round) => ms - (alone[round] ?? Number.NaN) / ranks),
    lossDifference: Math.max(
      ...(losses[index] ?? []).map((loss, step) => Math.abs(loss / (reference[step] ?? Number.NaN) - 1)),
    ),
  }));
}

const say = (text: string) => process.stderr.write(`${text}\n`);

const tenths = (value: number) => value.toFixed(1);

function render(about: Machine & { readonly device: string; readonly rounds: number }, outcomes: readonly Outcome[]): string {
  const lines = outcomes.map(({ case: name, side, msPerStep, overheadMs, lossDifference }) => {
    const overhead = overheadMs.length === 0 ? "" : spread(overheadMs, tenths);
    return `| ${name} | ${side} | ${spread(msPerStep, tenths)} | ${overhead} | ${lossDifference.toExponential(1)} |`;
  });
  return [
    headline(about, about.device, `${about.rounds} rounds`),
    "",
    "| case | side | ms/step | overhead, ms/step (beyond one process / ranks) | loss, relative difference |",
    "|---|---|---|---|---|",
    ...lines,
    "",
  ].join("\n");
}

await main();
