// results/<sweep>/progress.json: what a run is doing, for people in another terminal and for `retry`. Written whole, at most
// once a second; never read by the run itself to decide what is done (that is the store's word).
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeAtomic } from "./files.ts";

const count = z.number().int().nonnegative();
const time = z.string();

const stageState = z.object({
  id: z.string(),
  key: z.string(),
  kind: z.string(),
  state: z.enum(["waiting", "running", "done", "cached", "failed", "skipped"]),
  /** Of a stage that ended in this run. */
  seconds: z.number().optional(),
});

const runningStage = z.object({
  stage: z.string(),
  elapsedSeconds: z.number(),
  done: z.number().optional(),
  total: z.number().optional(),
  unit: z.string().optional(),
  /** Units per second, of this run. */
  rate: z.number().optional(),
  etaSeconds: z.number().optional(),
  note: z.string().optional(),
});

const failure = z.object({
  stage: z.string(),
  key: z.string(),
  cause: z.string(),
  code: z.string(),
  log: z.string(),
  retry: z.string(),
  /** Runs in a row in which it failed. */
  times: count,
});

const worker = z.object({
  name: z.string(),
  pid: z.number(),
  phase: z.string(),
  device: z.string(),
  /** 0 = unknown. */
  memoryBytes: z.number(),
  deviceMemoryBytes: z.number(),
  /** The primitive it works at, or "". */
  call: z.string(),
  calls: count,
  session: z.string(),
});

const runState = z.object({
  version: z.literal(1),
  name: z.string(),
  configDigest: z.string(),
  command: z.string(),
  pid: z.number(),
  host: z.string(),
  startedAt: time,
  updatedAt: time,
  /** Absent while the run is on, and for ever when it was killed. */
  end: z.object({ at: time, how: z.enum(["finished", "interrupted", "stopped", "error"]), message: z.string() }).optional(),
  totals: z.object({
    stages: count,
    cached: count,
    done: count,
    running: count,
    failed: count,
    skipped: count,
    waiting: count,
    arms: count,
    armsDone: count,
  }),
  /** Kind of stage -> how many there are, and how many of them are there, cached ones included. */
  kinds: z.record(z.string(), z.object({ done: count, total: count })),
  stagesPerMinute: z.number().optional(),
  /** To the end of the run; absent where nobody knows. */
  etaSeconds: z.number().optional(),
  workersLost: count,
  callsRetried: count,
  running: z.array(runningStage),
  failures: z.array(failure),
  workers: z.array(worker),
  stages: z.array(stageState),
});

/** Times in RFC 3339, seconds, bytes. */
export type RunState = z.infer<typeof runState>;

const fileName = "progress.json";
const intervalMs = 1000;

/** The state of the last run of a sweep's results folder; undefined when there was none, or its record cannot be read. */
export async function readRunState(folder: string): Promise<RunState | undefined> {
  const text = await readFile(join(folder, fileName), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return runState.parse(JSON.parse(text));
  } catch {
    return undefined; // of another release, or damaged: it says nothing that the store does not know
  }
}

/** Keeps a run's record up to date. A record that cannot be written (a full disk) never disturbs the run. */
export class RunStateFile {
  readonly #path: string;
  readonly #now: () => number;
  #written = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> | undefined;

  /** `now`: milliseconds, monotonic. */
  constructor(folder: string, now: () => number) {
    this.#path = join(folder, fileName);
    this.#now = now;
  }

  /** Writes what `state` answers, unless a write is under way or was begun less than a second ago. */
  update(state: () => RunState): void {
    if (this.#writing !== undefined || this.#now() - this.#written < intervalMs) return;
    this.#written = this.#now();
    this.#writing = this.#write(state()).finally(() => {
      this.#writing = undefined;
    });
  }

  /** Writes the last state; nothing may be written after it. */
  async end(state: RunState): Promise<void> {
    await this.#writing;
    await this.#write(state);
  }

  async #write(state: RunState): Promise<void> {
    await writeAtomic(this.#path, `${JSON.stringify(state)}\n`).catch(() => undefined);
  }
}
