// What a sweep of a thousand stages costs beside its work: planning, the time in which workers stand idle although there is work,
// and the coordinator's memory, with real mock workers whose calls take 100 ms each. Finding all of it cached is timed too.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseConfig } from "../src/config/load.ts";
import { median } from "../src/lib/stats.ts";
import { buildPlan } from "../src/plan/plan.ts";
import type { RunContext } from "../src/run/context.ts";
import { type Executed, executePlan } from "../src/run/execute.ts";
import { RunMonitor } from "../src/run/monitor.ts";
import { Progress } from "../src/run/progress.ts";
import { namedStages, withInputs } from "../src/run/select.ts";
import { gatherResults } from "../src/run/summary.ts";
import { RunStateFile } from "../src/store/runState.ts";
import { Store } from "../src/store/store.ts";
import type { PoolEvent } from "../src/worker/events.ts";
import { localLauncher } from "../src/worker/launcher.ts";
import { createPool, type Pool } from "../src/worker/pool.ts";
import { headline, type Machine, machine } from "./machine.ts";

const environment = { flavour: "mock", dtype: "float32", device: "cpu" } as const;
/** Memory is flat when the median of the last quarter of the run exceeds that of the second by no more. */
const allowedMiB = 16;

interface Sizes {
  readonly arms: number;
  readonly workers: number;
  readonly jobMs: number;
}

interface Measured {
  readonly stages: number;
  readonly planSeconds: number;
  readonly seconds: number;
  readonly jobs: number;
  /** From the first call's start to the last one's end. */
  readonly workSeconds: number;
  /** Share of the workers' time without a call, over that time. */
  readonly idleShare: number;
  readonly cpuSeconds: number;
  readonly gatherSeconds: number;
  readonly cachedSeconds: number;
  /** MiB after each twentieth of the stages. */
  readonly heapMiB: readonly number[];
  readonly rssMiB: readonly number[];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      arms: { type: "string" },
      workers: { type: "string" },
      "job-ms": { type: "string" },
      json: { type: "string" },
    },
  });
  const sizes = {
    arms: Number(values.arms ?? 500),
    workers: Number(values.workers ?? 4),
    jobMs: Number(values["job-ms"] ?? 100),
  };
  const folder = await mkdtemp(join(tmpdir(), "backtrail-bench-"));
  try {
    const timed = await measure(join(folder, "time"), sizes, false);
    // A pass of its own: collecting garbage stops the coordinator, and the workers with it.
    const { heapMiB } = await measure(join(folder, "memory"), sizes, true);
    const found = { ...timed, heapMiB };
    const about = machine();
    process.stdout.write(render(about, sizes, found));
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ about, ...sizes, ...found }, null, 2)}\n`);
    const growth = grown(found.heapMiB);
    if (growth <= allowedMiB) return;
    process.stdout.write(`memory is not flat: ${growth.toFixed(1)} MiB more in the last quarter than in the second\n`);
    process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Arms that differ in how they decode: a decoding and a grading each, problems and model shared. */
function configOf({ arms, workers }: Sizes): string {
  const temperatures = Array.from({ length: arms }, (_, index) => (0.5 + index / 1000).toFixed(3));
  return `name: bench
puzzle: {kind: countdown, numbers: 3, operands: [1, 20]}
data: {train: {size: 10}, test: {seen: 4, unseen: 4}}
model: {architecture: llama, width: 8, layers: 1, heads: 1}
train: {steps: 2, batch: {examples: 2}}
decode: {one: {policy: best-of-n, samples: 1, temperature: 0.5, maxNewTokens: 32}}
sweep: {grid: {decode.one.temperature: [${temperatures.join(", ")}]}}
workers: {count: ${workers}}
`;
}

/** `collect`: the heap is measured right after collecting its garbage. */
async function measure(folder: string, sizes: Sizes, collect: boolean): Promise<Measured> {
  const planBegun = performance.now();
  const config = parseConfig(configOf(sizes), "bench.yaml");
  const plan = buildPlan(config, environment);
  const planSeconds = since(planBegun);
  const store = await Store.open(join(folder, "store"));
  const watch = new Watch(collect);
  const pool = await createPool({
    launcher: localLauncher({ flavour: "mock", python: "", environment: process.env }),
    size: sizes.workers,
    mock: { misbehave: { slowMs: sizes.jobMs } },
    logDirectory: join(folder, "logs"),
    onEvent: (event) => watch.see(event),
    start: "now",
  });
  const execute = async (only?: ReadonlySet<string>): Promise<{ context: RunContext; executed: Executed }> => {
    const now = () => performance.now();
    const progress = new Progress({ isTerminal: false, now, write: () => undefined });
    const monitor = new RunMonitor({ plan, progress, now, needs: new Map(), workers: sizes.workers });
    const record = new RunStateFile(folder, now);
    const about = { command: "bench", pid: process.pid, host: "here", startedAt: new Date().toISOString() };
    monitor.setPool(() => pool.describe());
    const clock = setInterval(() => record.update(() => monitor.state(about)), 500);
    const { signal } = new AbortController();
    const context: RunContext = {
      ...{ store, environment, progress, signal, code: {}, machine: {} },
      workers: async () => pool,
    };
    const notes = { logs: folder, shownLogs: folder, retry: "", earlier: new Map<string, number>() };
    const scope = only === undefined ? {} : { only };
    const executed = await executePlan(context, plan, { atOnce: sizes.workers, monitor, needs: new Map(), notes, ...scope });
    clearInterval(clock);
    await record.end(monitor.state(about));
    if (executed.failures.length > 0) throw new Error(executed.failures[0]?.cause);
    return { context, executed };
  };
  try {
    await ready(pool, sizes.workers);
    // What all arms share, on one worker while the others have nothing to do, is no part of the measurement.
    await execute(withInputs(plan, namedStages(plan, ["train *"], "only")));
    watch.begin(plan.stages.length);
    const cpu = process.cpuUsage();
    const begun = performance.now();
    const { context, executed } = await execute();
    const seconds = since(begun);
    const used = process.cpuUsage(cpu);
    const gatherBegun = performance.now();
    await gatherResults(context, config, plan, executed);
    const gatherSeconds = since(gatherBegun);
    const cachedBegun = performance.now();
    await execute();
    return {
      stages: plan.stages.length,
      planSeconds,
      seconds,
      ...watch.work(sizes.workers),
      cpuSeconds: (used.user + used.system) / 1e6,
      gatherSeconds,
      cachedSeconds: since(cachedBegun),
      heapMiB: watch.heapMiB,
      rssMiB: watch.rssMiB,
    };
  } finally {
    await pool.close();
  }
}

/** What the pool's events tell of the workers' time, and the process of its memory. */
class Watch {
  heapMiB: number[] = [];
  rssMiB: number[] = [];
  #stages = 1;
  #jobs = 0;
  readonly #begun = new Map<string, number>();
  #busyMs = 0;
  #first = 0;
  #last = 0;

  readonly #collect: boolean;

  constructor(collect: boolean) {
    this.#collect = collect;
  }

  begin(stages: number): void {
    this.#stages = stages;
    this.heapMiB = [];
    this.rssMiB = [];
    this.#jobs = 0;
    this.#busyMs = 0;
    this.#first = 0;
  }

  see(event: PoolEvent): void {
    const now = performance.now();
    if (event.kind === "job-started") {
      if (this.#first === 0) this.#first = now;
      this.#begun.set(event.id, now);
    }
    if (event.kind !== "job-done") return;
    this.#busyMs += now - (this.#begun.get(event.id) ?? now);
    this.#begun.delete(event.id);
    this.#last = now;
    this.#jobs++;
    // A decoding is two calls, with its grading two stages: about every twentieth of the run.
    if (this.#jobs % Math.max(1, Math.floor(this.#stages / 20)) !== 0) return;
    if (this.#collect) globalThis.gc?.();
    const { heapUsed, rss } = process.memoryUsage();
    this.heapMiB.push(heapUsed / 2 ** 20);
    this.rssMiB.push(rss / 2 ** 20);
  }

  work(workers: number) {
    const workMs = this.#last - this.#first;
    return { jobs: this.#jobs, workSeconds: workMs / 1000, idleShare: 1 - this.#busyMs / (workers * workMs) };
  }
}

async function ready(pool: Pool, workers: number): Promise<void> {
  while (pool.describe().workers.filter(({ phase }) => phase === "ready").length < workers)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

function grown(line: readonly number[]): number {
  const quarter = Math.floor(line.length / 4);
  if (quarter === 0) return 0;
  return median(line.slice(-quarter)) - median(line.slice(quarter, 2 * quarter));
}

const since = (begun: number) => (performance.now() - begun) / 1000;

function render(about: Machine, sizes: Sizes, found: Measured): string {
  const percent = (share: number) => `${(100 * share).toFixed(2)}%`;
  const { stages, seconds, jobs, workSeconds, cpuSeconds } = found;
  const ideal = (jobs * sizes.jobMs) / 1000 / sizes.workers;
  const span = (line: readonly number[]) =>
    `${Math.min(...line).toFixed(0)}..${Math.max(...line).toFixed(0)}, ${grown(line) >= 0 ? "+" : ""}${grown(line).toFixed(1)} from the second quarter to the last`;
  return [
    headline(about),
    "",
    `| ${stages} stages, ${jobs} calls of ${sizes.jobMs} ms, ${sizes.workers} workers | |`,
    "|---|---|",
    `| config and plan | ${found.planSeconds.toFixed(2)} s |`,
    `| run | ${seconds.toFixed(2)} s (calls alone ${ideal.toFixed(2)} s) |`,
    `| workers idle, from the first call to the last | ${percent(found.idleShare)} of ${workSeconds.toFixed(2)} s |`,
    `| coordinator's processor time | ${cpuSeconds.toFixed(1)} s, ${((1000 * cpuSeconds) / stages).toFixed(1)} ms per stage |`,
    `| gathering the results | ${found.gatherSeconds.toFixed(2)} s |`,
    `| a second run, all cached | ${found.cachedSeconds.toFixed(2)} s |`,
    `| heap, MiB | ${span(found.heapMiB)} |`,
    `| resident, MiB | ${span(found.rssMiB)} |`,
    "",
  ].join("\n");
}

await main();
