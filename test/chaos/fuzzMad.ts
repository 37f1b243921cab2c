// A registered worker gone mad, in this process: it answers its calls rightly in the end, but says anything besides. It keeps
// the share of what cannot be read below the one at which the pool takes it for broken.
import { decodeToWorker, encode } from "../../src/protocol/codec.ts";
import { protocolVersion, type ToWorker, type WorkerStart } from "../../src/protocol/messages.ts";
import type { WorkerExit, WorkerProcess } from "../../src/worker/launcher.ts";
import type { FuzzMessage } from "./fuzzMessages.ts";
import { Peer } from "./fuzzPeer.ts";

const v = protocolVersion;
type Job = Extract<ToWorker, { kind: "job" }>;

/** Right messages for each that makes the pool ask for a new hello: one in six is below the quarter that the pool bears. */
const rightPerWrong = 5;
/** Kinds that are never undue: whoever is registered may always say them. */
const alwaysDue: readonly string[] = ["heartbeat", "log", "bye"];

export class MadWorker {
  readonly process: WorkerProcess;
  /** What the pool must have counted because of it. */
  readonly sent = { malformed: 0, undue: 0 };
  readonly #start: WorkerStart;
  readonly #peer: Peer;
  #job: Job | undefined;
  #taken = "";
  #beats = 0;
  #answering = false;
  #end: (exit: WorkerExit) => void = () => undefined;

  constructor(start: WorkerStart, logFile: string) {
    this.#start = start;
    this.#peer = new Peer(start.endpoint, start.worker, (frames) => this.#receive(frames));
    const exited = new Promise<WorkerExit>((resolve) => {
      this.#end = resolve;
    });
    const kill = (signal: NodeJS.Signals) => this.#leave({ code: null, signal });
    this.process = { pid: 0, exited, kill, stderrTail: () => "", logFile };
    void this.#begin();
  }

  /** Before it says who it is, nothing is due. */
  async #begin(): Promise<void> {
    await this.#undue(encode({ v, kind: "accept", id: "j1", attempt: 1 }));
    await this.#undue(encode({ v, kind: "bye", worker: this.#start.worker, reason: "early" }));
    await this.#hello();
  }

  #hello(): Promise<void> {
    const { worker, token } = this.#start;
    // It has no memory for the calls that must end right.
    const device = { flavour: "mad", capabilities: ["info"], versions: {}, device: "cpu", deviceMemoryBytes: 1, gpus: 0 };
    return this.#peer.send(encode({ v, kind: "hello", worker, token, pid: 1, ...device, credit: 1, held: [] }));
  }

  #receive(frames: readonly Uint8Array[]): void {
    const decoded = decodeToWorker(frames);
    if (!decoded.ok) throw new Error(`the pool sent: ${decoded.reason}`);
    const { message } = decoded;
    if (message.kind === "rehello") void this.#hello();
    else if (message.kind === "drain") void this.#goInPeace();
    else if (message.kind === "shutdown") this.#leave({ code: 0, signal: null });
    // After each hello it gets what it had not accepted by then, which it may have done since.
    else if (message.kind === "job" && message.id !== this.#taken) {
      this.#job = message;
      this.#taken = message.id;
      void this.#peer.send(encode({ v, kind: "accept", id: message.id, attempt: message.attempt }));
    }
  }

  /** The pool's socket. */
  get endpoint(): string {
    return this.#start.endpoint;
  }

  async #goInPeace(): Promise<void> {
    await this.answer();
    await this.#peer.send(encode({ v, kind: "bye", worker: this.#start.worker, reason: "drained" }));
  }

  #leave(exit: WorkerExit): void {
    this.#peer.close();
    this.#end(exit);
  }

  async #undue(frames: readonly Buffer[]): Promise<void> {
    this.sent.undue++;
    await this.#peer.send(frames);
  }

  async #beat(times: number): Promise<void> {
    for (let beat = 0; beat < times; beat++) {
      const place = { worker: this.#start.worker, job: this.#job?.id ?? "", done: ++this.#beats, memoryBytes: 1 };
      await this.#peer.send(encode({ v, kind: "heartbeat", ...place }));
    }
  }

  /** Sends one message of the fuzz; false when it is of a kind that is always due. */
  async rave(message: FuzzMessage): Promise<boolean> {
    if (message.fault === "none") {
      if (alwaysDue.includes(message.kind)) return false;
      await this.#undue(message.frames);
      return true;
    }
    this.sent.malformed++;
    await this.#peer.send(message.frames);
    await this.#beat(rightPerWrong);
    return true;
  }

  /** Lies about the call that it holds, if any, none of which may count; then answers it. */
  async answer(): Promise<void> {
    const job = this.#job;
    if (!job || this.#answering) return;
    this.#answering = true;
    const { id, attempt } = job;
    const result = { models: [], sessions: [], memoryBytes: 0, versions: {} };
    const bins = { bins: Uint8Array.of(1) };
    // Of another attempt, behind a chunk that never came, and what is answered already.
    await this.#undue(encode({ v, kind: "result", id, attempt: attempt + 1, chunks: 0, result: {}, seconds: 0 }));
    await this.#undue(encode({ v, kind: "chunk", id, attempt, seq: 3, texts: [] }, bins));
    await this.#beat(rightPerWrong);
    await this.#undue(encode({ v, kind: "result", id, attempt, chunks: 2, result, seconds: 0 }));
    await this.#beat(rightPerWrong);
    this.#job = undefined;
    this.#answering = false;
    const last = encode({ v, kind: "result", id, attempt, chunks: 0, result, seconds: 0 });
    await this.#peer.send(last);
    await this.#undue(last);
  }
}
