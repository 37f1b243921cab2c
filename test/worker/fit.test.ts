// Calls and sessions go to workers that have what they need; what no worker can ever have is refused with what it needs.
import { describe, expect, it } from "vitest";
import { fits } from "../../src/worker/fit.ts";
import type { Launcher } from "../../src/worker/launcher.ts";
import { mockPool, until } from "./helpers.ts";
import { type ScriptedWorker, scriptedLauncher } from "./scripted.ts";

const gib = 2 ** 30;
const small = { deviceMemoryBytes: 8 * gib, gpus: 1 };
const large = { deviceMemoryBytes: 80 * gib, gpus: 2 };

describe("fits", () => {
  it.each([
    ["nothing is needed", undefined, small, true],
    ["exactly all", { memoryBytes: 8 * gib, gpus: 1 }, small, true],
    ["a byte too much", { memoryBytes: 8 * gib + 1 }, small, false],
    ["a GPU too much", { gpus: 2 }, small, false],
    ["the device is unknown", { memoryBytes: 900 * gib, gpus: 8 }, {}, true],
    ["no hello yet", { memoryBytes: 900 * gib }, undefined, true],
  ])("when %s", (_, needs, device, expected) => expect(fits(needs, device)).toBe(expected));
});

/** Two scripted workers: one small, one large, ready in this order. */
async function two(greetLarge = true) {
  const launcher = scriptedLauncher((worker) => {
    if (worker.start.worker === "worker-1") worker.hello([], small);
    else if (greetLarge) worker.hello([], large);
  });
  const observed = await mockPool({ launcher: launcher as Launcher, size: 2, start: "now" });
  await observed.seen("worker-ready", ({ worker }) => worker === "worker-1");
  if (greetLarge) await observed.seen("worker-ready", ({ worker }) => worker === "worker-2");
  const [first, second] = launcher.workers as [ScriptedWorker, ScriptedWorker];
  return { ...observed, first, second };
}

describe("a pool of different workers", { timeout: 20_000 }, () => {
  it("sends each call where it fits, and does not hold back others behind one that waits", async () => {
    const { pool, first, second } = await two();
    const needs = { memoryBytes: 40 * gib };
    const big = [1, 2, 3].map(() => pool.free("info", {}, {}, { needs }));
    const little = [pool.free("info", {}), pool.free("info", {})];
    for (const number of [1, 2]) first.raw(first.result(await first.job(number), 1));
    expect((await Promise.all(little)).map(({ result }) => result.memoryBytes)).toEqual([1, 1]);
    for (const number of [1, 2, 3]) second.raw(second.result(await second.job(number), 2));
    expect((await Promise.all(big)).map(({ result }) => result.memoryBytes)).toEqual([2, 2, 2]);
  });

  it("counts the GPUs of the workers that are ready", async () => {
    expect((await two()).pool.gpus).toBe(3);
    expect((await two(false)).pool.gpus).toBe(1);
  });

  it("grants a session on a worker that fits, and a later one that fits elsewhere does not wait for it", async () => {
    const { pool } = await two();
    const needs = { gpus: 2 };
    const session = await pool.session({ needs });
    expect(session.worker).toBe("worker-2");
    const waiting = pool.session({ needs });
    const other = await pool.session({ needs: { gpus: 1 } });
    expect(other.worker).toBe("worker-1");
    await session.close();
    expect((await waiting).worker).toBe("worker-2");
  });

  it("refuses what none can ever run, naming the needs and what there is", async () => {
    const { pool } = await two();
    const needs = { memoryBytes: 141 * gib, gpus: 4 };
    const words =
      "it needs 141 GiB of device memory and 4 GPUs; worker 1 has 8.0 GiB of device memory and 1 GPU; worker 2 has 80.0 GiB of device memory and 2 GPUs";
    await expect(pool.free("info", {}, {}, { needs })).rejects.toMatchObject({
      code: "no-fitting-worker",
      message: `no worker can run info: ${words}`,
    });
    await expect(pool.session({ needs })).rejects.toMatchObject({ message: `no worker can run a session: ${words}` });
  });

  it("waits while a worker that has not said what it has may fit, and refuses when it does not", async () => {
    const { pool, second } = await two(false);
    const fitting = pool.free("info", {}, {}, { needs: { gpus: 2 } });
    const never = pool.free("info", {}, {}, { needs: { gpus: 3 } });
    never.catch(() => undefined);
    await until(() => pool.describe().queued === 2);
    second.hello([], large);
    await expect(never).rejects.toMatchObject({ code: "no-fitting-worker" });
    second.raw(second.result(await second.job(1)));
    await fitting;
    expect(pool.describe().workers).toMatchObject([
      { deviceMemoryBytes: small.deviceMemoryBytes, gpus: 1 },
      { deviceMemoryBytes: large.deviceMemoryBytes, gpus: 2 },
    ]);
  });

  it("remembers what a worker had while its successor starts", async () => {
    const { pool, first, second } = await two();
    second.end({ code: null, signal: "SIGKILL" });
    first.end({ code: null, signal: "SIGKILL" });
    await until(() => pool.describe().workers.length < 2);
    await expect(pool.free("info", {}, {}, { needs: { gpus: 3 } })).rejects.toMatchObject({ code: "no-fitting-worker" });
  });
});
