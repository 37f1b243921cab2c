// The pool's places for workers: which one runs in each, when a lost one is replaced, and when to stop trying.
// Invariants: a slot holds at most one living worker; a worker's name is never used twice; a slot whose worker died
// early `startTries` times in a row, or for a reason that another try cannot mend, has failed for good.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { PoolTimeouts } from "./events.ts";
import { type DeviceFacts, fits, noFittingWorker } from "./fit.ts";
import { WorkerError, type WorkerNeeds } from "./port.ts";
import type { Loss, WorkerOwner, WorkerSettings } from "./workerOwner.ts";
import { WorkerState } from "./workerState.ts";

const startTries = 3;
/** When another worker of the pool has come up since the first of these deaths, the start as such works: more patience. */
const startTriesBesideOthers = 10;
const longestPauseMs = 10_000;

export interface SlotSettings extends Omit<WorkerSettings, "logFile" | "slot"> {
  readonly size: number;
  readonly threads: number;
  readonly device: string;
  readonly mock: Readonly<Record<string, unknown>>;
  readonly logDirectory: string;
}

interface Slot {
  generation: number;
  worker: WorkerState | undefined;
  earlyDeaths: number;
  /** Workers of the pool that had come up when this slot's row of early deaths began. */
  readyBefore: number;
  /** What the last worker here has told of its device; its successor gets the same. */
  device: DeviceFacts | undefined;
  timer: NodeJS.Timeout | undefined;
  failure: WorkerError | undefined;
}

export class Slots {
  readonly #settings: SlotSettings;
  readonly #endpoint: string;
  readonly #owner: WorkerOwner;
  readonly #slots: Slot[];
  readonly #byName = new Map<string, WorkerState>();
  #stopped = false;
  /** Workers that have come up so far. */
  #ready = 0;

  constructor(settings: SlotSettings, endpoint: string, owner: WorkerOwner) {
    this.#settings = settings;
    this.#endpoint = endpoint;
    this.#owner = owner;
    this.#slots = Array.from({ length: settings.size }, () => ({
      generation: 0,
      worker: undefined,
      earlyDeaths: 0,
      readyBefore: 0,
      device: undefined,
      timer: undefined,
      failure: undefined,
    }));
  }

  get(name: string): WorkerState | undefined {
    return this.#byName.get(name);
  }

  /** The living workers, in the order of their slots. */
  get workers(): WorkerState[] {
    return this.#slots.flatMap(({ worker }) => (worker ? [worker] : []));
  }

  /** Why no worker can be had any more, once every slot has failed. */
  get failure(): WorkerError | undefined {
    return this.#slots.every((slot) => slot.failure) ? this.#slots[0]?.failure : undefined;
  }

  /** A worker has said hello. */
  ready(worker: WorkerState): void {
    this.#ready++;
    const slot = this.#slots.find((one) => one.worker === worker);
    if (slot) slot.device = worker.hello;
  }

  /** Why no worker can ever run this, or undefined while one may. Slots that have failed for good do not count. */
  refusal(what: string, needs: WorkerNeeds | undefined): WorkerError | undefined {
    const hopeful = [...this.#slots.entries()].filter(([, slot]) => !slot.failure);
    if (!needs || hopeful.length === 0 || hopeful.some(([, { device }]) => fits(needs, device))) return undefined;
    return noFittingWorker(
      what,
      needs,
      hopeful.map(([index, { device = {} }]) => [`worker ${index + 1}`, device]),
    );
  }

  /** Starts a worker in every slot that never had one. */
  start(): void {
    for (const [index, slot] of this.#slots.entries()) if (slot.generation === 0) this.#launch(index, slot);
  }

  #launch(index: number, slot: Slot): void {
    if (this.#stopped) return;
    slot.timer = undefined;
    slot.generation++;
    const name = slot.generation === 1 ? `worker-${index + 1}` : `worker-${index + 1}.${slot.generation}`;
    const { threads, device, mock, logDirectory } = this.#settings;
    const token = randomBytes(16).toString("hex");
    const start = { endpoint: this.#endpoint, worker: name, token, coordinatorPid: process.pid, threads, device, mock };
    const worker = new WorkerState(
      start,
      { ...this.#settings, slot: index, logFile: join(logDirectory, `${name}.log`) },
      this.#owner,
    );
    slot.worker = worker;
    this.#byName.set(name, worker);
  }

  /** Notes the end of a worker and plans its successor. Returns whether there will be one. */
  lost(worker: WorkerState, loss: Loss): boolean {
    this.#byName.delete(worker.name);
    const index = this.#slots.findIndex((slot) => slot.worker === worker);
    const slot = this.#slots[index];
    if (!slot) return false;
    slot.worker = undefined;
    if (this.#stopped) return false;
    slot.earlyDeaths = loss.early ? slot.earlyDeaths + 1 : 0;
    if (slot.earlyDeaths <= 1) slot.readyBefore = this.#ready;
    const tries = this.#ready > slot.readyBefore ? startTriesBesideOthers : startTries;
    if (loss.verdict || slot.earlyDeaths >= tries) {
      slot.failure = failureOf(worker, loss, slot.earlyDeaths);
      return false;
    }
    const pause =
      slot.earlyDeaths === 0 ? 0 : Math.min(longestPauseMs, this.#settings.timeouts.restart * 2 ** (slot.earlyDeaths - 1));
    slot.timer = setTimeout(() => this.#launch(index, slot), pause);
    return true;
  }

  /** No more starts; stops what lives. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const slot of this.#slots) clearTimeout(slot.timer);
    await Promise.all(this.workers.map((worker) => worker.stop()));
  }
}

function failureOf(worker: WorkerState, loss: Loss, earlyDeaths: number): WorkerError {
  const last = loss.stderr === "" ? "" : `\nLast lines of its output:\n${loss.stderr}`;
  if (loss.verdict)
    return new WorkerError(loss.verdict.code, `${loss.verdict.message}${last}`, {
      worker: worker.name,
      traceback: loss.stderr,
    });
  const message = `no worker stays alive: ${worker.name} ${loss.reason} (${earlyDeaths} early deaths in a row)${last}`;
  return new WorkerError("no-workers", message, { worker: worker.name, traceback: loss.stderr });
}

/** How often deadlines are looked at. */
export function tickInterval(timeouts: PoolTimeouts): number {
  return Math.max(20, Math.min(500, timeouts.silence / 10, timeouts.cancel / 10, timeouts.start / 10));
}
