// A worker that a test plays itself, in its own process and without a pid: what comes is kept, what goes is the test's.
// Shows on the way that the pool needs nothing of a worker but its launcher and its messages.
import { decodeToWorker, encode, type Outgoing, type OutgoingBins } from "../../src/protocol/codec.ts";
import { type FromWorker, protocolVersion, type ToWorker, type WorkerStart } from "../../src/protocol/messages.ts";
import type { Launcher, WorkerExit, WorkerProcess } from "../../src/worker/launcher.ts";
import { connectDealer } from "../../src/worker/transport.ts";

export const v: typeof protocolVersion = protocolVersion;
type Kind = ToWorker["kind"];
type Job = Extract<ToWorker, { kind: "job" }>;

export class ScriptedWorker {
  readonly start: WorkerStart;
  /** Everything that came, in order. */
  readonly inbox: ToWorker[] = [];
  /** Signals that the pool sent. */
  readonly signals: string[] = [];
  readonly #socket;
  readonly #ended: (exit: WorkerExit) => void;
  readonly process: WorkerProcess;
  #waiting: (() => void)[] = [];

  constructor(start: WorkerStart, logFile: string, greet: (worker: ScriptedWorker) => void) {
    this.start = start;
    let ended: (exit: WorkerExit) => void = () => undefined;
    const exited = new Promise<WorkerExit>((resolve) => {
      ended = resolve;
    });
    this.#ended = ended;
    const kill = (signal: NodeJS.Signals) => {
      this.signals.push(signal);
      this.end({ code: null, signal });
    };
    this.process = { pid: 0, exited, kill, stderrTail: () => "", logFile };
    this.#socket = connectDealer({
      endpoint: start.endpoint,
      worker: start.worker,
      onMessage: (frames) => {
        const decoded = decodeToWorker(frames);
        if (!decoded.ok) throw new Error(decoded.reason);
        this.inbox.push(decoded.message);
        if (decoded.message.kind === "shutdown") this.end({ code: 0, signal: null });
        if (decoded.message.kind === "drain") this.send({ v, kind: "bye", worker: start.worker, reason: "drained" });
        for (const wake of this.#waiting.splice(0)) wake();
      },
    });
    greet(this);
  }

  hello(held: [string, number][] = [], more: Partial<Extract<FromWorker, { kind: "hello" }>> = {}): void {
    this.raw(this.helloFrames(held, more));
  }

  helloFrames(held: [string, number][] = [], more: Partial<Extract<FromWorker, { kind: "hello" }>> = {}): Buffer[] {
    const { worker, token } = this.start;
    const device = { flavour: "scripted", capabilities: ["info"], versions: {}, device: "cpu", credit: 4, held };
    return encode({ v, kind: "hello", worker, token, pid: 1, ...device, ...more });
  }

  send(message: Outgoing<FromWorker>, bins: OutgoingBins = {}): void {
    this.#socket.send(encode(message, bins));
  }

  /** The answer to an `info` call. */
  result({ id, attempt }: { id: string; attempt: number }, memoryBytes = 0): Buffer[] {
    const result = { models: [], sessions: [], memoryBytes, versions: {} };
    return encode({ v, kind: "result", id, attempt, chunks: 0, result, seconds: 0 });
  }

  raw(frames: Buffer[]): void {
    this.#socket.send(frames);
  }

  end(exit: WorkerExit): void {
    void this.#socket.close();
    this.#ended(exit);
  }

  /** The messages of a kind, as soon as there are so many. */
  async got<K extends Kind>(kind: K, count: number): Promise<Extract<ToWorker, { kind: K }>[]> {
    for (;;) {
      const found = this.inbox.filter((message): message is Extract<ToWorker, { kind: K }> => message.kind === kind);
      if (found.length >= count) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async job(number: number): Promise<Job> {
    return (await this.got("job", number))[number - 1] as Job;
  }
}

/** A launcher of scripted workers, which begin with `greet`; `workers` are those started so far. */
export function scriptedLauncher(
  greet: (worker: ScriptedWorker) => void = (worker) => worker.hello(),
): Launcher & { readonly workers: ScriptedWorker[]; readonly slots: number[] } {
  const workers: ScriptedWorker[] = [];
  const slots: number[] = [];
  return {
    workers,
    slots,
    launch: (start, logFile, slot) => {
      const worker = new ScriptedWorker(start, logFile, greet);
      workers.push(worker);
      slots.push(slot);
      return worker.process;
    },
    close: async () => undefined,
  };
}

/** The frames with one bit of the first one flipped. */
export function flipped(frames: readonly Buffer[]): Buffer[] {
  const [header, ...rest] = frames.map((frame) => Buffer.from(frame));
  if (!header) throw new Error("no frames");
  header.writeUInt8(header.readUInt8(header.length - 2) ^ 8, header.length - 2);
  return [header, ...rest];
}

export interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A promise to be settled from outside. */
export function deferred(): Deferred {
  let settle: Pick<Deferred, "resolve" | "reject"> = { resolve: () => undefined, reject: () => undefined };
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}
