// What run, plan and status share: reading the config, deciding where tensors are worked on, planning.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, isAbsolute, join, resolve } from "node:path";
import { promisify } from "node:util";
import { parseConfig } from "../config/load.ts";
import { loadModulesOf } from "../config/moduleLoader.ts";
import type { ResolvedConfig } from "../config/resolve.ts";
import { UserError } from "../lib/errors.ts";
import { digest } from "../lib/hash.ts";
import { buildPlan, type Plan } from "../plan/plan.ts";
import { probePython } from "../python/probe.ts";
import { claimPairs } from "../run/claims.ts";
import type { RunEnvironment } from "../run/context.ts";
import { findPython } from "../setup/environment.ts";
import { type Io, readUserFile } from "./io.ts";

export interface SweepFlags {
  readonly set: readonly string[];
  readonly mock: boolean;
  readonly json: boolean;
}

export interface LoadedSweep {
  readonly config: ResolvedConfig;
  readonly plan: Plan;
  readonly environment: RunEnvironment;
  /** Names of the GPUs that workers can use; none for mock workers. */
  readonly gpus: readonly string[];
  /** Absolute. */
  readonly storeRoot: string;
  /** Name of the folder under results/: the sweep's, with "-mock" for a mock run. */
  readonly folder: string;
}

/** GPUs as nvidia-smi names them, without starting Python; none when there is no driver or CUDA_VISIBLE_DEVICES is empty. */
export async function visibleGpus(env: Io["env"]): Promise<string[]> {
  if (env.CUDA_VISIBLE_DEVICES === "" || env.CUDA_VISIBLE_DEVICES === "-1") return [];
  try {
    const { stdout } = await promisify(execFile)("nvidia-smi", ["--query-gpu=name", "--format=csv,noheader"], {
      timeout: 10_000,
    });
    return stdout
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  } catch {
    // A container may have the device and not the tool: PyTorch is asked then. Without a driver none is an answer, not an error.
    return ["/dev/nvidiactl", "/dev/kfd"].some((path) => existsSync(path)) ? ["GPU"] : [];
  }
}

/** The commit of the running code, with "+changes" when files differ from it; "unknown" outside a checkout. */
export async function codeCommit(root: string): Promise<string> {
  const git = async (...args: string[]) =>
    (await promisify(execFile)("git", ["-C", root, ...args], { timeout: 10_000 })).stdout.trim();
  try {
    if ((await git("rev-parse", "--show-toplevel")) !== (await realpath(root))) return "unknown";
    const commit = await git("rev-parse", "HEAD");
    return (await git("status", "--porcelain", "--untracked-files=no")) === "" ? commit : `${commit}+changes`;
  } catch {
    return "unknown"; // no git, or an installed package: the version is recorded anyway
  }
}

interface UsableGpus {
  readonly gpus: readonly string[];
  /** Whether all of them compute in bfloat16; false without any. */
  readonly bfloat16: boolean;
}

const noGpus: UsableGpus = { gpus: [], bfloat16: false };

/**
 * The GPUs that the chosen Python's PyTorch can use; none, with a warning, when the machine has GPUs and it sees none. Without
 * a Python (plan on a bare machine) the driver's word is taken.
 */
async function usableGpus(io: Io, configured: string): Promise<UsableGpus> {
  const gpus = await visibleGpus(io.env);
  const python = configured === "auto" ? findPython(io.env, io.root)?.python : configured;
  if (gpus.length === 0 || python === undefined) return { gpus, bfloat16: gpus.length > 0 };
  const report = await probePython(python, { timeoutMs: 120_000, root: io.root, env: io.env });
  if (!report.ok) return { gpus, bfloat16: true };
  const without = report.devices.find(({ bfloat16 }) => !bfloat16);
  if (without !== undefined) {
    io.err(
      `Warning: ${without.name} has no bfloat16 (compute capability 8.0 and newer have it): dtype auto is float32 here; bfloat16 by name would be emulated, slowly.\n`,
    );
  }
  if (report.devices.length > 0) return { gpus: report.devices.map(({ name }) => name), bfloat16: without === undefined };
  io.err(
    `Warning: this machine has ${gpus[0]}, but the PyTorch of ${python} sees no GPU (a CPU build?): running on the CPU.\n`,
  );
  return noGpus;
}

/** Config file -> resolved config, environment and plan. Throws UserError for anything wrong in the file. */
export async function loadSweep(io: Io, path: string, flags: SweepFlags): Promise<LoadedSweep> {
  const file = resolve(io.cwd, path);
  const text = await readUserFile(file);
  await loadModulesOf(text, file);
  const config = parseConfig(text, path, flags.set);
  const onCpu = flags.mock || config.file.workers.gpus === 0;
  const { gpus, bfloat16 } = onCpu ? noGpus : await usableGpus(io, config.file.workers.python);
  const environment: RunEnvironment = {
    flavour: flags.mock ? "mock" : "torch",
    dtype: bfloat16 ? "bfloat16" : "float32",
    device: gpus[0] ?? "cpu",
  };
  const external = await externalDigests(config, io.cwd);
  const plan = buildPlan(config, { ...environment, external });
  for (const [name, claim] of Object.entries(config.file.claims)) claimPairs(name, claim, config, plan);
  const storeRoot = resolve(io.cwd, config.file.store);
  return { config, plan, environment, gpus, storeRoot, folder: `${config.file.name}${flags.mock ? "-mock" : ""}` };
}

/**
 * Published models enter keys by content: a directory by the sha256 of its files, a Hub id by its revision.
 * Throws UserError when `from` looks like a path and is not there.
 */
async function externalDigests(config: ResolvedConfig, cwd: string): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const arm of config.arms) {
    const { model } = arm.settings;
    if (!("from" in model) || digests[model.from] !== undefined) continue;
    const directory = resolve(cwd, model.from);
    const found = await stat(directory).catch(() => undefined);
    if (found?.isDirectory()) {
      digests[model.from] = await digestDirectory(directory);
    } else if (isAbsolute(model.from) || model.from.startsWith(".") || model.from.split("/").length !== 2) {
      throw new UserError(
        "model-not-found",
        `model.from: there is no directory ${model.from}, and it is not a Hub id (owner/name). Give a directory in save_pretrained layout or a Hub id.`,
      );
    } else {
      digests[model.from] = `hub:${model.from}@${model.revision ?? "main"}`;
    }
  }
  return digests;
}

async function digestDirectory(directory: string): Promise<string> {
  const files: Record<string, string> = {};
  const names = (await readdir(directory)).filter((name) => /\.(json|safetensors|txt|model|jinja)$/.test(name)).sort();
  if (!names.includes("config.json")) {
    throw new UserError(
      "model-not-found",
      `model.from: ${directory} holds no config.json, so it is not a checkpoint in save_pretrained layout. It holds: ${names.join(", ") || "no model files"}.`,
    );
  }
  for (const name of names) {
    const hash = createHash("sha256");
    for await (const data of createReadStream(join(directory, basename(name)))) hash.update(data as Buffer);
    files[name] = hash.digest("hex");
  }
  return digest(files);
}
