// Two runs at once on one sweep: one goes on, the other is told who is at it.
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { clearDeadLocks, ifHostIsGone, lockSweep, readLock, tryLock, waitForLock } from "../../src/store/lock.ts";

const script = fileURLToPath(new URL("./fixtures/holder.ts", import.meta.url));
let folder: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backtrail-lock-"));
  children = [];
});

afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** A process that tries to take the lock, and what it says. */
async function contender(): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", script, folder], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const [data] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
  return { child, said: data.toString().trim() };
}

const lockNames = () => readdirSync(folder).filter((name) => name.endsWith(".lock"));

describe("between processes", () => {
  it("says who holds it, on which host, since when, with what command", async () => {
    const { child, said } = await contender();
    expect(said).toBe("held");
    await expect(lockSweep(folder)).rejects.toMatchObject({ code: "sweep-locked" });
    await expect(lockSweep(folder)).rejects.toThrow(
      new RegExp(`process ${child.pid} on ${hostname()} since \\d{4}-\\d\\d-\\d\\dT.*holder\\.ts`),
    );
    expect(await readLock(folder)).toMatchObject({ pid: child.pid, host: hostname() });
    expect(lockNames()).toHaveLength(1);
  });

  it("a released lock is free", async () => {
    const { child } = await contender();
    child.stdin?.end();
    await once(child, "exit");
    expect(await readLock(folder)).toBeUndefined();
    await (await lockSweep(folder)).release();
    expect(lockNames()).toEqual([]);
  });

  it("the lock of a killed process is taken over", async () => {
    const { child } = await contender();
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await readLock(folder)).toBeUndefined();
    const lock = await lockSweep(folder);
    expect(lockNames()).toHaveLength(1);
    await lock.release();
  });

  it("whoever takes it clears what killed processes left: shared locks and torn ones, not those of the living", async () => {
    const shared = { name: "using", excludes: ["collecting"] };
    const dead = { pid: 2 ** 22 + 1, host: hostname(), born: "1", command: "x", since: "2026-01-01T00:00:00Z" };
    writeFileSync(join(folder, "using-1-dead.lock"), JSON.stringify(dead));
    const torn = [`using-1-x.lock.${randomUUID()}.tmp`, `using-2-x.lock.${randomUUID()}.tmp`, "notes.tmp"];
    for (const name of torn) writeFileSync(join(folder, name), "");
    const hourAgo = Date.now() / 1000 - 3600;
    for (const name of [torn[0], torn[2]]) utimesSync(join(folder, name as string), hourAgo, hourAgo);
    const first = await tryLock(folder, shared);
    const second = await tryLock(folder, shared);
    expect(lockNames()).toHaveLength(2);
    expect(lockNames()).not.toContain("using-1-dead.lock");
    expect(
      readdirSync(folder)
        .filter((name) => name.endsWith(".tmp"))
        .sort(),
    ).toEqual(torn.slice(1).sort());
    for (const lock of [first, second]) if ("release" in lock) await lock.release();
    expect(lockNames()).toEqual([]);
  });

  it("locks of the dead are cleared in all folders below a store's", async () => {
    const lock = { host: hostname(), command: "x", since: "2026-01-01T00:00:00Z" };
    for (const name of ["a", "b"]) mkdirSync(join(folder, name));
    writeFileSync(join(folder, "a", "running-1-x.lock"), JSON.stringify({ ...lock, pid: 2 ** 22 + 1, born: "1" }));
    writeFileSync(join(folder, "b", "running-2-x.lock"), JSON.stringify({ ...lock, pid: process.pid, born: "" }));
    writeFileSync(join(folder, "b", "running-3-x.lock"), "torn");
    await clearDeadLocks(folder);
    expect(readdirSync(join(folder, "a"))).toEqual([]);
    expect(readdirSync(join(folder, "b")).sort()).toEqual(["running-2-x.lock", "running-3-x.lock"]);
  });

  it("of several that start together one holds it", async () => {
    const said = await Promise.all([contender(), contender(), contender()]);
    expect(said.filter((one) => one.said === "held")).toHaveLength(1);
  });
});

describe("within a process", () => {
  it("one holder, however many try at the same moment, also over a dead one's lock", async () => {
    for (let round = 0; round < 5; round++) {
      writeFileSync(
        join(folder, "running-1-dead.lock"),
        JSON.stringify({ pid: 2 ** 30, host: hostname(), born: "1", command: "", since: "" }),
      );
      const tried = await Promise.allSettled(Array.from({ length: 6 }, () => lockSweep(folder)));
      const held = tried.filter((result) => result.status === "fulfilled");
      expect(held).toHaveLength(1);
      for (const { value } of held) await value.release();
      expect(lockNames().filter((name) => name !== "running-1-dead.lock")).toEqual([]);
    }
  });

  it("a process with the same pid that began at another time is not the holder", async () => {
    writeFileSync(
      join(folder, "running-1-old.lock"),
      JSON.stringify({ pid: process.pid, host: hostname(), born: "1", command: "", since: "" }),
    );
    // Only Linux tells when a process began; elsewhere a reused pid is taken for the holder, on the safe side.
    if (process.platform === "linux") await (await lockSweep(folder)).release();
    else await expect(lockSweep(folder)).rejects.toMatchObject({ code: "sweep-locked" });
  });

  it("a holder on another host counts as alive, and the message names the file to remove", async () => {
    writeFileSync(
      join(folder, "running-9-far.lock"),
      JSON.stringify({ pid: 9, host: "elsewhere", born: "", command: "run x", since: "2026-01-01T00:00:00Z" }),
    );
    await expect(lockSweep(folder)).rejects.toThrow(
      /process 9 on elsewhere .*If that machine is gone, remove .*running-9-far\.lock/,
    );
  });

  it("who waits for a holder on another host is told which file to remove if that is gone", async () => {
    const path = join(folder, "running-9-far.lock");
    const far = { pid: 9, host: "elsewhere", born: "", command: "run x", since: "2026-01-01T00:00:00Z" };
    writeFileSync(path, JSON.stringify(far));
    const held = await readLock(folder);
    expect(held).toEqual({ ...far, path });
    const told: string[] = [];
    const stop = new AbortController();
    const waiting = waitForLock(folder, { signal: stop.signal, onWait: (holder) => told.push(holder) });
    while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(told).toEqual([
      `process 9 on elsewhere, since 2026-01-01T00:00:00Z (run x); elsewhere can't be asked from here: if that process is gone, remove ${path}`,
    ]);
    rmSync(path);
    await (await waiting).release();
  });

  it("a holder on this host is known to be alive: nothing is to be removed", () => {
    expect(ifHostIsGone({ host: hostname(), path: "x" })).toBe("");
  });

  it("a lock that cannot be read is not taken over in silence", async () => {
    writeFileSync(join(folder, "running-9-torn.lock"), '{"pid":');
    await expect(lockSweep(folder)).rejects.toThrow(/running-9-torn\.lock is a lock that cannot be read/);
  });

  it("a results folder that is a file is named", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    await expect(lockSweep(file)).rejects.toMatchObject({ code: "store", message: expect.stringContaining(file) });
  });
});
