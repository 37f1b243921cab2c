// Misbehaviour on command: what a broken worker does, for tests of the pool. Each is one line of the table.
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { encode } from "../../protocol/codec.ts";
import { protocolVersion } from "../../protocol/messages.ts";
import { JobError } from "./jobError.ts";

const misbehaviour = z.strictObject({
  /** Only this worker (by name) misbehaves, so its successor is sound; default: all. */
  worker: z.string().optional(),
  /** SIGKILLs itself when it starts a call after so many. */
  dieAfterJobs: z.number().int().nonnegative().optional(),
  /** Runs for ever when it starts a call after so many; heartbeats go on without progress, a cancel is not heard. */
  hangAfterJobs: z.number().int().nonnegative().optional(),
  /** Dies when the params of a call hold this text: a poison call. */
  dieOnText: z.string().optional(),
  /** Dies before it says hello. */
  dieAtStart: z.boolean().optional(),
  /** Never says hello. */
  mute: z.boolean().optional(),
  /** Claims this protocol version. */
  lieAboutVersion: z.number().int().optional(),
  /** Sends so many unreadable messages before each answer. */
  garbage: z.number().int().nonnegative().optional(),
  /** Sends so many log messages before each answer and never waits for the chunk window. */
  flood: z.number().int().nonnegative().optional(),
  /** Waits before each answer. */
  slowMs: z.number().nonnegative().optional(),
  /** Sends each result twice. */
  answerTwice: z.boolean().optional(),
  /** Answers with a retryable error so many times before the first answer. */
  retryableErrors: z.number().int().nonnegative().optional(),
});
export type Misbehaviour = z.infer<typeof misbehaviour>;

const mockSettings = z.strictObject({
  rightStep: z.number().min(0).max(1).default(0.7),
  backtrack: z.number().min(0).max(1).default(0.5),
  credit: z.number().int().positive().default(4),
  /** What it claims to have; by default it claims nothing, so that any need is met. */
  deviceMemoryBytes: z.number().nonnegative().optional(),
  gpus: z.number().int().nonnegative().optional(),
  /** Models that it keeps; the least recently used one goes first. */
  modelsKept: z.number().int().positive().default(2),
  /** Absolute paths of the user's modules: an oracle knows puzzles, a torch worker never. */
  modules: z.array(z.string()).default([]),
  misbehave: misbehaviour.default({}),
});
export type MockSettings = z.infer<typeof mockSettings>;

/** The mock's settings, its misbehaviour only if it is meant. Throws on unknown keys. */
export function readMockSettings(value: unknown, worker: string): MockSettings {
  const settings = mockSettings.parse(value);
  const { misbehave } = settings;
  return misbehave.worker === undefined || misbehave.worker === worker ? settings : { ...settings, misbehave: {} };
}

/** Unreadable messages in turn: no msgpack, msgpack of something else, a message of ours with a frame too few. */
function garbageMessage(index: number): Buffer[] {
  const kinds = [
    [Buffer.from([0xc1, 0xff, 0x00, 0x72])],
    [Buffer.from([0x93, 1, 2, 3]), Buffer.alloc(300)],
    [Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])],
    [Buffer.alloc(0)],
  ];
  return kinds[index % kinds.length] as Buffer[];
}

/** Kills this process as the kernel would. */
export function die(): never {
  process.kill(process.pid, "SIGKILL");
  for (;;);
}

/** Misbehaves around calls. */
export class Mischief {
  readonly #how: Misbehaviour;
  readonly #worker: string;
  readonly #send: (frames: Buffer[]) => void;
  #started = 0;
  #errorsLeft: number;

  constructor(how: Misbehaviour, worker: string, send: (frames: Buffer[]) => void) {
    this.#how = how;
    this.#worker = worker;
    this.#send = send;
    this.#errorsLeft = how.retryableErrors ?? 0;
  }

  /** When a call starts. May never return; may throw JobError. */
  async beforeCall(params: unknown): Promise<void> {
    const { dieOnText, dieAfterJobs, hangAfterJobs } = this.#how;
    const before = this.#started++;
    if (dieOnText !== undefined && JSON.stringify(params).includes(dieOnText)) {
      process.stderr.write("swallowed poison\n");
      die();
    }
    if (dieAfterJobs !== undefined && before >= dieAfterJobs) die();
    if (hangAfterJobs !== undefined && before >= hangAfterJobs) await new Promise(() => undefined);
    if (this.#errorsLeft > 0) {
      this.#errorsLeft--;
      throw new JobError("out-of-memory", "out of memory, on command", true);
    }
  }

  /** Between the work and the answer. Throws JobError("cancelled"). */
  async beforeAnswer(cancelled: () => boolean): Promise<void> {
    const { garbage = 0, flood = 0, slowMs = 0 } = this.#how;
    for (let index = 0; index < garbage; index++) this.#send(garbageMessage(index));
    for (let index = 0; index < flood; index++) {
      this.#send(encode({ v: protocolVersion, kind: "log", worker: this.#worker, level: "debug", text: `flood ${index}` }));
      if (index % 256 === 255) await nextTurn();
    }
    const until = performance.now() + slowMs;
    while (performance.now() < until) {
      if (cancelled()) throw new JobError("cancelled", "cancelled while it ran");
      await pause(Math.min(20, until - performance.now()));
    }
  }
}
