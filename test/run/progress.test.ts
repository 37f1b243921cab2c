// What a person sees while a run works: throttled lines, rates, time left. The clock is the test's.
import { describe, expect, it } from "vitest";
import { formatDuration, Progress } from "../../src/run/progress.ts";

describe("formatDuration", () => {
  it.each([
    [-3, "0 s"],
    [0.4, "0 s"],
    [48, "48 s"],
    [59.4, "59 s"],
    [59.6, "1 min 00 s"],
    [200, "3 min 20 s"],
    [3599.7, "1 h 00 min"],
    [7505, "2 h 05 min"],
    [100 * 3600, "100 h 00 min"],
  ])("%d seconds are %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

function watched(isTerminal: boolean) {
  const written: string[] = [];
  const clock = { now: 0 };
  const progress = new Progress({ isTerminal, now: () => clock.now, write: (text) => void written.push(text) });
  const at = (now: number, done: number, note?: string) => {
    clock.now = now;
    progress.update("train", { done, total: 100, unit: "steps", ...(note === undefined ? {} : { note }) });
  };
  return { written, progress, at };
}

describe("Progress where nobody looks (a log, CI)", () => {
  it("writes a line every ten seconds, however often a stage reports", () => {
    const { written, at } = watched(false);
    for (let now = 0; now <= 25_000; now += 100) at(now, now / 500);
    expect(written).toEqual([
      "  train: 20/100 steps (20%), 2.00/s, 40 s left\n",
      "  train: 40/100 steps (40%), 2.00/s, 30 s left\n",
    ]);
  });

  it("measures the rate of this run: what an earlier run had done is not counted", () => {
    const { written, at } = watched(false);
    at(0, 60);
    at(10_000, 70, "loss 0.5");
    expect(written).toEqual(["  train: 70/100 steps (70%), 1.00/s, 30 s left, loss 0.5\n"]);
  });

  it("promises no end when nothing moves, and divides by no zero", () => {
    const { written, progress, at } = watched(false);
    at(0, 5);
    at(10_000, 5);
    progress.update("empty", { done: 0, total: 0, unit: "problems" });
    at(20_000, 5);
    progress.update("empty", { done: 0, total: 0, unit: "problems" });
    expect(written).toEqual([
      "  train: 5/100 steps (5%), 0.00/s\n",
      "  train: 5/100 steps (5%), 0.00/s\n",
      "  empty: 0/0 problems (100%), 0.00/s\n",
    ]);
  });

  it("gives each stage its own clock, and a new one after it has ended", () => {
    const { written, progress, at } = watched(false);
    at(0, 0);
    at(9_000, 90);
    progress.finish("train", "train: done");
    at(10_000, 0);
    at(19_000, 9);
    at(20_000, 10);
    expect(written).toEqual(["train: done\n", "  train: 10/100 steps (10%), 1.00/s, 1 min 30 s left\n"]);
  });
});

describe("Progress on a terminal", () => {
  it("rewrites one line twice a second and clears it before a sentence", () => {
    const { written, progress, at } = watched(true);
    at(0, 0);
    at(499, 10);
    at(500, 10);
    at(900, 20);
    progress.say("train: done");
    progress.say("next");
    expect(written).toEqual(["\r\x1b[K  train: 10/100 steps (10%), 20/s, 5 s left", "\r\x1b[K", "train: done\n", "next\n"]);
  });
});
