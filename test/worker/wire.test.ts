// What the pool does when messages are lost, damaged, said twice or not due, and when a result is recorded late: against a
// worker that the test plays itself, so that every message is under control.
import { describe, expect, it } from "vitest";
import { decodeFromWorker, encode } from "../../src/protocol/codec.ts";
import type { FromWorker } from "../../src/protocol/messages.ts";
import { runMockWorker } from "../../src/worker/mock/worker.ts";
import { WorkerError } from "../../src/worker/port.ts";
import { openRouter } from "../../src/worker/transport.ts";
import { alive, mockPool, tinyModel, until } from "./helpers.ts";
import { deferred, flipped, type ScriptedWorker, scriptedLauncher, v } from "./scripted.ts";

const patience = { timeout: 20_000 };

async function scripted(options: Parameters<typeof mockPool>[0] = {}) {
  const launcher = scriptedLauncher();
  const observed = await mockPool({ launcher, start: "now", ...options });
  const worker = launcher.workers[0] as ScriptedWorker;
  await observed.seen("worker-ready");
  return { ...observed, launcher, worker, messages: () => observed.pool.describe().messages };
}

const tokens = Int32Array.of(1);
const generateParams = {
  model: tinyModel("/nowhere"),
  temperature: 0,
  topK: 0,
  topP: 1,
  stops: [],
  beams: "independent" as const,
  slots: 0,
};

/** Chunk `seq` of a generate call: one completion of one token. */
function chunk(worker: ScriptedWorker, call: { id: string; attempt: number }, seq: number): void {
  const one = Int32Array.of(1);
  const bins = { completion: Int32Array.of(seq), lengths: one, finish: Uint8Array.of(0), tokens, charEnds: one };
  const floats = { logprobs: Float32Array.of(0), sampledLogprobs: Float32Array.of(0) };
  worker.send({ v, kind: "chunk", id: call.id, attempt: call.attempt, seq, texts: [String(seq)] }, { ...bins, ...floats });
}

describe("the launcher port", patience, () => {
  it("is all that the pool knows of a worker's process: no pid, no log, its slot told", async () => {
    const { pool, worker, launcher, events } = await scripted({ size: 2 });
    const call = pool.free("info", {});
    worker.raw(worker.result(await worker.job(1)));
    expect((await call).result.sessions).toEqual([]);
    expect(launcher.slots).toEqual([0, 1]);
    worker.end({ code: 7, signal: null, reason: "lost its machine" });
    await until(() => launcher.workers.length === 3);
    expect(launcher.slots).toEqual([0, 1, 0]);
    expect(events.filter(({ kind }) => kind === "worker-lost")).toMatchObject([{ reason: "lost its machine", restart: true }]);
    await pool.close();
    expect(launcher.workers.map(({ signals }) => signals)).toEqual([[], [], expect.anything()]);
  });
});

describe("a damaged message", patience, () => {
  it("in place of a result: the worker is asked for hello and sends it again; counted once", async () => {
    const { pool, worker, messages } = await scripted();
    const call = pool.free("info", {});
    const job = await worker.job(1);
    worker.raw(flipped(worker.result(job)));
    await worker.got("rehello", 1);
    worker.hello([[job.id, job.attempt]]);
    await worker.got("welcome", 2);
    worker.raw(worker.result(job, 5));
    expect((await call).result.memoryBytes).toBe(5);
    expect(messages()).toMatchObject({ malformed: 1, strangers: 0, undue: 0 });
    expect(worker.inbox.filter(({ kind }) => kind === "rehello")).toHaveLength(1);
  });

  it("in place of hello: hello is asked for at once, not after the time limit of a start", async () => {
    const launcher = scriptedLauncher((worker) => worker.raw(flipped(worker.helloFrames())));
    const { seen } = await mockPool({ launcher, start: "now" });
    const worker = launcher.workers[0] as ScriptedWorker;
    await worker.got("rehello", 1);
    worker.hello();
    await seen("worker-ready");
  });

  it("in place of a job: it is sent again when the worker says hello, or when it claims to be idle", async () => {
    const { pool, worker } = await scripted();
    const call = pool.free("info", {});
    const lost = await worker.job(1);
    worker.hello();
    const second = await worker.job(2);
    expect(second).toEqual(lost);
    const beat = { v, kind: "heartbeat" as const, worker: "worker-1", job: "", done: 0, memoryBytes: 77, malformed: 1 };
    worker.send(beat);
    worker.send(beat);
    await worker.got("rehello", 1);
    worker.hello();
    expect(await worker.job(3)).toEqual(lost);
    expect(pool.describe().workers).toMatchObject([{ memoryBytes: 77, malformedByWorker: 1, call: "info" }]);
    worker.raw(worker.result(lost));
    await call;
  });

  it("in place of a chunk: those behind it wait for it, and each is taken once", async () => {
    const { pool, worker, messages } = await scripted();
    const seen: string[] = [];
    const restarts: string[] = [];
    const call = pool.free(
      "generate",
      generateParams,
      {},
      {
        onChunk: ({ texts }) => seen.push(...texts),
        onRestart: () => restarts.push("restart"),
      },
    );
    const job = await worker.job(1);
    chunk(worker, job, 0);
    // Chunk 1 is lost; 2 and the result show it.
    chunk(worker, job, 2);
    const last = { v, kind: "result" as const, id: job.id, attempt: 1, chunks: 3, seconds: 0 };
    const result = { completions: 3, tokens: 3, prefixTokens: 0 };
    worker.send({ ...last, result });
    await worker.got("rehello", 1);
    expect(worker.inbox.filter(({ kind }) => kind === "ack")).toHaveLength(1);
    worker.hello();
    await worker.got("welcome", 2);
    for (const seq of [1, 2, 2]) chunk(worker, job, seq);
    worker.send({ ...last, result });
    expect((await call).result).toEqual(result);
    expect(seen).toEqual(["0", "1", "2"]);
    expect(restarts).toEqual([]);
    expect(messages()).toMatchObject({ malformed: 0, undue: 3 });
    expect(worker.inbox.filter(({ kind }) => kind === "rehello")).toHaveLength(1);
  });

  it("in place of a session's call ends the session, which can be begun anew", async () => {
    const { pool, worker, launcher } = await scripted();
    const session = await pool.session();
    const calls = [1, 2].map((step) => session.call("save", { path: `/${step}`, resume: false }));
    const late = await worker.job(2);
    const gap = { code: "session-gap", message: "call 2 came, call 1 was expected", traceback: "", retryable: false };
    worker.send({ v, kind: "error", id: late.id, attempt: late.attempt, ...gap });
    for (const outcome of await Promise.allSettled(calls))
      expect(outcome).toMatchObject({
        status: "rejected",
        reason: { name: "SessionLost", message: /missed a call of its session/ },
      });
    expect(worker.signals).toEqual(["SIGKILL"]);
    await until(() => launcher.workers.length === 2);
  });
});

describe("a worker that dies of its start again and again", patience, () => {
  it("is tried longer while others come up: what kills it may be from outside", async () => {
    const launcher = scriptedLauncher(() => undefined);
    const { pool, seen, events } = await mockPool({ launcher, size: 2, start: "now", timeouts: { restart: 1 } });
    const starts = (slot: string) => launcher.workers.filter(({ start }) => start.worker.startsWith(slot));
    const die = async (slot: string, times: number) => {
      for (let time = 0; time < times; time++) {
        const before = starts(slot).length;
        starts(slot).at(-1)?.end({ code: null, signal: "SIGKILL" });
        await until(() => starts(slot).length > before);
      }
    };
    await die("worker-2", 2);
    launcher.workers[0]?.hello();
    await seen("worker-ready");
    // The third in a row would have been its last.
    await die("worker-2", 4);
    starts("worker-2").at(-1)?.hello();
    await seen("worker-ready", ({ worker }) => worker === "worker-2.7");
    expect(events.filter((event) => event.kind === "worker-lost" && !event.restart)).toEqual([]);
    expect(pool.describe().workers.map(({ phase }) => phase)).toEqual(["ready", "ready"]);
  });
});

describe("the mock worker", patience, () => {
  it("counts damaged messages, says hello, and runs a call that comes twice once", async () => {
    const inbox: { message: FromWorker; frames: readonly Uint8Array[] }[] = [];
    const router = await openRouter({
      maxMessageBytes: 1 << 20,
      onMessage: (_, frames) => {
        const decoded = decodeFromWorker(frames);
        if (decoded.ok) inbox.push({ message: decoded.message, frames: frames.map((frame) => Buffer.from(frame)) });
      },
      onUndelivered: () => undefined,
    });
    const got = async <K extends FromWorker["kind"]>(kind: K, count: number) => {
      const found = () =>
        inbox.filter(
          (one): one is { message: Extract<FromWorker, { kind: K }>; frames: Buffer[] } => one.message.kind === kind,
        );
      await until(() => found().length >= count);
      return found();
    };
    const start = { worker: "w", token: "t", coordinatorPid: 0, threads: 1, device: "cpu", mock: { modelsKept: 3 } };
    const left = runMockWorker({ ...start, endpoint: router.endpoint });
    const send = (message: Parameters<typeof encode>[0]) => router.send("w", encode(message));
    expect((await got("hello", 1))[0]?.message).toMatchObject({ modelsKept: 3, held: [] });
    send({ v, kind: "welcome", heartbeatMs: 20, chunkWindow: 4, maxMessageBytes: 1 << 20 });
    const job = { v, kind: "job" as const, id: "j1", attempt: 1, primitive: "info", params: {} };
    router.send("w", flipped(encode(job)));
    await got("hello", 2);
    for (let time = 0; time < 2; time++) send(job);
    const [first, second] = await got("result", 2);
    expect(second?.frames).toEqual(first?.frames);
    expect(await got("accept", 1)).toHaveLength(1);
    send({ v, kind: "rehello" });
    expect((await got("hello", 3)).at(-1)?.message.held).toEqual([["j1", 1]]);
    send({ v, kind: "ack", id: "j1", attempt: 1 });
    send({ v, kind: "rehello" });
    expect((await got("hello", 4)).at(-1)?.message.held).toEqual([]);
    expect((await got("heartbeat", 1)).at(-1)?.message.malformed).toBe(1);
    send({ v, kind: "shutdown" });
    await left;
    await router.close();
  });
});

describe("messages that are not due", patience, () => {
  it("are counted by their kind and change nothing", async () => {
    const { pool, worker, events, messages } = await scripted();
    const call = pool.free("info", {});
    const job = await worker.job(1);
    worker.raw(worker.result({ ...job, attempt: 2 }, 1));
    worker.raw(worker.result({ id: "j99", attempt: 1 }, 2));
    worker.send({ v, kind: "accept", id: "j98", attempt: 1 });
    worker.send({ v, kind: "hello", worker: "worker-1", token: "guessed", pid: 1, ...(stranger as object) } as never);
    worker.raw(worker.result(job, 3));
    worker.raw(worker.result(job, 4));
    expect((await call).result.memoryBytes).toBe(3);
    await until(() => messages().undue === 5);
    expect(messages()).toMatchObject({ malformed: 0, strangers: 0 });
    // What came twice or from nowhere is acknowledged all the same: the worker must not keep it for ever.
    await worker.got("ack", 4);
    expect(worker.inbox.filter(({ kind }) => kind === "reject")).toHaveLength(1);
    expect(events.filter(({ kind }) => kind === "job-done")).toHaveLength(1);
  });

  it("from a name that no worker has are told apart, readable or not", async () => {
    const { launcher, worker, messages } = await scripted();
    const rogue = launcher.launch({ ...worker.start, worker: "rogue" }, "/nowhere.log", 0);
    const other = launcher.workers[1] as ScriptedWorker;
    await other.got("reject", 1);
    other.raw([Buffer.from("not ours")]);
    await until(() => messages().malformed === 1);
    expect(messages().strangers).toBe(1);
    // One answer a second is enough for all strangers: what a deaf one is sent would pile up.
    for (let time = 0; time < 50; time++) other.hello();
    await until(() => messages().strangers === 51);
    expect(other.inbox.filter(({ kind }) => kind === "reject").length).toBeLessThan(10);
    rogue.kill("SIGKILL");
  });
});

const stranger = { flavour: "x", capabilities: [], versions: {}, device: "cpu", credit: 1, held: [] };

describe("a result is acknowledged", patience, () => {
  it("when its caller has recorded it, and its credit is free before", async () => {
    const { pool, worker } = await scripted();
    const records = [1, 2, 3, 4, 5, 6].map(() => deferred());
    const calls = records.map(({ promise }) => pool.free("info", {}, {}, { recorded: promise }));
    // All six go through a worker of credit 4 although none is recorded.
    for (let number = 1; number <= 6; number++) worker.raw(worker.result(await worker.job(number)));
    await Promise.all(calls);
    expect(worker.inbox.filter(({ kind }) => kind === "ack")).toEqual([]);
    // Told again, it is dropped and still not acknowledged.
    const third = await worker.job(3);
    worker.raw(worker.result(third));
    worker.hello([[third.id, 1]]);
    await worker.got("welcome", 2);
    expect(worker.inbox.filter(({ kind }) => kind === "ack")).toEqual([]);
    records[2]?.resolve();
    expect(await worker.got("ack", 1)).toMatchObject([{ id: third.id, attempt: 1 }]);
    records[0]?.reject(new Error("the disk is full"));
    for (const { resolve } of records) resolve();
    const acknowledged = (await worker.got("ack", 6)).map(({ id }) => id);
    expect(acknowledged.toSorted()).toEqual(["j1", "j2", "j3", "j4", "j5", "j6"]);
  });

  it("without a record once there are too many: a record that waits for a later call holds nothing up", async () => {
    const { pool, worker } = await scripted();
    const never = new Promise<void>(() => undefined);
    const count = 70;
    for (let number = 1; number <= count; number++) {
      const call = pool.free("info", {}, {}, { recorded: never });
      worker.raw(worker.result(await worker.job(number)));
      await call;
    }
    const acknowledged = (await worker.got("ack", count - 64)).map(({ id }) => id);
    expect(acknowledged).toEqual(["j1", "j2", "j3", "j4", "j5", "j6"]);
  });

  it("at once when it is an error, or when nobody waits for it any more", async () => {
    const { pool, worker } = await scripted();
    const never = new Promise<void>(() => undefined);
    const gone = new AbortController();
    const aborted = pool.free("info", {}, {}, { recorded: never, signal: gone.signal });
    const failed = pool.free("info", {}, {}, { recorded: never });
    const [first, second] = [await worker.job(1), await worker.job(2)];
    gone.abort();
    await expect(aborted).rejects.toMatchObject({ name: "AbortError" });
    worker.raw(worker.result(first));
    const error = { code: "internal", message: "no", traceback: "", retryable: false };
    worker.send({ v, kind: "error", id: second.id, attempt: 1, ...error });
    await expect(failed).rejects.toBeInstanceOf(WorkerError);
    await worker.got("ack", 2);
  });

  it("before close() ends, which waits for the record, but no longer than for calls in progress", async () => {
    const patient = await mockPool();
    const record = deferred();
    await patient.pool.free("info", {}, {}, { recorded: record.promise });
    const pid = patient.pool.describe().workers[0]?.pid as number;
    const closed = patient.pool.close();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(alive(pid)).toBe(true);
    record.resolve();
    await closed;
    expect(alive(pid)).toBe(false);
    const hasty = await mockPool({ timeouts: { drain: 200 } });
    await hasty.pool.free("info", {}, {}, { recorded: deferred().promise });
    await hasty.pool.close();
  });

  it("not at all by a worker that has died meanwhile: its caller has the answer, nothing runs again", async () => {
    const { pool, worker, launcher, events } = await scripted({ size: 2 });
    const record = deferred();
    const call = pool.free("info", {}, {}, { recorded: record.promise });
    worker.raw(worker.result(await worker.job(1), 9));
    expect((await call).result.memoryBytes).toBe(9);
    worker.end({ code: null, signal: "SIGKILL" });
    await until(() => launcher.workers.length === 3);
    record.resolve();
    expect(events.filter(({ kind }) => kind === "job-retried")).toEqual([]);
    await pool.close();
  });
});
