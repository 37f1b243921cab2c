// What `run` and `retry` share: a sweep from its plan to its report, with locks, progress and record.
import { cpus, hostname, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { exitCode, UserError } from "../lib/errors.ts";
import type { StageNeeds } from "../plan/needs.ts";
import { protocolVersion } from "../protocol/messages.ts";
import { renderCsv } from "../report/csv.ts";
import { unjudgedSentence } from "../report/figures.ts";
import { renderHtml } from "../report/html.ts";
import { renderTable } from "../report/table.ts";
import type { RunContext } from "../run/context.ts";
import { type Executed, type ExecuteOptions, executePlan } from "../run/execute.ts";
import { isDiskFull } from "../run/failure.ts";
import { RunMonitor } from "../run/monitor.ts";
import { formatDuration, Progress } from "../run/progress.ts";
import { type Gathered, gatherResults, type RunOutputs } from "../run/summary.ts";
import { writeAtomic } from "../store/files.ts";
import { lockSweep } from "../store/lock.ts";
import { clearTorn, keepEarlier } from "../store/results.ts";
import { type RunState, readRunState } from "../store/runState.ts";
import { Store } from "../store/store.ts";
import { holdStore } from "../store/users.ts";
import type { Pool } from "../worker/pool.ts";
import { commandLine } from "./commandLine.ts";
import type { ExitCode, Io } from "./io.ts";
import { estimateStages } from "./planEstimate.ts";
import { RunRecord } from "./runRecord.ts";
import { planWorkers, startWorkers, type WorkerPlan } from "./runWorkers.ts";
import { codeCommit, type LoadedSweep, type SweepFlags } from "./sweep.ts";

export interface RunFlags extends SweepFlags {
  readonly results: string;
}

/** A sweep that is to run, as the user asked for it. */
export interface SweepRun extends Pick<ExecuteOptions, "only" | "limit" | "failFast"> {
  readonly sweep: LoadedSweep;
  /** The config's path as it was given. */
  readonly path: string;
  readonly flags: RunFlags;
}

/** The folder of a sweep's results. */
export function resultsFolder(io: Io, sweep: LoadedSweep, flags: RunFlags): string {
  return resolve(io.cwd, flags.results, sweep.folder);
}

/** Exit code 3 when a stage failed or the disk is full, 4 when a required claim was not supported or not judged. */
export async function runSweep(io: Io, run: SweepRun): Promise<ExitCode> {
  const { sweep, flags } = run;
  const workers = await planWorkers(io, sweep, run);
  const now = () => performance.now();
  const size = io.errSize === undefined ? {} : { size: io.errSize };
  const progress = new Progress({ write: io.err, isTerminal: io.errIsTerminal, now, ...size });
  const store = await Store.open(sweep.storeRoot);
  const folder = resultsFolder(io, sweep, flags);
  io.signal.addEventListener("abort", () => progress.leaveBoard(), { once: true });
  const lock = await lockSweep(folder);
  try {
    const onWait = (holder: string) => progress.say(`waiting for the store, being cleaned by ${holder}`);
    const hold = await holdStore(sweep.storeRoot, folder, { signal: io.signal, onWait });
    try {
      return await runHeld(io, run, { workers, progress, store, folder, now });
    } finally {
      await hold.release();
    }
  } finally {
    await lock.release();
  }
}

interface Held {
  readonly workers: WorkerPlan;
  readonly progress: Progress;
  readonly store: Store;
  readonly folder: string;
  readonly now: () => number;
}

/** The part of a run that holds the locks of its folder and its store. */
async function runHeld(io: Io, run: SweepRun, held: Held): Promise<ExitCode> {
  const { sweep, only, path } = run;
  const { progress, folder, now } = held;
  const { plan, environment, config } = sweep;
  const startedAt = new Date().toISOString();
  const begun = now();
  progress.say(
    `${config.file.name}: ${plan.arms.length} arms, ${plan.stages.length} stages, ${environment.flavour} worker on ${environment.device} (${environment.dtype})`,
  );
  // Before the record is moved aside with the results of another configuration.
  const earlier = await readRunState(folder);
  await writePlan(folder, sweep, progress);
  const needs = await needsOf(io, sweep);
  const scope = only === undefined ? {} : { only };
  const monitor = new RunMonitor({ plan, progress, now, needs, earlier, workers: config.file.workers.count, ...scope });
  const command = commandLine(["backtrail", "run", path, ...sweepWords(run.flags)]);
  const record = new RunRecord(
    folder,
    { monitor, progress, about: { command, pid: process.pid, host: hostname(), startedAt } },
    now,
  );
  const logs = join("logs", startedAt.replaceAll(":", "-"));
  const pools: Promise<Pool>[] = [];
  const context = await contextOf(io, sweep, held, { monitor, pools, logDirectory: join(folder, logs) });
  let last = (): void => undefined;
  const code = await record.during(
    async () => {
      const executed = await executePlan(context, plan, { ...executeOptions(run, { logs, folder, earlier }), monitor, needs });
      const outputs = await finish(context, run, folder, { ...executed, failures: monitor.failures() });
      progress.close();
      const seconds = (now() - begun) / 1000;
      last = () => tell(io, run, progress, executed, { outputs, seconds });
      return { code: codeOf(executed, outputs), stopped: executed.stopped?.message };
    },
    async () => {
      progress.close();
      await Promise.all(pools.map(async (pool) => (await pool).close()));
      return { interrupted: io.signal.aborted };
    },
  );
  // A reader who leaves early (`| head`) ends this process: by now the record is whole and no worker is left.
  last();
  return code;
}

/** Estimates only serve the order and the look ahead: a manifest that cannot be read is a matter of the stage that needs it. */
async function needsOf(io: Io, sweep: LoadedSweep): Promise<ReadonlyMap<string, StageNeeds>> {
  try {
    return await estimateStages(io, sweep);
  } catch (error) {
    if (error instanceof UserError) return new Map();
    throw error;
  }
}

/** The flags by which another command means the same sweep. */
function sweepWords({ mock, set, results }: RunFlags): string[] {
  const own = results === "results" ? [] : ["--results", results];
  return [...(mock ? ["--mock"] : []), ...set.flatMap((item) => ["--set", item]), ...own];
}

function executeOptions(
  { sweep, path, flags, only, limit, failFast }: SweepRun,
  { logs, folder, earlier }: { logs: string; folder: string; earlier: RunState | undefined },
) {
  const { count, gpus } = sweep.config.file.workers;
  return {
    atOnce: count,
    notes: {
      logs: join(folder, logs),
      shownLogs: join(flags.results, sweep.folder, logs),
      retry: commandLine(["backtrail", "retry", path, "--failed", ...sweepWords(flags)]),
      earlier: new Map(earlier?.failures.map(({ key, times }) => [key, times])),
    },
    ...(gpus === undefined || sweep.environment.device === "cpu" ? {} : { gpus }),
    ...(only === undefined ? {} : { only }),
    ...(limit === undefined ? {} : { limit }),
    ...(failFast === undefined ? {} : { failFast }),
  };
}

async function contextOf(
  io: Io,
  sweep: LoadedSweep,
  { store, progress, workers }: Held,
  run: { readonly monitor: RunMonitor; readonly pools: Promise<Pool>[]; readonly logDirectory: string },
): Promise<RunContext> {
  const { environment } = sweep;
  const cpu = cpus();
  const commit = await codeCommit(io.root);
  const code: Record<string, string> = {
    backtrail: io.version,
    commit,
    protocol: String(protocolVersion),
    node: process.version,
  };
  const machine = {
    host: hostname(),
    cpu: cpu[0]?.model ?? "unknown",
    cores: cpu.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    device: environment.device,
  };
  const start = () => {
    const { monitor, logDirectory } = run;
    const pool = startWorkers(io, sweep, workers, { monitor, logDirectory, code });
    run.pools.push(pool);
    return pool;
  };
  const sharded = workers.group.deepspeed !== undefined;
  return { store, environment, progress, signal: io.signal, code, machine, sharded, workers: () => run.pools[0] ?? start() };
}

/**
 * Config and plan are there from the start, so that what a killed run has made is known to be in use. Results of another
 * config or plan are moved aside, never overwritten.
 */
async function writePlan(folder: string, { config, plan }: LoadedSweep, progress: Progress): Promise<void> {
  await clearTorn(folder);
  const planText = `${JSON.stringify(plan, null, 2)}\n`;
  const moved = await keepEarlier(folder, config.digest, planText);
  if (moved !== undefined) progress.say(`Results of an earlier configuration or plan were kept in ${moved}`);
  const resolved = { digest: config.digest, file: config.file, arms: config.arms };
  await writeAtomic(join(folder, "plan.json"), planText);
  await writeAtomic(join(folder, "config.resolved.json"), `${JSON.stringify(resolved, null, 2)}\n`);
}

/** Gathers and writes the results; undefined when the disk is too full for them and that is why the run has stopped. */
async function finish(
  context: RunContext,
  { sweep }: SweepRun,
  folder: string,
  executed: Gathered & Pick<Executed, "stopped">,
): Promise<RunOutputs | undefined> {
  const outputs = await gatherResults(context, sweep.config, sweep.plan, executed);
  const { summary, losses, samples } = outputs;
  const write = (name: string, text: string) => writeAtomic(join(folder, name), text);
  try {
    await write("results.csv", renderCsv(summary));
    await write("report.html", renderHtml(summary, { losses, samples }));
    await write("page.json", `${JSON.stringify({ losses, samples })}\n`);
    await write("summary.json", `${JSON.stringify(summary, null, 2)}\n`);
    return outputs;
  } catch (error) {
    if (executed.stopped?.why === "disk" && isDiskFull(error)) return undefined;
    throw error;
  }
}

/** The end of a run in words, and its table. */
function tell(
  io: Io,
  { sweep, flags }: SweepRun,
  progress: Progress,
  executed: Executed,
  { outputs, seconds }: { outputs: RunOutputs | undefined; seconds: number },
): void {
  const { ran, cached, failures, stopped } = executed;
  progress.say(`stages: ${ran} ran, ${cached} were cached, ${failures.length} failed, in ${formatDuration(seconds)}`);
  if (stopped !== undefined) progress.say(stopped.message);
  const [failure] = failures;
  if (failure !== undefined) progress.say(`Retry what failed: ${failure.retry}`);
  if (outputs === undefined) return;
  for (const claim of outputs.summary.unjudged ?? []) progress.say(`claim ${unjudgedSentence(claim)}`);
  io.out(
    flags.json
      ? `${JSON.stringify(outputs.summary, null, 2)}\n`
      : `\n${renderTable(outputs.summary, { colour: io.colour, width: io.width })}\n`,
  );
  progress.say(`Page: ${join(flags.results, sweep.folder, "report.html")}`);
}

function codeOf({ failures, stopped }: Executed, outputs: RunOutputs | undefined): ExitCode {
  if (failures.length > 0 || stopped?.why === "disk") return exitCode.failedStages;
  const { claims = [], pooled = [], unjudged = [] } = outputs?.summary ?? {};
  const inPools = new Set(pooled.flatMap((pool) => pool.claims));
  const deciding = [...pooled, ...claims.filter(({ name }) => !inPools.has(name))];
  const isMissed = deciding.some(({ required, verdict }) => required && verdict !== "supported");
  return isMissed || unjudged.some(({ required }) => required) ? exitCode.claimNotSupported : exitCode.done;
}
