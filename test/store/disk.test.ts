// How much room there is, and what is left of a write that found none: on real disks of a few KiB.
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeDisk, freeBytes, watchDisk } from "../../src/store/disk.ts";
import { noSmallDisk, onSmallDisk } from "./smallDisk.ts";

const folder = mkdtempSync(join(tmpdir(), "backtrail-disk-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("freeBytes", () => {
  it("is what the user may write on the disk of a path, also of one that is not there yet", async () => {
    const { bavail, bsize } = statfsSync(folder);
    // Others write to the same disk meanwhile.
    const slack = 2 ** 30;
    expect(Math.abs((await freeBytes(folder)) - bavail * bsize)).toBeLessThan(slack);
    expect(Math.abs((await freeBytes(join(folder, "not", "there", "yet"))) - bavail * bsize)).toBeLessThan(slack);
  });

  it("describes the disk by its mount point", () => {
    expect(describeDisk(join("/proc", "self", "nowhere"))).toMatch(/^\/proc has /);
    expect(describeDisk(folder)).toMatch(/^\/\S* has .+ of .+ free$/);
  });
});

describe("watchDisk", () => {
  const lowOf = (floorBytes: number, times: number) =>
    new Promise<number[]>((resolve) => {
      const low: number[] = [];
      const watch = watchDisk(folder, { floorBytes, everyMs: 5, onLow: (free) => low.push(free) });
      let turns = 0;
      const timer = setInterval(() => {
        turns++;
        if (low.length === 0 && turns < times) return;
        if (turns < times + 4) return;
        clearInterval(timer);
        watch.stop();
        resolve(low);
      }, 10);
    });

  it("says once that less is free than the floor, and how much", async () => {
    const [free, ...more] = await lowOf(Number.MAX_SAFE_INTEGER, 5);
    expect(free).toBeGreaterThan(0);
    expect(more).toEqual([]);
  });

  it("says nothing while enough is free", async () => {
    expect(await lowOf(1, 5)).toEqual([]);
  });

  it("says nothing after it was stopped", async () => {
    const low: number[] = [];
    watchDisk(folder, { floorBytes: Number.MAX_SAFE_INTEGER, everyMs: 1, onLow: (free) => low.push(free) }).stop();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(low).toEqual([]);
  });
});

const obstacle = noSmallDisk();
describe.skipIf(obstacle !== undefined)(
  `a disk that runs full at every write${obstacle === undefined ? "" : ` (${obstacle})`}`,
  () => {
    interface Told {
      readonly pages: number;
      readonly told: string;
    }
    let found: {
      readonly published: readonly (Told & { readonly isFound: boolean; readonly work: readonly string[] })[];
      readonly replaced: readonly (Told & { readonly holds: string; readonly beside: readonly string[] })[];
      readonly journalled: readonly {
        readonly pages: number;
        readonly tellings: readonly string[];
        readonly kept: readonly unknown[];
      }[];
      readonly trained: { readonly told: string; readonly latest: number; readonly checkpoints: readonly string[] };
    };
    const refusal = (disk: string) =>
      new RegExp(`^UserError store: ${disk}/\\S+: the disk is full \\(${disk} has .+ of 2\\.0 MiB free\\)\\. Free space`);
    let disk: string;

    beforeAll(() => {
      disk = join(folder, "disk");
      mkdirSync(disk);
      found = onSmallDisk(new URL("./fixtures/fullDisk.ts", import.meta.url), disk, 2048) as typeof found;
    });

    it("publish: the whole artefact or none, no draft, and a sentence that names the disk", () => {
      for (const { pages, told, isFound, work } of found.published) {
        expect(work, `${pages} pages`).toEqual([]);
        expect(isFound).toBe(told === "done");
        if (told !== "done") expect(told).toMatch(refusal(disk));
      }
      expect(found.published[0]?.isFound).toBe(false);
      expect(found.published.at(-1)?.isFound).toBe(true);
    });

    it("writeAtomic: the new file or the old one, whole, and nothing beside it", () => {
      for (const { told, holds, beside } of found.replaced) {
        expect(holds).toBe(told === "done" ? "b 12288" : "a 4096");
        expect(beside).toEqual([]);
        if (told !== "done") expect(told).toMatch(refusal(disk));
      }
      expect(found.replaced.map(({ told }) => told === "done")).toEqual([false, false, false, true, true]);
    });

    it("a journal: whole lines up to the first that failed; the torn one is cut off when it is opened again", () => {
      for (const { tellings, kept } of found.journalled) {
        const whole = tellings.findIndex((told) => told !== "done");
        expect(tellings[whole]).toMatch(refusal(disk));
        expect(tellings.slice(whole).every((told) => told !== "done")).toBe(true);
        expect(kept).toEqual([...Array(whole).keys(), "after"]);
      }
      expect(found.journalled.map(({ kept }) => kept.length)).toEqual([1, 10, 30]);
    });

    it("a resume point: the one before stays, with its checkpoint", () => {
      expect(found.trained.told).toMatch(refusal(disk));
      expect(found.trained).toMatchObject({ latest: 2, checkpoints: ["checkpoint-2", "checkpoint-4"] });
    });
  },
);
