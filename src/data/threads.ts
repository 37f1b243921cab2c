// Chunks of a training set in the order of their draws, made by this thread or by several at once: the same chunks. A bounded
// number is in flight, so memory stays constant however slow the reader is.
import { Worker } from "node:worker_threads";
import { UserError } from "../lib/errors.ts";
import { type Chunk, chunkMaker } from "./chunk.ts";
import type { TrainSet } from "./settings.ts";
import type { Prepared } from "./sources.ts";

/** What a thread is started with; what is prepared lies in memory that all threads share. */
export interface ThreadStart {
  readonly set: TrainSet;
  readonly prepared: Prepared;
  /** Absolute paths of the user's modules that the settings need. */
  readonly modules: readonly string[];
}

export interface ChunkRequest {
  readonly from: number;
  readonly to: number;
}

export type ChunkAnswer = { readonly from: number } & (
  | { readonly chunk: Chunk; readonly error?: never }
  | { readonly error: { readonly code: string; readonly message: string }; readonly chunk?: never }
);

// So many draws that a message costs nothing beside them, so few that chunks of 8 KB lines stay at 4 MB.
const drawsPerChunk = 512;
// One chunk that a thread works on, one that waits for it, one that waits for the reader.
const inFlightPerThread = 3;

export interface ChunkOptions extends ThreadStart {
  /** 1: no other thread is started. */
  readonly threads: number;
  /** The first draw. */
  readonly from: number;
}

/** Endless, from draw `from` on. Whoever stops reading (`return`) ends the threads. Throws what making a chunk throws. */
export async function* chunks(options: ChunkOptions): AsyncGenerator<Chunk, never> {
  if (options.threads === 1) yield* chunksHere(options);
  const crew = new Crew(options);
  try {
    for (let from = options.from; ; from += drawsPerChunk) yield await crew.chunk(from);
  } finally {
    await crew.end();
  }
}

function* chunksHere({ set, prepared, from }: ChunkOptions): Generator<Chunk, never> {
  const maker = chunkMaker(set, prepared);
  for (let at = from; ; at += drawsPerChunk) yield maker.make(at, at + drawsPerChunk);
}

interface Waiting {
  readonly resolve: (chunk: Chunk) => void;
  readonly reject: (error: Error) => void;
}

interface Member {
  readonly worker: Worker;
  /** Chunks ordered and not yet made. */
  load: number;
}

/** Threads that are kept busy ahead of the reader. */
class Crew {
  readonly #members: readonly Member[];
  readonly #ordered = new Map<number, Promise<Chunk>>();
  readonly #waiting = new Map<number, Waiting>();
  #next: number;
  #failure: Error | undefined;

  constructor({ set, prepared, modules, threads, from }: ChunkOptions) {
    this.#next = from;
    this.#members = Array.from({ length: threads }, () => this.#start({ set, prepared, modules }));
    for (let count = 0; count < inFlightPerThread * threads; count++) this.#order();
  }

  /** The chunk from that draw on; asked for in order. */
  async chunk(from: number): Promise<Chunk> {
    const chunk = await this.#ordered.get(from);
    if (chunk === undefined) throw new Error(`threads: the chunk of draw ${from} is not the next one`);
    this.#ordered.delete(from);
    this.#order();
    return chunk;
  }

  async end(): Promise<void> {
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
  }

  #start(start: ThreadStart): Member {
    const worker = new Worker(...threadEntry(start));
    const member: Member = { worker, load: 0 };
    worker.on("message", (answer: ChunkAnswer) => {
      member.load--;
      if (answer.error) this.#fail(new UserError(answer.error.code, answer.error.message));
      else this.#waiting.get(answer.from)?.resolve(answer.chunk);
      this.#waiting.delete(answer.from);
    });
    worker.on("error", (error) => this.#fail(error));
    worker.on("exit", (code) =>
      this.#fail(new UserError("thread", `a thread that makes data ended early (exit code ${code})`)),
    );
    return member;
  }

  /** Has the least busy thread make the next chunk; which one makes it changes nothing in it. */
  #order(): void {
    const member = this.#members.reduce((least, other) => (other.load < least.load ? other : least));
    const from = this.#next;
    this.#next += drawsPerChunk;
    const promise = new Promise<Chunk>((resolve, reject) => {
      this.#waiting.set(from, { resolve, reject });
      if (this.#failure) reject(this.#failure);
    });
    // It may fail before anybody waits for it.
    promise.catch(() => undefined);
    this.#ordered.set(from, promise);
    member.load++;
    member.worker.postMessage({ from, to: from + drawsPerChunk } satisfies ChunkRequest);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}

/** From source, a thread must register tsx for itself: it takes over no loader of the main thread's. */
function threadEntry(workerData: ThreadStart): ConstructorParameters<typeof Worker> {
  if (!import.meta.url.endsWith(".ts")) return [new URL("./thread.js", import.meta.url), { workerData }];
  const tsx = import.meta.resolve("tsx/esm/api");
  const entry = new URL("./thread.ts", import.meta.url).href;
  const code = `import(${JSON.stringify(tsx)}).then(({ register }) => (register(), import(${JSON.stringify(entry)})));`;
  return [code, { eval: true, workerData, execArgv: [] }];
}
