// backtrail run: the sweep from config to report.
import { cpus, hostname, totalmem } from "node:os";
import { basename, join, resolve } from "node:path";
import { exitCode, UserError } from "../lib/errors.ts";
import type { Json } from "../lib/hash.ts";
import { protocolVersion } from "../protocol/messages.ts";
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
import type { ExitCode, Io } from "./io.ts";
import { codeCommit, type LoadedSweep, loadSweep, type SweepFlags } from "./sweep.ts";

export interface RunFlags extends SweepFlags {
  readonly results: string;
}

/** Exit code 3 when a stage failed, 4 when a required claim was not supported. */
export async function runCommand(io: Io, path: string, flags: RunFlags): Promise<ExitCode> {
  const begun = performance.now();
  const sweep = await loadSweep(io, path, flags);
  refuseUnsupported(sweep);
  const python = pythonFor(io, sweep, flags.mock);
  if (!flags.mock) await requirePython(python, io.env);
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
    const context = contextFor(io, sweep, { store, progress, python, pools, logDirectory, code });
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

function codeOf(failures: number, { summary }: RunOutputs): ExitCode {
  if (failures > 0) return exitCode.failedStages;
  return summary.claims.some((claim) => claim.required && claim.verdict !== "supported")
    ? exitCode.claimNotSupported
    : exitCode.done;
}

/** The config's shape is a promise; what this version cannot do yet is refused, not ignored. `plan` accepts it. */
function refuseUnsupported({ config }: LoadedSweep): void {
  const { deepspeed, gpus } = config.file.workers;
  const refuse = (key: string, fix: string) => {
    throw new UserError("unsupported", `workers.${key}: this version trains on one device per worker. ${fix}`);
  };
  if (deepspeed !== undefined) refuse("deepspeed", "Remove the key (--set workers.deepspeed=null) to train in one process.");
  if (gpus !== undefined && gpus > 1) refuse("gpus", "Set it to 1.");
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
  /** Takes the pool once it is started, to be closed at the end. */
  readonly pools: Promise<Pool>[];
  readonly logDirectory: string;
  /** Versions for manifests and summary; those of the worker's packages join when it is ready. */
  readonly code: Record<string, string>;
}

function contextFor(io: Io, sweep: LoadedSweep, { store, progress, python, pools, logDirectory, code }: RunParts): RunContext {
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
        launcher: localLauncher({ flavour, python, environment: io.env }),
        size: workers.count,
        threads: workers.threads,
        device: "auto",
        onEvent: (event) => {
          if (event.kind === "worker-ready") Object.assign(code, event.versions);
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
