// The pool against sound workers, and against workers that die, hang, lie, flood and babble: all real processes.
import { existsSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { tokenizerJson } from "../../src/trace/tokenizer.ts";
import { MockTokenizer } from "../../src/worker/mock/tokenizer.ts";
import { SessionLost } from "../../src/worker/port.ts";
import { alive, mockPool, temporaryDirectory, tinyModel, tokenizerDirectory, until } from "./helpers.ts";

const seconds = 1000;
const patience = { timeout: 40 * seconds };

/** `count` tokenize calls with texts that tell the answers apart: text i has i + 1 tokens. */
function tokenizeMany(pool: Awaited<ReturnType<typeof mockPool>>["pool"], count: number, options = {}) {
  const model = tinyModel(tokenizerDirectory());
  return Array.from({ length: count }, async (_, index) => {
    const answer = await pool.free("tokenize", { model, texts: ["1".repeat(index + 1)] }, {}, options);
    return answer.bins.lengths?.data[0];
  });
}
function generateParams() {
  return {
    model: tinyModel(tokenizerDirectory()),
    temperature: 0.7,
    topK: 0,
    topP: 1,
    stops: ["Goal Reached!"],
    beams: "independent" as const,
    slots: 0,
  };
}

/** `count` completions of one prompt. */
function generateBins(count: number) {
  const tokens = new MockTokenizer(tokenizerJson(selfBacktracking.vocabulary)).encode(
    "###Question: numbers [3, 5, 7]->target 15\n###Response:\n",
  ).tokens;
  return {
    tokens: Int32Array.from(tokens),
    lengths: Int32Array.of(tokens.length),
    counts: Int32Array.of(count),
    seeds: Uint32Array.from({ length: 2 * count }, (_, index) => index),
    budgets: new Int32Array(count).fill(30),
  };
}
const lengths = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe("sound workers", patience, () => {
  it("answer many free calls, each with its own answer", async () => {
    const { pool } = await mockPool({ size: 2 });
    expect(await Promise.all(tokenizeMany(pool, 200))).toEqual(lengths(200));
  });

  it("serve a session exclusively, in order, while free calls use the other worker", async () => {
    const { pool, events } = await mockPool({ size: 2 });
    const session = await pool.session();
    const loaded = session.call("load_model", { model: tinyModel(tokenizerDirectory()) });
    const steps = [1, 2, 3, 4, 5, 6].map((step) =>
      session.call("optim_step", { step, learningRate: 0, beta1: 0, beta2: 0, epsilon: 1, weightDecay: 0, clipNorm: 0 }),
    );
    expect(await Promise.all(tokenizeMany(pool, 20))).toEqual(lengths(20));
    expect((await loaded).result.info.modelType).toBe("llama");
    expect((await Promise.all(steps)).map(({ result }) => result.step)).toEqual([1, 2, 3, 4, 5, 6]);
    const free = events.filter((event) => event.kind === "job-started" && event.primitive === "tokenize");
    expect(free.some((event) => "worker" in event && event.worker === session.worker)).toBe(false);
    await session.close();
    await expect(session.call("unload", {})).rejects.toMatchObject({ code: "session-closed" });
    const next = await pool.session();
    await next.close();
  });

  it("grant a session only when a worker is free of others, oldest waiter first", async () => {
    const { pool } = await mockPool();
    const first = await pool.session();
    const order: string[] = [];
    const second = pool.session().then(async (session) => {
      order.push("session");
      await session.close();
    });
    const call = pool.free("info", {}).then(() => order.push("free"));
    const gaveUp = new AbortController();
    const third = pool.session({ signal: gaveUp.signal });
    gaveUp.abort();
    await expect(third).rejects.toMatchObject({ name: "AbortError" });
    expect(order).toEqual([]);
    await first.close();
    await Promise.all([second, call]);
    expect(order).toEqual(["session", "free"]);
  });

  it("drop the second copy of an answer", async () => {
    const { pool, events } = await mockPool({ mock: { misbehave: { answerTwice: true } } });
    expect(await Promise.all(tokenizeMany(pool, 10))).toEqual(lengths(10));
    expect(events.filter(({ kind }) => kind === "job-done")).toHaveLength(10);
  });

  it("are asked again after a retryable error, three times at most", async () => {
    const twice = await mockPool({ mock: { misbehave: { retryableErrors: 2 } } });
    expect((await twice.pool.free("info", {})).result.sessions).toEqual([]);
    expect(twice.events.filter(({ kind }) => kind === "job-retried")).toHaveLength(2);
    const thrice = await mockPool({ mock: { misbehave: { retryableErrors: 3 } } });
    await expect(thrice.pool.free("info", {})).rejects.toMatchObject({ code: "out-of-memory", message: /3 attempts/ });
  });

  it("refuse a call whose params cannot be sent, and go on", async () => {
    const { pool } = await mockPool();
    await expect(pool.free("info", { x: new Map() } as never)).rejects.toMatchObject({ code: "bad-request" });
    const small = await mockPool({ maxMessageBytes: 5000 });
    await expect(
      small.pool.free("score", { model: tinyModel("/t"), named: [] }, { tokens: new Int32Array(9000) }),
    ).rejects.toMatchObject({ code: "too-large" });
    expect((await small.pool.free("info", {})).result.models).toEqual([]);
  });
});

describe("a worker that is lost", patience, () => {
  it("by SIGKILL in mid-job neither loses nor doubles a result", async () => {
    const { pool, events, seen } = await mockPool({ size: 2, mock: { misbehave: { slowMs: 30 } } });
    let settled = 0;
    const calls = tokenizeMany(pool, 40).map(async (call) => {
      const value = await call;
      settled++;
      return value;
    });
    for (const round of [1, 2, 3]) {
      await until(() => settled >= round * 6);
      const victim = pool.describe().workers.find((worker) => worker.calls > 0);
      process.kill(victim?.pid as number, "SIGKILL");
      await seen("worker-lost", ({ worker }) => worker === victim?.name);
    }
    expect(await Promise.all(calls)).toEqual(lengths(40));
    const done = events.filter((event) => event.kind === "job-done");
    expect(done).toHaveLength(40);
    expect(done.every((event) => event.outcome === "result")).toBe(true);
    expect(events.filter(({ kind }) => kind === "worker-lost")).toHaveLength(3);
  });

  it("fails its session with SessionLost, pending and later calls alike, and the next session works", async () => {
    const { pool } = await mockPool({ mock: { misbehave: { worker: "worker-1", dieAfterJobs: 1 } } });
    const session = await pool.session();
    const model = tinyModel(tokenizerDirectory());
    await session.call("load_model", { model });
    const pending = ["a", "b", "c"].map(() => session.call("save", { path: "/nowhere", resume: false }));
    for (const outcome of await Promise.allSettled(pending))
      expect(outcome).toMatchObject({ status: "rejected", reason: expect.any(SessionLost) });
    await expect(session.call("unload", {})).rejects.toThrow(/worker-1 was lost: was killed by SIGKILL/);
    await session.close();
    const next = await pool.session();
    expect(next.worker).toBe("worker-1.2");
    expect((await next.call("load_model", { model })).result.info.vocabulary).toBeGreaterThan(10);
    await next.close();
  });

  it("leaves the last lines of its output to its session", async () => {
    const { pool } = await mockPool({ mock: { misbehave: { dieOnText: "/poison" } } });
    const session = await pool.session();
    await session.call("load_model", { model: tinyModel(tokenizerDirectory()) });
    await expect(session.call("save", { path: "/poison", resume: false })).rejects.toMatchObject({
      name: "SessionLost",
      worker: "worker-1",
      traceback: expect.stringContaining("swallowed poison"),
    });
  });

  it("because it hangs (SIGSTOP) is replaced, and its call is answered by another", async () => {
    const { pool, seen } = await mockPool({ timeouts: { silence: 400, heartbeat: 100 } });
    await pool.free("info", {});
    const [worker] = pool.describe().workers;
    process.kill(worker?.pid as number, "SIGSTOP");
    const calls = tokenizeMany(pool, 5);
    expect((await seen("worker-lost")).reason).toMatch(/no sign of life for 0.4 s/);
    expect(await Promise.all(calls)).toEqual(lengths(5));
    expect(alive(worker?.pid as number)).toBe(false);
  });

  it("because it makes no progress is cancelled, killed and replaced", async () => {
    const { pool, seen } = await mockPool({
      timeouts: { progress: 300, cancel: 300, heartbeat: 50 },
      mock: { misbehave: { worker: "worker-1", hangAfterJobs: 1 } },
    });
    expect(await Promise.all(tokenizeMany(pool, 4))).toEqual(lengths(4));
    expect((await seen("worker-lost")).reason).toMatch(/did not give up tokenize within 0.3 s of the cancel/);
  });

  it("again and again by one call has that call quarantined, its neighbours answered", async () => {
    const { pool, logs } = await mockPool({ size: 2, mock: { misbehave: { dieOnText: "poison" } } });
    const model = tinyModel(tokenizerDirectory());
    const before = tokenizeMany(pool, 6);
    const poison = pool.free("tokenize", { model, texts: ["poison"] });
    const after = tokenizeMany(pool, 6);
    await expect(poison).rejects.toMatchObject({
      name: "WorkerError",
      code: "quarantined",
      message: /lost its worker 3 times.*SIGKILL[\s\S]*swallowed poison/,
    });
    expect(await Promise.all([...before, ...after])).toEqual([...lengths(6), ...lengths(6)]);
    // A neighbour whose answer died with its worker may take a blame meant for the poison; it is never quarantined for it.
    expect(logs().match(/swallowed poison/g)?.length).toBeGreaterThanOrEqual(3);
    expect(await Promise.all(tokenizeMany(pool, 3))).toEqual(lengths(3));
    // What is known to hold the poison needs no more proof than one death, alone.
    const beside = tokenizeMany(pool, 20);
    const half = pool.free("tokenize", { model, texts: ["poison"] }, {}, { suspect: true });
    await expect(half).rejects.toMatchObject({ code: "quarantined", message: /lost its worker 1 time, the last time alone/ });
    expect(await Promise.all(beside)).toEqual(lengths(20));
  });

  it("discards the chunks of its attempt: a restart comes before those of the next", async () => {
    // The first worker streams all its chunks, then does not end; it is killed in between.
    const { pool, events, seen } = await mockPool({ mock: { misbehave: { worker: "worker-1", slowMs: 600_000 } } });
    const log: string[] = [];
    const answer = pool.free("generate", generateParams(), generateBins(100), {
      onChunk: ({ bins }) => log.push(...Array.from(bins.completion?.data ?? [], String)),
      onRestart: () => log.push("restart"),
    });
    await seen("job-progress", ({ done }) => done === 100);
    process.kill(pool.describe().workers[0]?.pid as number, "SIGKILL");
    expect((await answer).result.completions).toBe(100);
    const each = Array.from({ length: 100 }, (_, index) => String(index));
    expect(log).toEqual([...each, "restart", ...each]);
    expect(events.filter(({ kind }) => kind === "job-done")).toHaveLength(1);
  });
});

describe("workers that cannot be used", patience, () => {
  it("of another protocol version are refused with a sentence that names both versions", async () => {
    const { pool, logs } = await mockPool({ mock: { misbehave: { lieAboutVersion: 9 } } });
    const sentence = /speaks protocol version 9, this backtrail speaks version 2: .* `backtrail setup`/;
    const waiting = pool.session();
    await expect(pool.free("info", {})).rejects.toMatchObject({ code: "protocol-version", message: sentence });
    await expect(waiting).rejects.toThrow(sentence);
    await expect(pool.free("info", {})).rejects.toThrow(sentence);
    expect(logs()).toMatch(/refused by the coordinator: the worker speaks protocol version 9/);
  });

  it("that die at start are given up after three tries, with their last words", async () => {
    const { pool, events } = await mockPool({ timeouts: { restart: 10 }, mock: { misbehave: { dieAtStart: true } } });
    await expect(pool.free("info", {})).rejects.toMatchObject({
      code: "no-workers",
      message: /worker-1.3 was killed by SIGKILL \(3 early deaths/,
    });
    expect(events.filter(({ kind }) => kind === "worker-starting")).toHaveLength(3);
  });

  it("whose settings are wrong say so in the error", async () => {
    const { pool } = await mockPool({ timeouts: { restart: 10 }, mock: { misbehaves: {} } });
    await expect(pool.session()).rejects.toMatchObject({
      code: "no-workers",
      message: /Last lines of its output:[\s\S]*misbehaves/,
    });
  });

  it("that never say hello miss the deadline of their start", async () => {
    const { pool } = await mockPool({ timeouts: { start: 700, restart: 10 }, mock: { misbehave: { mute: true } } });
    await expect(pool.free("info", {})).rejects.toThrow(/did not say hello within 0.7 s of its start/);
  });

  it("whose program does not exist fail at once", async () => {
    const { localLauncher } = await import("../../src/worker/launcher.ts");
    const launcher = localLauncher({ flavour: "torch", python: "/no/such/python", environment: process.env });
    const { pool, events } = await mockPool({ launcher });
    await expect(pool.free("info", {})).rejects.toMatchObject({
      code: "no-workers",
      message: /cannot be started: .*\/no\/such\/python.*ENOENT/,
    });
    expect(events.filter(({ kind }) => kind === "worker-starting")).toHaveLength(1);
  });
});

describe("workers that talk too much", patience, () => {
  it("send garbage: it is dropped, answers count", async () => {
    const { pool, events } = await mockPool({ mock: { misbehave: { garbage: 4 } } });
    expect(await Promise.all(tokenizeMany(pool, 5))).toEqual(lengths(5));
    expect(events.filter(({ kind }) => kind === "garbage").length).toBeGreaterThanOrEqual(16);
  });

  it("send nothing but garbage: they are replaced", async () => {
    const { pool, seen } = await mockPool({ mock: { misbehave: { worker: "worker-1", garbage: 40 } } });
    expect(await Promise.all(tokenizeMany(pool, 5))).toEqual(lengths(5));
    expect((await seen("worker-lost")).reason).toMatch(/sent 32 useless messages/);
  });

  it("keep to the chunk window; one that does not only slows itself down", async () => {
    const generate = async (mock: Record<string, unknown>) => {
      const observed = await mockPool({ size: 2, mock });
      const count = 3000;
      let completions = 0;
      const big = observed.pool.free("generate", generateParams(), generateBins(count), {
        onChunk: ({ texts }) => (completions += texts.length),
      });
      const small = await Promise.all(tokenizeMany(observed.pool, 10));
      expect((await big).result.completions).toBe(count);
      expect(completions).toBe(count);
      expect(small).toEqual(lengths(10));
      const ahead = [...observed.logs().matchAll(/chunks ahead: (\d+)/g)].map((match) => Number(match[1]));
      return Math.max(...ahead);
    };
    expect(await generate({})).toBeLessThanOrEqual(4);
    expect(await generate({ misbehave: { flood: 20_000 } })).toBeGreaterThan(4);
  });
});

describe("cancel", patience, () => {
  it("of a waiting and of a running call rejects at once and leaves the worker usable", async () => {
    const { pool, seen } = await mockPool({ mock: { credit: 1, misbehave: { slowMs: 300 } } });
    const running = new AbortController();
    const waiting = new AbortController();
    const first = pool.free("info", {}, {}, { signal: running.signal });
    const second = pool.free("info", {}, {}, { signal: waiting.signal });
    await seen("job-started");
    waiting.abort();
    running.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    await expect(second).rejects.toMatchObject({ name: "AbortError" });
    expect((await seen("job-done")).outcome).toBe("cancelled");
    expect(await Promise.all(tokenizeMany(pool, 1))).toEqual([1]);
    expect(pool.describe().workers[0]?.name).toBe("worker-1");
    await expect(pool.free("info", {}, {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
  });

  it("that is ignored ends in a new worker", async () => {
    const { pool, seen } = await mockPool({
      timeouts: { cancel: 200 },
      mock: { misbehave: { worker: "worker-1", hangAfterJobs: 0 } },
    });
    const controller = new AbortController();
    const call = pool.free("info", {}, {}, { signal: controller.signal });
    await seen("job-started");
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
    expect(await Promise.all(tokenizeMany(pool, 2))).toEqual(lengths(2));
    expect(pool.describe().workers[0]?.name).toBe("worker-1.2");
  });

  it("follows a consumer of chunks that throws", async () => {
    const { pool } = await mockPool();
    const onChunk = () => {
      throw new Error("consumer broke");
    };
    await expect(pool.free("generate", generateParams(), generateBins(1), { onChunk })).rejects.toThrow("consumer broke");
    expect((await pool.free("info", {})).result.models).toEqual(["tiny"]);
  });
});

describe("close", patience, () => {
  it("lets running calls end, rejects waiting ones, leaves no process and no socket; twice is once", async () => {
    const sockets = () =>
      readdirSync(tmpdir()).filter(
        (name) => name.startsWith("backtrail-") && existsSync(join(tmpdir(), name, "coordinator.sock")),
      );
    const before = new Set(sockets());
    const { pool, seen } = await mockPool({ mock: { credit: 1, misbehave: { slowMs: 200 } } });
    await pool.free("info", {});
    const mine = sockets().filter((name) => !before.has(name));
    expect(mine.length).toBeGreaterThan(0);
    expect(mine.every((name) => (statSync(join(tmpdir(), name)).mode & 0o777) === 0o700)).toBe(true);
    const running = pool.free("info", {});
    await seen("job-started", ({ id }) => id === "j2");
    const waiting = Array.from({ length: 5 }, () => pool.free("info", {}));
    const session = pool.session();
    const pids = pool.describe().workers.map(({ pid }) => pid);
    const outcomes = Promise.allSettled([session, ...waiting]);
    await Promise.all([pool.close(), pool.close()]);
    expect((await running).seconds).toBeGreaterThan(0);
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: "rejected", reason: { code: "closed" } });
    expect(pids.map(alive)).toEqual([false]);
    await expect(pool.free("info", {})).rejects.toMatchObject({ code: "closed" });
    await expect(pool.session()).rejects.toMatchObject({ code: "closed" });
  });

  it("ends a worker that is stopped and one that is still starting", async () => {
    const { pool } = await mockPool({ start: "now", timeouts: { drain: 100, exit: 200 } });
    const starting = pool.describe().workers[0]?.pid as number;
    await pool.close();
    expect(alive(starting)).toBe(false);
    const other = await mockPool({ timeouts: { drain: 100, exit: 200 } });
    await other.pool.free("info", {});
    const stopped = other.pool.describe().workers[0]?.pid as number;
    process.kill(stopped, "SIGSTOP");
    await other.pool.close();
    expect(alive(stopped)).toBe(false);
  });

  it("of a pool that never started a worker", async () => {
    const directory = temporaryDirectory();
    const { pool } = await mockPool({ logDirectory: join(directory, "logs") });
    await pool.close();
    expect(existsSync(join(directory, "logs"))).toBe(false);
  });
});
