// Nothing outlives a coordinator that was killed with SIGKILL, not even a worker that cannot notice it.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startReaper } from "../../src/worker/reaper.ts";
import { alive, startCoordinator, temporaryDirectory, until } from "./helpers.ts";

function childrenOf(pid: number): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const fields = readFileSync(`/proc/${name}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      return Number(fields[1]) === pid ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

describe("SIGKILL of the coordinator", { timeout: 30_000 }, () => {
  it("ends its workers, one of them stopped, and the reaper itself, and removes the folder of its socket", async () => {
    const { child, workers, folders } = await startCoordinator("mock");
    const family = childrenOf(child.pid as number);
    expect(family).toEqual(expect.arrayContaining(workers));
    // Beside the workers: the reaper (and the compiler that tsx keeps).
    expect(family.length).toBeGreaterThanOrEqual(3);
    expect(folders()).toHaveLength(1);
    process.kill(workers[0] as number, "SIGSTOP");
    child.kill("SIGKILL");
    await until(() => !family.some(alive));
    expect(family.filter(alive)).toEqual([]);
    expect(folders()).toEqual([]);
  });
});

describe("the reaper", { timeout: 10_000 }, () => {
  it("kills the groups that are registered when its input ends, with all their members, and no others, and removes the folders", async () => {
    const shells = ["sleep 60 & sleep 60", "sleep 60"].map((line) =>
      spawn("/bin/sh", ["-c", line], { detached: true, stdio: "ignore" }),
    );
    const [doomed, spared] = shells.map(({ pid }) => pid as number) as [number, number];
    await until(() => childrenOf(doomed).length === 2);
    const members = childrenOf(doomed);
    const reaper = startReaper();
    reaper.add(doomed);
    reaper.add(spared);
    reaper.remove(spared);
    const folder = join(temporaryDirectory(), "with a blank");
    mkdirSync(folder);
    writeFileSync(join(folder, "coordinator.sock"), "");
    reaper.remember(folder);
    await reaper.close();
    expect(existsSync(folder)).toBe(false);
    await until(() => ![doomed, ...members].some(alive));
    expect(alive(spared)).toBe(true);
    process.kill(-spared, "SIGKILL");
  });
});
