// What a run is doing: the state of every stage, told as events, as the board's lines and as the record for `status`. It
// watches; nothing that it says decides what is run.
import type { StageNeeds } from "../plan/needs.ts";
import type { Plan, Stage } from "../plan/plan.ts";
import type { RunState } from "../store/runState.ts";
import type { PoolEvent } from "../worker/events.ts";
import type { PoolDescription } from "../worker/poolTypes.ts";
import { Eta } from "./eta.ts";
import { failureLines, type StageFailure } from "./failure.ts";
import { overviewLines } from "./overview.ts";
import { formatDuration, type Progress } from "./progress.ts";

export interface MonitorOptions {
  readonly plan: Plan;
  readonly progress: Progress;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly needs: ReadonlyMap<string, StageNeeds>;
  readonly workers: number;
  /** The record of the run before: what failed in it and is not tried again has failed still. */
  readonly earlier?: RunState | undefined;
  /** Keys of the stages that may run; the others count only when they are there. Default: all. */
  readonly only?: ReadonlySet<string>;
}

/** What a record says of the run as a whole. */
export type RunAbout = Pick<RunState, "command" | "pid" | "host" | "startedAt">;

interface Watched {
  readonly stage: Stage;
  state: RunState["stages"][number]["state"];
  startedAt: number;
  seconds?: number;
}

export class RunMonitor {
  readonly #options: MonitorOptions;
  readonly #stages: ReadonlyMap<string, Watched>;
  readonly #eta: Eta;
  readonly #failures: StageFailure[] = [];
  readonly #counters = { workersLost: 0, callsRetried: 0 };
  readonly #begun: number;
  #pool: (() => PoolDescription) | undefined;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#stages = new Map(options.plan.stages.map((stage) => [stage.key, { stage, state: "waiting", startedAt: 0 }]));
    this.#eta = new Eta(options.needs, options.workers);
    this.#begun = options.now();
    options.progress.setOverview(() => overviewLines({ name: options.plan.name, ...this.#figures() }));
  }

  cached(stages: readonly Stage[]): void {
    for (const { key } of stages) this.#set(key, "cached");
    if (stages.length > 0) this.#options.progress.say(`${stages.length} of ${this.#stages.size} stages are cached`);
  }

  started(stage: Stage): void {
    const watched = this.#set(stage.key, "running");
    if (watched !== undefined) watched.startedAt = this.#options.now();
    this.#options.progress.begin(stage.id);
    this.#options.progress.say(`${stage.id}: started`);
  }

  /** Its turn on the workers has come: what it waited for it is not what it takes. */
  working({ key }: Stage): void {
    const watched = this.#stages.get(key);
    if (watched !== undefined) watched.startedAt = this.#options.now();
  }

  done(stage: Stage): void {
    const watched = this.#set(stage.key, "done");
    const seconds = watched === undefined ? 0 : (this.#options.now() - watched.startedAt) / 1000;
    if (watched !== undefined) watched.seconds = seconds;
    this.#eta.took(stage, seconds);
    this.#options.progress.finish(stage.id, `${stage.id}: done in ${formatDuration(seconds)}`);
  }

  /** `lost`: stages that cannot be made without it. */
  failed(stage: Stage, failure: StageFailure, lost: readonly Stage[]): void {
    this.#set(stage.key, "failed");
    for (const { key } of lost) this.#set(key, "skipped");
    this.#failures.push(failure);
    const needed = lost.length === 0 ? [] : [`  left out: ${named(lost)}`];
    this.#options.progress.finish(stage.id, [...failureLines(failure), ...needed].join("\n"));
  }

  /** A stage was stopped with its work kept: it is to do again. */
  stopped(stage: Stage): void {
    this.#set(stage.key, "waiting");
    this.#options.progress.finish(stage.id, `${stage.id}: stopped, its work is kept`);
  }

  /** What the pool tells; the run's own lines are for what a person has to know. */
  poolEvent(event: PoolEvent): void {
    if (event.kind === "job-retried") this.#counters.callsRetried++;
    if (event.kind !== "worker-lost") return;
    this.#counters.workersLost++;
    this.#options.progress.say(`  worker ${event.worker} was lost: ${event.reason}`);
  }

  /** From now on the workers are told of too. */
  setPool(describe: () => PoolDescription): void {
    this.#pool = describe;
  }

  /** Stages that may run and neither ended nor were left out. */
  get left(): number {
    const { waiting, running } = this.#totals();
    return waiting + running;
  }

  /** Failures that stand: those of this run, and those of the run before whose stages it has not come to. */
  failures(): RunState["failures"] {
    const { earlier } = this.#options;
    const open = earlier?.failures.filter(({ key }) => this.#stages.get(key)?.state === "waiting") ?? [];
    return [...this.#failures.map(({ error: _, ...told }) => told), ...open];
  }

  state(about: RunAbout, end?: RunState["end"]): RunState {
    const { plan } = this.#options;
    const stages = [...this.#stages.values()].map(({ stage: { id, key, kind }, state, seconds }) => ({
      id,
      key,
      kind,
      state,
      ...(seconds === undefined ? {} : { seconds }),
    }));
    return {
      version: 1,
      name: plan.name,
      configDigest: plan.configDigest,
      ...about,
      updatedAt: new Date().toISOString(),
      ...(end === undefined ? {} : { end }),
      ...this.#figures(),
      running: this.#options.progress.rows(),
      failures: this.failures(),
      stages,
    };
  }

  #set(key: string, state: Watched["state"]): Watched | undefined {
    const watched = this.#stages.get(key);
    if (watched !== undefined) watched.state = state;
    return watched;
  }

  /** Whether a stage counts as work of this run. */
  #isWanted({ stage, state }: Watched): boolean {
    return state !== "waiting" || (this.#options.only?.has(stage.key) ?? true);
  }

  #totals(): RunState["totals"] {
    const counts = { cached: 0, done: 0, running: 0, failed: 0, skipped: 0, waiting: 0 };
    let stages = 0;
    for (const watched of this.#stages.values()) {
      if (!this.#isWanted(watched)) continue;
      stages++;
      counts[watched.state]++;
    }
    const open = new Set<string>();
    for (const { stage, state } of this.#stages.values()) {
      if (state !== "done" && state !== "cached") for (const arm of stage.arms) open.add(arm);
    }
    const arms = this.#options.plan.arms.length;
    return { stages, ...counts, arms, armsDone: arms - open.size };
  }

  #figures() {
    const totals = this.#totals();
    const kinds: Record<string, { done: number; total: number }> = {};
    for (const watched of this.#stages.values()) {
      if (!this.#isWanted(watched)) continue;
      const kind = kinds[watched.stage.kind] ?? { done: 0, total: 0 };
      kinds[watched.stage.kind] = kind;
      kind.total++;
      if (watched.state === "done" || watched.state === "cached") kind.done++;
    }
    const minutes = (this.#options.now() - this.#begun) / 60_000;
    const etaSeconds = this.#remaining();
    return {
      totals,
      kinds,
      ...(totals.done > 0 ? { stagesPerMinute: totals.done / minutes } : {}),
      ...(etaSeconds === undefined ? {} : { etaSeconds }),
      ...this.#counters,
      workers: this.#workers(),
    };
  }

  #remaining(): number | undefined {
    const now = this.#options.now();
    const rows = new Map(this.#options.progress.rows().map((row) => [row.stage, row.etaSeconds]));
    const open = [...this.#stages.values()].filter(
      (watched) => (watched.state === "waiting" || watched.state === "running") && this.#isWanted(watched),
    );
    if (open.length === 0) return undefined;
    return this.#eta.remaining(
      open.map(({ stage, state, startedAt }) => {
        const expected = this.#eta.of(stage);
        if (state === "waiting") return { stage, seconds: expected };
        const rest = expected === undefined ? undefined : Math.max(0, expected - (now - startedAt) / 1000);
        return { stage, seconds: rows.get(stage.id) ?? rest };
      }),
    );
  }

  #workers(): RunState["workers"] {
    const workers = this.#pool?.().workers ?? [];
    return workers.map(({ name, pid, phase, device, memoryBytes, deviceMemoryBytes, call, calls, session }) => ({
      name,
      pid,
      phase,
      device,
      memoryBytes,
      deviceMemoryBytes,
      call,
      calls,
      session,
    }));
  }
}

const namesShown = 3;

function named(stages: readonly Stage[]): string {
  const shown = stages.slice(0, namesShown).map(({ id }) => id);
  return stages.length > shown.length ? `${shown.join(", ")} and ${stages.length - shown.length} more` : shown.join(", ");
}
