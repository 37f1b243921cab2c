// A trainer in memory: workers whose sessions learn a chain of digests, so that any other row, weight, rate or order gives
// another "model", and that are lost at chosen calls; a journal that keeps what a disk would keep.
import { sha256 } from "../../src/lib/hash.ts";
import type { MaskLint, ModelInfo, ModelSpec, Params, SessionPrimitive } from "../../src/protocol/primitives.ts";
import type { ResumePoint, StepRecord, TrainJournal } from "../../src/train/journal.ts";
import {
  type Answer,
  type Bins,
  type Session,
  SessionLost,
  type TypedArray,
  WorkerError,
  type Workers,
} from "../../src/worker/port.ts";

export const model: ModelSpec = {
  version: "v",
  source: { kind: "path", path: "m" },
  dtype: "float32",
  addTokens: ["<backtrack>"],
  reservedTokens: {},
};
export const goodLint: MaskLint = {
  rowsWithAddedToken: 10,
  rowsTrainingAddedToken: 10,
  rowsTrainingEnd: 20,
  rowsWithoutTrainedToken: 0,
};

/** What a session knows: enough to tell any two histories apart. */
interface Learned {
  readonly chain: string;
  readonly step: number;
}

/** Tokens and trained tokens of a row of the fake dataset. */
export const lengthOf = (row: number) => 5 + (row % 4);
export const trainedOf = (row: number) => 1 + (row % 3);

export interface Trouble {
  /** Numbers of calls (from 1, over all sessions) at which the session is lost. */
  readonly losses?: readonly number[];
  /** Whether the call that is lost was carried out before the worker died. */
  readonly carriedOut?: boolean;
  readonly lint?: MaskLint;
  readonly lossOfStep?: (step: number) => number;
  /** Whether a forward pass of these rows is more than the memory of the worker holds. */
  readonly tooMuch?: (rows: readonly number[], step: number) => boolean;
  /** Trained tokens that the worker tells too many of each forward pass. */
  readonly miscounts?: number;
  /** Told of each call as it is sent. */
  readonly onCall?: (name: SessionPrimitive, number: number) => void;
}

export class FakePool implements Workers {
  readonly size = 1;
  readonly gpus = 0;
  /** Directories on the shared disk. */
  readonly disk = new Map<string, Learned & { resume: boolean }>();
  readonly examples: number;
  readonly trouble: Trouble;
  calls = 0;
  sessions = 0;
  closed = 0;
  /** Raised when all workers are killed, as they are with their coordinator. */
  epoch = 0;
  /** Updates sent and not yet answered, at most. */
  mostInFlight = 0;
  readonly rowsPerCall: number[] = [];
  readonly loads: Params<"load_model">[] = [];
  readonly packedCalls = new Set<boolean | undefined>();

  /** Overrides of what load_model says of the model. */
  info: Partial<ModelInfo> = {};

  constructor(examples: number, trouble: Trouble = {}) {
    this.examples = examples;
    this.trouble = trouble;
  }

  async session(): Promise<Session> {
    this.sessions++;
    return new FakeSession(this, `s${this.sessions}`);
  }

  free(): never {
    throw new Error("not used");
  }
}

class FakeSession implements Session {
  readonly id: string;
  readonly worker = "w0";
  readonly #epoch: number;
  readonly #pool: FakePool;
  #learned: Learned = { chain: "initial", step: 0 };
  #gradient = "";
  #lost = false;
  #broken = false;
  #inFlight = 0;
  #queue: Promise<void> = Promise.resolve();

  constructor(pool: FakePool, id: string) {
    this.#pool = pool;
    this.#epoch = pool.epoch;
    this.id = id;
  }

  call<Name extends SessionPrimitive>(name: Name, params: Params<Name>, bins: Bins = {}): Promise<Answer<Name>> {
    const number = ++this.#pool.calls;
    this.#pool.trouble.onCall?.(name, number);
    if (name === "optim_step") this.#pool.mostInFlight = Math.max(this.#pool.mostInFlight, ++this.#inFlight);
    const answer = this.#queue.then(async () => {
      // The answer takes a turn of the event loop, so that pipelining is real.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#lost || this.#epoch !== this.#pool.epoch) throw new SessionLost(this.worker, "killed");
      const dies = this.#pool.trouble.losses?.includes(number) === true;
      if (dies) this.#lost = true;
      if (dies && !this.#pool.trouble.carriedOut) throw new SessionLost(this.worker, "killed");
      const result = this.#run(name, params as Record<string, unknown>, bins);
      if (dies) throw new SessionLost(this.worker, "killed");
      if (name === "optim_step") this.#inFlight--;
      return result as unknown as Answer<Name>;
    });
    this.#queue = answer.then(
      () => {},
      () => {},
    );
    return answer;
  }

  async close(): Promise<void> {
    this.#pool.closed++;
  }

  #run(name: SessionPrimitive, params: Record<string, unknown>, bins: Bins): unknown {
    const answer = (result: unknown, out: Record<string, TypedArray> = {}) => ({
      result,
      bins: Object.fromEntries(Object.entries(out).map(([key, data]) => [key, { type: "int32", shape: [data.length], data }])),
      seconds: 0.01,
    });
    const pool = this.#pool;
    if (this.#broken) throw new WorkerError("session", "cannot go on");
    switch (name) {
      case "load_model":
        this.#learned = { chain: "initial", step: 0 };
        pool.loads.push(params as Params<"load_model">);
        return answer({ info: { modelType: "fake", parameters: 1, device: "cpu", ...pool.info } });
      case "load_dataset": {
        const rows = Array.from({ length: pool.examples }, (_, row) => row);
        const bulk = { lengths: Int32Array.from(rows, lengthOf), trained: Int32Array.from(rows, trainedOf) };
        return answer(
          { rows: rows.length, tokens: 0, trainedTokens: 0, overlong: 0, lint: pool.trouble.lint ?? goodLint },
          bulk,
        );
      }
      case "forward_backward": {
        const rows = [...(bins.rows as Int32Array)];
        const weights = [...(bins.weights as Float32Array)];
        if (pool.trouble.tooMuch?.(rows, this.#learned.step + 1)) {
          this.#broken = true;
          throw new WorkerError("out-of-memory", "not enough memory: fake");
        }
        pool.rowsPerCall.push(rows.length);
        pool.packedCalls.add((params as Params<"forward_backward">).packed);
        this.#gradient += `${rows}|${weights};`;
        const trainedTokens = rows.reduce((sum, row) => sum + trainedOf(row), 0);
        const total = rows.reduce((sum, row, index) => sum + trainedOf(row) * (weights[index] as number), 0);
        const nll =
          pool.trouble.lossOfStep?.(this.#learned.step + 1) ?? 1 + Number.parseInt(this.#learned.chain.slice(0, 4), 36) / 1e6;
        return answer({ loss: total * nll, nll, tokens: 0, trainedTokens: trainedTokens + (pool.trouble.miscounts ?? 0) });
      }
      case "optim_step": {
        const step = params.step as number;
        if (step !== this.#learned.step + 1) throw new Error(`step ${step} after ${this.#learned.step}`);
        this.#learned = { chain: sha256(`${this.#learned.chain} ${this.#gradient} ${JSON.stringify(params)}`), step };
        this.#gradient = "";
        return answer({ step, gradientNorm: 0.5 });
      }
      case "save": {
        const path = params.path as string;
        if (pool.disk.has(path)) throw new Error(`${path} exists`);
        pool.disk.set(path, { ...this.#learned, resume: params.resume as boolean });
        return answer({ path, bytes: 1 });
      }
      case "restore": {
        const saved = pool.disk.get(params.path as string);
        if (!saved?.resume) throw new Error(`${params.path} is no resume checkpoint`);
        this.#learned = { chain: saved.chain, step: saved.step };
        return answer({ step: saved.step });
      }
      default:
        throw new Error(`unexpected ${name}`);
    }
  }
}

/** Keeps its laws by throwing: steps in order, each once; a resume point only when the metrics up to it are synced. */
export class FakeJournal implements TrainJournal {
  records: StepRecord[] = [];
  point: ResumePoint | undefined;
  readonly points: number[] = [];
  readonly #pool: FakePool;
  #previous: ResumePoint | undefined;
  #synced = 0;

  constructor(pool: FakePool) {
    this.#pool = pool;
  }

  append(record: StepRecord): void {
    const last = this.records.at(-1)?.step ?? 0;
    if (record.step !== last + 1) throw new Error(`metrics: step ${record.step} after ${last}`);
    this.records.push(record);
  }

  async cutAfter(step: number): Promise<void> {
    this.records = this.records.filter((record) => record.step <= step);
    this.#synced = Math.min(this.#synced, this.records.length);
  }

  async sync(): Promise<void> {
    this.#synced = this.records.length;
  }

  async latest(): Promise<ResumePoint | undefined> {
    return this.point && this.#pool.disk.has(this.point.path) ? this.point : undefined;
  }

  async setLatest(point: ResumePoint): Promise<void> {
    if (this.#synced < point.step)
      throw new Error(`resume point ${point.step} before its metrics are on disk (${this.#synced})`);
    if (this.#pool.disk.get(point.path)?.step !== point.step)
      throw new Error(`resume point ${point.step} without its checkpoint`);
    // A point may be recorded again with more about it.
    if (this.point?.path !== point.path) {
      if (this.#previous !== undefined) this.#pool.disk.delete(this.#previous.path);
      this.#previous = this.point;
    }
    this.point = point;
    this.points.push(point.step);
  }

  async discard(path: string): Promise<void> {
    if (path === this.point?.path) throw new Error("the resume point itself was discarded");
    this.#pool.disk.delete(path);
  }

  /** What must not differ between an undisturbed run and any other. */
  get comparable(): unknown[] {
    return this.records.map(({ tokensPerSecond: _, ...rest }) => rest);
  }
}
