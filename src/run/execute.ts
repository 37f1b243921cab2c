// Runs a plan: every stage once, as soon as its inputs are there and it is its turn. A failed stage takes down what depends
// on it and nothing else; what is in the store already is not run again.
// Invariants: a stage runs at most once per run; every stage ends as done, failed, left out, or waiting (the run was stopped);
// after a stop nothing new starts, and what runs has ended before the answer is given.
import { setMaxListeners } from "node:events";
import type { StageNeeds } from "../plan/needs.ts";
import type { Plan, Stage, StageKind } from "../plan/plan.ts";
import { diskFloorBytes } from "../store/disk.ts";
import type { Artefact } from "../store/store.ts";
import type { RunContext, StageContext } from "./context.ts";
import { type DiskPort, DiskRoom, diskFullMessage, diskOf } from "./diskRoom.ts";
import { type FailureNotes, isDiskFull, recordFailure, type StageFailure } from "./failure.ts";
import { changedInput, lookUp, sortLookups } from "./lookup.ts";
import type { RunMonitor } from "./monitor.ts";
import { runStage } from "./runStage.ts";
import { modelOf, Schedule } from "./schedule.ts";
import { Turns } from "./turns.ts";
import { withNeeds } from "./workerNeeds.ts";

export interface ExecuteOptions {
  /** Workers: so many trainings and decodings at a time. */
  readonly atOnce: number;
  readonly monitor: RunMonitor;
  readonly notes: FailureNotes;
  readonly needs: ReadonlyMap<string, StageNeeds>;
  /** GPUs that a worker must have; absent = whatever there is. */
  readonly gpus?: number;
  /** Keys of the stages that may start, with all that they need. Default: all. */
  readonly only?: ReadonlySet<string>;
  /** Starts so many stages at most. */
  readonly limit?: number;
  /** Stops at the first failure. */
  readonly failFast?: boolean;
  /** Default: that of the store. */
  readonly disk?: DiskPort;
}

/** Why a run ended before its end, and what to do. */
export interface Stop {
  readonly why: "failure" | "disk" | "limit";
  readonly message: string;
}

export interface Executed {
  /** By stage key. */
  readonly artefacts: ReadonlyMap<string, Artefact>;
  readonly cached: number;
  readonly ran: number;
  readonly failures: readonly StageFailure[];
  /** Stages that were not tried because an input failed. */
  readonly skipped: readonly string[];
  readonly stopped?: Stop;
}

/** Rejects with AbortError when interrupted; any other failure of a stage is in the answer. */
export async function executePlan(context: RunContext, plan: Plan, options: ExecuteOptions): Promise<Executed> {
  return new Execution(context, plan, options).run();
}

/** Stages of these kinds that run at a time beside those on workers: they share this process's processor. */
const makersAtOnce = 2;
const gradersAtOnce = 2;
/** Decodings that have begun, for each worker: the second waits for its turn, or shares the model of the first (turns.ts). */
const decodersPerWorker = 2;

const afterFailure: Stop = {
  why: "failure",
  message: "--fail-fast: nothing new is started; what runs saves its work and stops.",
};

interface Running {
  readonly stage: Stage;
  /** Whether it works for no worker of ours: it waits for another run, or its part on workers is over. */
  isApart: boolean;
}

class Execution {
  readonly #context: RunContext;
  readonly #plan: Plan;
  readonly #options: ExecuteOptions;
  readonly #schedule: Schedule;
  readonly #turns: Turns;
  readonly #disk: DiskPort;
  readonly #room: DiskRoom;
  readonly #drain = new AbortController();
  readonly #signal: AbortSignal;
  readonly #artefacts = new Map<string, Artefact>();
  readonly #failures: StageFailure[] = [];
  readonly #skipped: string[] = [];
  readonly #running = new Map<string, Running>();
  #cached = 0;
  #ran = 0;
  #started = 0;
  #stopped: Stop | undefined;
  #ended: () => void = () => undefined;
  #broken: (error: unknown) => void = () => undefined;

  constructor(context: RunContext, plan: Plan, options: ExecuteOptions) {
    const { root } = context.store;
    this.#context = context;
    this.#plan = plan;
    this.#options = options;
    const { only, needs, atOnce } = options;
    const stages = only === undefined ? plan.stages : plan.stages.filter(({ key }) => only.has(key));
    this.#schedule = new Schedule(stages, { seconds: ({ key }) => needs.get(key)?.seconds, warmModels: atOnce });
    this.#turns = new Turns(atOnce);
    this.#disk = options.disk ?? diskOf(root);
    this.#room = new DiskRoom(this.#disk, diskFloorBytes, root);
    this.#signal = AbortSignal.any([context.signal, this.#drain.signal]);
    // Every call in flight listens to it, and there are hundreds.
    setMaxListeners(0, this.#signal);
  }

  async run(): Promise<Executed> {
    await this.#findCached();
    const free = await this.#disk.free();
    if (free < diskFloorBytes) this.#stop(this.#diskFull(free));
    const watch = this.#disk.watch(diskFloorBytes, (left) => this.#stop(this.#diskFull(left)));
    try {
      await new Promise<void>((resolve, reject) => {
        this.#ended = resolve;
        this.#broken = reject;
        this.#advance();
      });
    } finally {
      watch.stop();
    }
    this.#context.signal.throwIfAborted();
    return {
      artefacts: this.#artefacts,
      cached: this.#cached,
      ran: this.#ran,
      failures: this.#failures,
      skipped: this.#skipped,
      ...(this.#stopped === undefined ? {} : { stopped: this.#stopped }),
    };
  }

  /** What is there is not made again; what is there and cannot be used has failed, and is never made over. */
  async #findCached(): Promise<void> {
    const clear = (stage: Stage, found: Artefact) =>
      this.#exclusively(
        stage,
        () => undefined,
        async () => found,
      );
    const answers = await lookUp(this.#context.store, this.#plan.stages, clear);
    const { only } = this.#options;
    const { current, broken } = sortLookups(answers, only, (text) => this.#context.progress.say(text));
    for (const { stage, artefact } of current) {
      this.#artefacts.set(stage.key, artefact);
      this.#schedule.done(stage.key);
    }
    for (const { stage, error } of broken) await this.#failed(stage, error);
    this.#cached = current.length;
    this.#options.monitor.cached(current.map(({ stage }) => stage));
  }

  /** Starts what may start; the run is over when nothing runs then. */
  #advance(): void {
    while (this.#mayStart()) {
      const stage = this.#schedule.take(this.#openKinds());
      if (stage === undefined) break;
      this.#started++;
      const running = { stage, isApart: false };
      this.#running.set(stage.key, running);
      this.#run(running).then(() => {
        this.#running.delete(stage.key);
        this.#advance();
      }, this.#broken);
    }
    if (this.#running.size === 0) this.#ended();
  }

  #mayStart(): boolean {
    if (this.#stopped !== undefined || this.#signal.aborted) return false;
    const { limit = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#started < limit) return true;
    if (this.#schedule.waiting > 0) {
      const message = `--limit ${limit}: stages started: ${this.#started}, left: ${this.#schedule.waiting}. Run again to go on.`;
      this.#stopped = { why: "limit", message };
    }
    return false;
  }

  /** Kinds that have room for one more. A decoding may begin ahead of its turn: it reads its problems while others decode. */
  #openKinds(): StageKind[] {
    const { atOnce } = this.#options;
    const entries = [...this.#running.values()];
    const count = (...kinds: StageKind[]) =>
      entries.filter(({ stage, isApart }) => !isApart && kinds.includes(stage.kind)).length;
    const busy = count("train", "decode");
    const open: StageKind[] = [];
    if (count("grade") < gradersAtOnce) open.push("grade");
    if (busy < atOnce) open.push("train");
    if (busy < decodersPerWorker * atOnce) open.push("decode");
    if (count("problems", "dataset") < makersAtOnce) open.push("problems", "dataset");
    return open;
  }

  async #run(running: Running): Promise<void> {
    const { stage } = running;
    const { monitor, needs } = this.#options;
    let release = (): void => undefined;
    let isStarted = false;
    let isMade = false;
    try {
      release = await this.#room.reserve(needs.get(stage.key)?.diskBytes ?? 0, this.#signal);
      isStarted = true;
      monitor.started(stage);
      const wait = () => this.#setApart(running, true);
      const artefact = await this.#exclusively(stage, wait, () => {
        this.#setApart(running, false);
        isMade = true;
        return runStage(this.#contextOf(running), this.#plan, stage, this.#artefacts);
      });
      this.#artefacts.set(stage.key, artefact);
      // Another run may have made it meanwhile, or a doubtful one has proved right.
      if (isMade) this.#ran++;
      else this.#cached++;
      this.#schedule.done(stage.key);
      monitor.done(stage);
    } catch (error) {
      if (!this.#signal.aborted || !isAbort(error)) await this.#failed(stage, error);
      else if (isStarted) monitor.stopped(stage);
    } finally {
      release();
    }
  }

  async #failed(stage: Stage, error: unknown): Promise<void> {
    const { notes, monitor, failFast = false } = this.#options;
    // At once, before anything else can start.
    const lost = this.#schedule.failed(stage.key);
    const stop = isDiskFull(error) ? this.#diskFull() : failFast ? afterFailure : undefined;
    if (stop !== undefined) this.#stop(stop);
    const failure = await recordFailure(stage, error, notes);
    this.#failures.push(failure);
    this.#skipped.push(...lost.map(({ id }) => id));
    monitor.failed(stage, failure, lost);
  }

  #diskFull(free?: number): Stop {
    return { why: "disk", message: diskFullMessage(this.#context.store.root, free) };
  }

  #stop(stop: Stop): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = stop;
    this.#context.progress.say(stop.message);
    this.#drain.abort();
  }

  /** Runs that share a store wait for each other's stages. */
  #exclusively(stage: Stage, wait: () => void, make: () => Promise<Artefact>): Promise<Artefact> {
    const onWait = (holder: string) => {
      this.#context.progress.say(`${stage.id}: waiting for it, being made by ${holder}`);
      wait();
    };
    const isCurrent = (found: Artefact) => changedInput(stage, found, this.#artefacts) === undefined;
    return this.#context.store.exclusively(stage.kind, stage.key, { signal: this.#signal, onWait, isCurrent }, make);
  }

  #setApart(running: Running, isApart: boolean): void {
    if (running.isApart === isApart) return;
    running.isApart = isApart;
    if (isApart) this.#advance();
  }

  #contextOf(running: Running): StageContext {
    const { needs, gpus } = this.#options;
    const memoryBytes = needs.get(running.stage.key)?.memoryBytes ?? 0;
    const wanted = { ...(memoryBytes > 0 ? { memoryBytes } : {}), ...(gpus === undefined ? {} : { gpus }) };
    return {
      ...this.#context,
      signal: this.#signal,
      workers: async () => withNeeds(await this.#context.workers(), wanted),
      turn: async (work) => {
        try {
          return await this.#turns.run(modelOf(running.stage), () => {
            this.#options.monitor.working(running.stage);
            return work();
          });
        } finally {
          this.#setApart(running, true);
        }
      },
    };
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
