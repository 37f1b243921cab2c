// backtrail run: the sweep from config to report.
import { stat } from "node:fs/promises";
import { cpus, hostname, totalmem } from "node:os";
import { basename, join, resolve } from "node:path";
import { type DeepspeedSettings, parseDeepspeed } from "../config/deepspeed.ts";
import { loadedModules } from "../config/moduleLoader.ts";
import { exitCode, UserError } from "../lib/errors.ts";
import type { Json } from "../lib/hash.ts";
import { protocolVersion } from "../protocol/messages.ts";
import { checkModelAccess } from "../python/probe.ts";
import { renderCsv } from "../report/csv.ts";
import { renderHtml } from "../report/html.ts";
import { renderTable } from "../report/table.ts";
import type { RunContext } from "../run/context.ts";
import { executePlan } from "../run/execute.ts";
import { formatDuration, Progress } from "../run/progress.ts";
import { gatherResults, type RunOutputs } from "../run/summary.ts";
import { findPython, requirePython } from "../setup/environment.ts";
import { writeAtomic } from "../store/files.ts";
import { lockSweep } from "../store/lock.ts";
import { keepEarlier } from "../store/results.ts";
import { Store } from "../store/store.ts";
import { localLauncher } from "../worker/launcher.ts";
import { createPool, type Pool } from "../worker/pool.ts";
import { type RankGroup, torchrunLauncher } from "../worker/torchrun.ts";
import { type ExitCode, type Io, readUserFile } from "./io.ts";
import { codeCommit, type LoadedSweep, loadSweep, type SweepFlags } from "./sweep.ts";

export interface RunFlags extends SweepFlags {
  readonly results: string;
}

/** Exit code 3 when a stage failed, 4 when a required claim was not supported. */
export async function runCommand(io: Io, path: string, flags: RunFlags): Promise<ExitCode> {
  const begun = performance.now();
  const sweep = await loadSweep(io, path, flags);
  const group = await rankGroup(io, sweep);
  const python = pythonFor(io, sweep, flags.mock);
  if (!flags.mock) {
    await requirePython(python, io.env);
    await requireModels(io, sweep, python);
  }
  const progress = new Progress({ write: io.err, isTerminal: io.errIsTerminal, now: () => performance.now() });
  const store = await Store.open(sweep.storeRoot);
  const folder = resolve(io.cwd, flags.results, sweep.folder);
  const lock = await lockSweep(folder);
  const pools: Promise<Pool>[] = [];
  try {
    progress.say(
      `${sweep.config.file.name}: ${sweep.plan.arms.length} arms, ${sweep.plan.stages.length} stages, ${sweep.environment.flavour} worker on ${sweep.environment.device} (${sweep.environment.dtype})`,
    );
    const logDirectory = join(folder, "logs", new Date().toISOString().replaceAll(":", "-"));
    const code = {
      backtrail: io.version,
      commit: await codeCommit(io.root),
      protocol: String(protocolVersion),
      node: process.version,
    };
    const context = contextFor(io, sweep, { store, progress, python, group, pools, logDirectory, code });
    const executed = await executePlan(context, sweep.plan, { atOnce: sweep.config.file.workers.count });
    const outputs = await gatherResults(context, sweep.config, sweep.plan, executed, new Date().toISOString(), {
      logs: join(flags.results, sweep.folder, "logs", basename(logDirectory)),
      command: ["backtrail run", path, ...(flags.mock ? ["--mock"] : []), ...flags.set.map((item) => `--set '${item}'`)].join(
        " ",
      ),
    });
    await writeResults(folder, sweep, outputs, progress);
    const took = formatDuration((performance.now() - begun) / 1000);
    progress.say(`${executed.ran} stages ran, ${executed.cached} were cached, ${executed.failures.length} failed, in ${took}`);
    io.out(
      flags.json
        ? `${JSON.stringify(outputs.summary, null, 2)}\n`
        : `\n${renderTable(outputs.summary, { colour: io.colour, width: io.width })}\n`,
    );
    progress.say(`Page: ${join(flags.results, sweep.folder, "report.html")}`);
    return codeOf(executed.failures.length, outputs);
  } finally {
    await Promise.all(pools.map(async (pool) => (await pool).close()));
    await lock.release();
  }
}

/** Every published model that the arms name can be had: asked before data is made and workers are started. */
async function requireModels(io: Io, { config }: LoadedSweep, python: string): Promise<void> {
  const asked = new Set<string>();
  for (const { settings } of config.arms) {
    const { model } = settings;
    if (!("from" in model)) continue;
    const directory = resolve(io.cwd, model.from);
    const source = await stat(directory).then(
      (found) => (found.isDirectory() ? directory : model.from),
      () => model.from,
    );
    const name = `${source}@${model.revision ?? ""}`;
    if (asked.has(name)) continue;
    asked.add(name);
    const options = { timeoutMs: 120_000, root: io.root, env: io.env };
    const wrong = await checkModelAccess(python, { source, revision: model.revision }, options);
    if (wrong !== undefined) throw new UserError("model-not-found", `model.from: ${wrong}`);
  }
}

function codeOf(failures: number, { summary }: RunOutputs): ExitCode {
  if (failures > 0) return exitCode.failedStages;
  return summary.claims.some((claim) => claim.required && claim.verdict !== "supported")
    ? exitCode.claimNotSupported
    : exitCode.done;
}

/** The processes of one worker and their DeepSpeed settings. Throws UserError for what contradicts itself or the machine. */
async function rankGroup(io: Io, { config, environment }: LoadedSweep): Promise<RankGroup> {
  const { count, deepspeed, gpus, ranks = Math.max(1, gpus ?? 1) } = config.file.workers;
  const refuse = (message: string): never => {
    throw new UserError("workers", `workers.${message}`);
  };
  if (gpus !== undefined && gpus > 1 && gpus !== ranks) refuse(`ranks is ${ranks} and workers.gpus ${gpus}: one rank per GPU.`);
  const settings = deepspeed === undefined ? undefined : await readDeepspeed(io, deepspeed);
  if (environment.flavour === "mock") return { ranks: 1 };
  const onGpu = environment.device !== "cpu";
  if (gpus !== undefined && gpus > 1 && !onGpu)
    refuse(`gpus is ${gpus}, but PyTorch sees no GPU here. workers.ranks: ${gpus} without gpus makes ranks on the CPU.`);
  if (ranks > 1 && count > 1 && onGpu)
    refuse(`count is ${count}, but a worker of ${ranks} ranks takes the GPUs for itself. Set workers.count: 1.`);
  if (settings !== undefined && ranks === 1)
    io.err("workers.deepspeed is for several ranks (workers.ranks or workers.gpus): one rank trains without it.\n");
  return { ranks, ...(settings === undefined ? {} : { deepspeed: settings }) };
}

async function readDeepspeed(io: Io, path: string): Promise<DeepspeedSettings> {
  return parseDeepspeed(await readUserFile(resolve(io.cwd, path)), path);
}

function pythonFor(io: Io, sweep: LoadedSweep, mock: boolean): string {
  if (mock) return "";
  const configured = sweep.config.file.workers.python;
  const found = configured === "auto" ? findPython(io.env, io.root)?.python : configured;
  if (found !== undefined) return found;
  throw new UserError(
    "python-missing",
    "No Python environment: .venv is not there and BACKTRAIL_PYTHON is not set. Run `backtrail setup` to make .venv, or set BACKTRAIL_PYTHON to a Python that has PyTorch; `backtrail run --mock` needs none.",
  );
}

interface RunParts {
  readonly store: Store;
  readonly progress: Progress;
  readonly python: string;
  /** The processes of each worker. */
  readonly group: RankGroup;
  /** Takes the pool once it is started, to be closed at the end. */
  readonly pools: Promise<Pool>[];
  readonly logDirectory: string;
  /** Versions for manifests and summary; those of the worker's packages join when it is ready. */
  readonly code: Record<string, string>;
}

function contextFor(io: Io, sweep: LoadedSweep, parts: RunParts): RunContext {
  const { store, progress, python, group, pools, logDirectory, code } = parts;
  const { workers } = sweep.config.file;
  const { flavour, device } = sweep.environment;
  const cpu = cpus();
  return {
    store,
    environment: sweep.environment,
    progress,
    signal: io.signal,
    code,
    machine: {
      host: hostname(),
      cpu: cpu[0]?.model ?? "unknown",
      cores: cpu.length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      device,
    },
    workers: () => {
      const existing = pools[0];
      if (existing !== undefined) return existing;
      const pool = createPool({
        launcher: torchrunLauncher(localLauncher({ flavour, python, environment: io.env }), group),
        size: workers.count,
        threads: workers.threads,
        device: "auto",
        ...(flavour === "mock" ? { mock: { modules: loadedModules() } } : {}),
        onEvent: (event) => {
          if (event.kind === "worker-ready") {
            if (group.deepspeed !== undefined && event.versions.deepspeed === undefined && code.python === undefined)
              progress.say(
                "  DeepSpeed is not installed: every rank keeps the whole training state (same results, more memory)",
              );
            Object.assign(code, event.versions);
          }
          if (event.kind === "worker-lost") progress.say(`  worker ${event.worker} was lost: ${event.reason}`);
        },
        logDirectory,
      });
      pools.push(pool);
      return pool;
    },
  };
}

/** Results of another config are moved aside, never overwritten. */
async function writeResults(folder: string, sweep: LoadedSweep, outputs: RunOutputs, progress: Progress): Promise<void> {
  const moved = await keepEarlier(folder, sweep.config.digest);
  if (moved !== undefined) progress.say(`Results of an earlier configuration were kept in ${moved}`);
  const resolved = { digest: sweep.config.digest, file: sweep.config.file, arms: sweep.config.arms };
  const write = (name: string, text: string) => writeAtomic(join(folder, name), text);
  await write("config.resolved.json", `${JSON.stringify(resolved as unknown as Json, null, 2)}\n`);
  await write("plan.json", `${JSON.stringify(sweep.plan, null, 2)}\n`);
  await write("results.csv", renderCsv(outputs.summary));
  await write("report.html", renderHtml(outputs.summary, { losses: outputs.losses, samples: outputs.samples }));
  await write("page.json", `${JSON.stringify({ losses: outputs.losses, samples: outputs.samples })}\n`);
  await write("summary.json", `${JSON.stringify(outputs.summary, null, 2)}\n`);
}
