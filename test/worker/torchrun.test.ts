// Workers of several ranks: the end of one is the end of all, told with its name and last words, and training goes on from
// its checkpoint on a new group. Stand-ins in shell for what does not need torch, two real ranks for what does.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, readlinkSync, watch, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { trainSettings } from "../../src/config/schema.ts";
import type { RankStart } from "../../src/protocol/messages.ts";
import { openTrainJournal } from "../../src/store/trainJournal.ts";
import { trainSft } from "../../src/train/sft.ts";
import { localLauncher } from "../../src/worker/launcher.ts";
import { createPool, type Pool } from "../../src/worker/pool.ts";
import { type RankGroup, torchrunLauncher } from "../../src/worker/torchrun.ts";
import { alive, temporaryDirectory, tinyModel, tokenizerDirectory, until, workedRows, writeShard } from "./helpers.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const python = process.env.BACKTRAIL_PYTHON ?? join(root, ".venv", "bin", "python");
const start = { endpoint: "ipc:///nowhere", worker: "w", token: "t", coordinatorPid: 0, threads: 1, device: "cpu", mock: {} };

/** Launches ranks that read their start line into `<folder>/<pid>` and then run `script`, where $rank is theirs. */
function standIns(ranks: number, script: string) {
  const folder = temporaryDirectory();
  const program = join(folder, "program");
  const read = `read -r line\nrank=$(echo "$line" | sed 's/.*"rank":\\([0-9]*\\).*/\\1/')\necho "$line" > ${folder}/$$.json\n`;
  writeFileSync(program, `#!/bin/sh\n${read}${script}\n`);
  chmodSync(program, 0o700);
  const single = localLauncher({ flavour: "torch", python: program, environment: process.env });
  const launcher = torchrunLauncher(single, { ranks, deepspeed: { zero_optimization: { stage: 2 } } });
  const one = launcher.launch(start, join(folder, "w.log"), 0);
  const seen = () =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => ({ pid: Number.parseInt(name, 10), text: readFileSync(join(folder, name), "utf8") }))
      .filter(({ text }) => text.endsWith("\n"))
      .map(({ pid, text }) => ({ pid, group: (JSON.parse(text) as { group: RankStart }).group }));
  return { one, seen, close: () => launcher.close() };
}

/** Worker processes that are children of a process. */
function ranksOf(parent: number): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const after = readFileSync(`/proc/${name}/stat`, "utf8").replace(/^.*\) /s, "");
      const isRank = readFileSync(`/proc/${name}/cmdline`, "utf8").includes("backtrail_worker");
      return isRank && Number(after.split(" ")[1]) === parent ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

describe("a group of ranks", { timeout: 20_000 }, () => {
  it("starts each rank with its place and one file to meet at, which is gone afterwards", async () => {
    const { one, seen, close } = standIns(3, "sleep 60");
    await until(() => seen().length === 3);
    const groups = seen().map(({ group }) => group);
    expect(groups.map(({ rank }) => rank).sort()).toEqual([0, 1, 2]);
    expect(new Set(groups.map(({ rendezvous }) => rendezvous)).size).toBe(1);
    expect(groups.map(({ ranks, deepspeed }) => [ranks, deepspeed])).toEqual(
      Array(3).fill([3, { zero_optimization: { stage: 2 } }]),
    );
    one.kill("SIGTERM");
    expect((await one.exited).signal).toBe("SIGTERM");
    expect(seen().filter(({ pid }) => alive(pid))).toEqual([]);
    expect(existsSync(groups[0]?.rendezvous.replace(/\/[^/]*$/, "") as string)).toBe(false);
    await close();
  });

  it("ends with its first dead rank, and says which, how, and its last words", async () => {
    const { one, seen, close } = standIns(3, '[ "$rank" = 1 ] || exec sleep 60\nsleep 0.5; echo "out of luck" >&2; kill -9 $$');
    expect(await one.exited).toEqual({ code: null, signal: "SIGKILL", reason: "rank 1 of 3 was killed by SIGKILL" });
    expect(one.stderrTail()).toBe("[rank 1 of 3]\nout of luck");
    expect(seen()).toHaveLength(3);
    expect(seen().filter(({ pid }) => alive(pid))).toEqual([]);
    await close();
  });

  it("tells a rank that ran out of memory in the middle of a step from other deaths", async () => {
    const { one, close } = standIns(2, '[ "$rank" = 1 ] || exec sleep 60\nsleep 0.5; exit 6');
    const reason = "rank 1 of 2 ran out of memory in the middle of a step";
    expect(await one.exited).toEqual({ code: 6, signal: null, reason, outOfMemory: true });
    await close();
  });

  it("ends when rank 0 has said goodbye", async () => {
    const { one, seen, close } = standIns(2, '[ "$rank" = 0 ] || exec sleep 60\nsleep 0.5; exit 0');
    expect(await one.exited).toEqual({ code: 0, signal: null, reason: "rank 0 of 2 ended with exit code 0" });
    expect(seen().filter(({ pid }) => alive(pid))).toEqual([]);
    await close();
  });

  it("says when its program is not there", async () => {
    const single = localLauncher({ flavour: "torch", python: "/no/python", environment: process.env });
    const launcher = torchrunLauncher(single, { ranks: 2 });
    const exit = await launcher.launch(start, join(temporaryDirectory(), "w.log"), 0).exited;
    expect(exit.error).toContain("/no/python");
    await launcher.close();
  });
});

const steps = 12;
const settings = trainSettings.parse({ steps, batch: { examples: 4, microBatch: 3 }, checkpointEvery: 4, learningRate: 1e-3 });

// On a CPU it needs a compiler: it makes an operation when it first starts.
const findDeepspeed = `
import importlib.util, os, shutil, sys
sys.exit(not (importlib.util.find_spec("deepspeed") and shutil.which(os.environ.get("CXX", "c++"))))
`;
const hasDeepspeed = spawnSync(python, ["-c", findDeepspeed]).status === 0;
const plain = { sharding: "none", group: { ranks: 2 } };
const zero2 = { sharding: "zero-2", group: { ranks: 2, deepspeed: { zero_optimization: { stage: 2 } } } };

/** A rank to be killed, at the start of a group, in its first call, after step 6, or while a checkpoint is written. */
interface Blow {
  readonly at: "start" | "load_model" | "step 6" | "checkpoint-4" | "checkpoint-8";
  readonly rank: 0 | 1;
}

/** The process of a rank of the only group, by the log file that its launcher gave it. */
const rankProcess = (rank: number) =>
  ranksOf(process.pid).find((pid) => readlinkSync(`/proc/${pid}/fd/1`).includes(".rank1.") === (rank === 1)) as number;

/** Deals blows in their order, each at the next moment of its name. Answers whether one fell. */
function dealer() {
  const left: Blow[] = [];
  const strike = (moment: string): boolean => {
    const [blow] = left;
    if (blow?.at !== moment) return false;
    left.shift();
    process.kill(rankProcess(blow.rank), "SIGKILL");
    return true;
  };
  return { left, strike };
}

/** An environment in which Python's disk is so slow that a process can be killed while it writes. */
function slowDisk(): NodeJS.ProcessEnv {
  const folder = temporaryDirectory();
  const slow = "import os, time\nquick = os.fsync\nos.fsync = lambda file: (time.sleep(0.05), quick(file))\n";
  writeFileSync(join(folder, "sitecustomize.py"), slow);
  return { ...process.env, PYTHONPATH: folder };
}

/** A pool of one worker of two real ranks, and why workers were lost. */
async function pairPool(group: RankGroup, strike: (moment: string) => boolean) {
  const lost: string[] = [];
  const pool = await createPool({
    launcher: torchrunLauncher(localLauncher({ flavour: "torch", python, environment: slowDisk() }), group),
    size: 1,
    threads: 1,
    device: "cpu",
    logDirectory: temporaryDirectory(),
    onEvent: (event) => {
      if (event.kind === "worker-lost") lost.push(event.reason);
      if (event.kind === "worker-starting") void until(() => ranksOf(process.pid).length === 2).then(() => strike("start"));
      if (event.kind === "job-started") strike(event.primitive);
    },
  });
  return { pool, lost };
}

/** Trains; `torn` names the checkpoints that were not whole when a rank was killed over them. */
async function train(pool: Pool, strike: (moment: string) => boolean) {
  const workDirectory = temporaryDirectory();
  const outputDirectory = join(temporaryDirectory(), "checkpoint");
  const journal = await openTrainJournal(workDirectory, outputDirectory);
  const torn: string[] = [];
  const watcher = watch(workDirectory, (_event, name) => {
    const [checkpoint, partial] = name?.split(".") ?? [];
    if (!checkpoint || !partial || !strike(checkpoint)) return;
    if (!existsSync(join(workDirectory, checkpoint))) torn.push(checkpoint);
  });
  try {
    const result = await trainSft({
      workers: pool,
      model: tinyModel(tokenizerDirectory()),
      settings,
      seed: 5,
      shards: [writeShard(workedRows)],
      examples: workedRows.length,
      workDirectory,
      journal,
      outputDirectory,
      onProgress: ({ step }) => {
        strike(`step ${step}`);
      },
    });
    const metrics = readFileSync(join(workDirectory, "metrics.jsonl"), "utf8").trimEnd().split("\n");
    const losses = metrics.map((line) => (JSON.parse(line) as { loss: number }).loss);
    const weights = readFileSync(join(outputDirectory, "model.safetensors"));
    return { result, losses, weights, torn, left: readdirSync(workDirectory).sort() };
  } finally {
    watcher.close();
    await journal.close();
  }
}

// The first start of DeepSpeed on a machine compiles for some minutes.
describe("training on two ranks", { timeout: 600_000 }, () => {
  const step6: Blow = { at: "step 6", rank: 1 };
  const everywhere: Blow[] = [
    { at: "checkpoint-4", rank: 0 },
    { at: "start", rank: 1 },
    step6,
    { at: "load_model", rank: 0 },
    { at: "step 6", rank: 0 },
    { at: "checkpoint-8", rank: 1 },
  ];
  const sides = [{ ...plain, blows: everywhere }, ...(hasDeepspeed ? [{ ...zero2, blows: [step6] }] : [])];
  it.each(sides)(
    "survives the death of ranks ($sharding): new groups, the last checkpoint, the same losses and weights",
    async ({ sharding, group, blows }) => {
      const { left, strike } = dealer();
      const { pool, lost } = await pairPool(group, strike);
      const calm = await train(pool, strike);
      expect(calm.result.info).toMatchObject({ ranks: 2, sharding });
      expect(lost).toEqual([]);
      left.push(...blows);
      const stormy = await train(pool, strike);
      expect(left).toEqual([]);
      expect(lost).toEqual(blows.map(({ rank }) => `rank ${rank} of 2 was killed by SIGKILL`));
      // A group that dies before it is ready has no session to lose.
      expect(stormy.result.restarts).toBe(blows.filter(({ at }) => at !== "start").length);
      // Rank 0 was killed while it wrote, and nothing of that is left.
      if (blows === everywhere) expect(stormy.torn).toContain("checkpoint-4");
      expect(stormy.left).toEqual(calm.left);
      expect(stormy.losses).toHaveLength(steps);
      expect(stormy.losses).toEqual(calm.losses);
      expect(stormy.weights.equals(calm.weights)).toBe(true);
      await pool.close();
      expect(ranksOf(process.pid)).toEqual([]);
    },
  );

  it("leaves no rank and no folder behind when its coordinator is killed with SIGKILL", async () => {
    const script = fileURLToPath(new URL("./fixtures/torchrunCoordinator.ts", import.meta.url));
    const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
    const temporary = temporaryDirectory();
    const folders = () => readdirSync(temporary).filter((name) => name.startsWith("backtrail-"));
    const model = JSON.stringify(tinyModel(tokenizerDirectory()));
    const child = spawn(process.execPath, ["--import", tsx, script, python, temporaryDirectory(), model], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, TMPDIR: temporary },
    });
    await new Promise((resolve) => createInterface({ input: child.stdout }).once("line", resolve));
    const ranks = ranksOf(child.pid as number);
    expect(ranks).toHaveLength(2);
    expect(folders()).toHaveLength(2);
    process.kill(ranks[1] as number, "SIGSTOP");
    child.kill("SIGKILL");
    await until(() => !ranks.some(alive) && folders().length === 0);
  });
});
