// What `run` needs before it has workers, and how it gets them: Python, published models, GPUs, the processes of a worker.
import { resolve } from "node:path";
import { type DeepspeedSettings, parseDeepspeed } from "../config/deepspeed.ts";
import { loadedModules } from "../config/moduleLoader.ts";
import { UserError } from "../lib/errors.ts";
import type { RunMonitor } from "../run/monitor.ts";
import type { RunScope } from "../run/select.ts";
import { findPython, requirePython } from "../setup/environment.ts";
import { assignGpus } from "../worker/devices.ts";
import { localLauncher } from "../worker/launcher.ts";
import { createPool, type Pool } from "../worker/pool.ts";
import { type RankGroup, torchrunLauncher } from "../worker/torchrun.ts";
import { type Io, readUserFile } from "./io.ts";
import { requireModels } from "./models.ts";
import type { LoadedSweep } from "./sweep.ts";

/** Drivers hold a whole process, its heartbeats too, while they load. */
const gpuSilenceMs = 60_000;
/** A published model may have to be downloaded within one call. */
const torchProgressMs = 30 * 60_000;

/** How the workers of a sweep are started. */
export interface WorkerPlan {
  /** "" for mock workers. */
  readonly python: string;
  /** The processes of one worker. */
  readonly group: RankGroup;
  /** For each worker the entries of its CUDA_VISIBLE_DEVICES. */
  readonly gpus: readonly (readonly string[])[] | undefined;
}

/** Checks, before anything is made, that workers can be had. Throws UserError for what is missing or contradicts itself. */
export async function planWorkers(io: Io, sweep: LoadedSweep, scope: RunScope): Promise<WorkerPlan> {
  const { group, gpus } = await planPlaces(io, sweep);
  if (sweep.environment.flavour === "mock") return { python: "", group, gpus };
  const python = pythonFor(io, sweep);
  await requirePython(python, io.env);
  await requireModels(io, sweep, python, scope);
  return { python, group, gpus };
}

/** Why `workers` cannot be had on this machine, for a plan; undefined when they can, as far as their number goes. */
export async function workersNote(io: Io, sweep: LoadedSweep): Promise<string | undefined> {
  try {
    await planPlaces(io, sweep);
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

async function planPlaces(io: Io, sweep: LoadedSweep): Promise<Pick<WorkerPlan, "group" | "gpus">> {
  const group = await rankGroup(io, sweep);
  if (sweep.environment.flavour === "mock") return { group, gpus: undefined };
  const { count, gpus: each } = sweep.config.file.workers;
  const gpus = assignGpus({
    workers: count,
    gpus: each,
    ranks: group.ranks,
    visible: io.env.CUDA_VISIBLE_DEVICES,
    found: sweep.gpus.length,
  });
  return { group, gpus };
}

/** `code` takes the versions of the workers' packages when the first is ready. */
export async function startWorkers(
  io: Io,
  sweep: LoadedSweep,
  { python, group, gpus }: WorkerPlan,
  run: {
    readonly monitor: RunMonitor;
    readonly logDirectory: string;
    readonly code: Record<string, string>;
  },
): Promise<Pool> {
  const { workers } = sweep.config.file;
  const { flavour, device } = sweep.environment;
  const pool = await createPool({
    launcher: torchrunLauncher(localLauncher({ flavour, python, environment: io.env, gpus }), group),
    size: workers.count,
    threads: workers.threads,
    // A CPU build of PyTorch on a machine with GPUs must not count as having them.
    device: device === "cpu" ? "cpu" : "auto",
    ...(flavour === "torch"
      ? { timeouts: { silence: device === "cpu" ? 10_000 : gpuSilenceMs, progress: torchProgressMs } }
      : {}),
    ...(flavour === "mock" ? { mock: { modules: loadedModules() } } : {}),
    onEvent: (event) => {
      run.monitor.poolEvent(event);
      if (event.kind === "worker-ready") Object.assign(run.code, event.versions);
    },
    logDirectory: run.logDirectory,
  });
  run.monitor.setPool(() => pool.describe());
  return pool;
}

/** The processes of one worker and their DeepSpeed settings. */
async function rankGroup(io: Io, { config, environment }: LoadedSweep): Promise<RankGroup> {
  const { deepspeed, gpus, ranks = Math.max(1, gpus ?? 1) } = config.file.workers;
  const refuse = (message: string): never => {
    throw new UserError("workers", `workers.${message}`);
  };
  if (gpus !== undefined && gpus > 0 && gpus !== ranks) refuse(`ranks is ${ranks} and workers.gpus ${gpus}: one rank per GPU.`);
  const settings = deepspeed === undefined ? undefined : await readDeepspeed(io, deepspeed);
  if (environment.flavour === "mock") return { ranks: 1 };
  const onGpu = environment.device !== "cpu";
  if (gpus !== undefined && gpus > 1 && !onGpu)
    refuse(`gpus is ${gpus}, but PyTorch sees no GPU here. workers.ranks: ${gpus} without gpus makes ranks on the CPU.`);
  if (settings !== undefined && ranks === 1)
    io.err("workers.deepspeed is for several ranks (workers.ranks or workers.gpus): one rank trains without it.\n");
  return { ranks, ...(settings === undefined ? {} : { deepspeed: settings }) };
}

async function readDeepspeed(io: Io, path: string): Promise<DeepspeedSettings> {
  return parseDeepspeed(await readUserFile(resolve(io.cwd, path)), path);
}

function pythonFor(io: Io, sweep: LoadedSweep): string {
  const configured = sweep.config.file.workers.python;
  const found = configured === "auto" ? findPython(io.env, io.root)?.python : configured;
  if (found !== undefined) return found;
  throw new UserError(
    "python-missing",
    "No Python environment: .venv is not there and BACKTRAIL_PYTHON is not set. Run `backtrail setup` to make .venv, or set BACKTRAIL_PYTHON to a Python that has PyTorch; `backtrail run --mock` needs none.",
  );
}
