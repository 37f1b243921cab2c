// What a person sees while stages work: throttled lines, rates, time left, a board in place. The clock is the test's.
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

const esc = "\x1b";

function watched(isTerminal: boolean, size = { columns: 80, rows: 24 }) {
  const written: string[] = [];
  const clock = { now: 0 };
  const write = (text: string) => void written.push(text);
  const progress = new Progress({ isTerminal, now: () => clock.now, write, size: () => size });
  const at = (now: number, done: number, note?: string) => {
    clock.now = now;
    progress.update("train", { done, total: 100, unit: "steps", ...(note === undefined ? {} : { note }) });
  };
  return { written, progress, at, clock };
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
      "  empty: 0/0 problems (100%)\n",
    ]);
  });

  it("counts a long silence against the rate", () => {
    const { written, progress, at, clock } = watched(false);
    at(0, 0);
    at(10_000, 50);
    clock.now = 50_000;
    progress.tick();
    expect(written.at(-1)).toBe("  train: 50/100 steps (50%), 1.00/s, 10 s left\n");
  });

  it("says that a stage runs even while it reports nothing", () => {
    const { written, progress, clock } = watched(false);
    progress.begin("train");
    clock.now = 9_000;
    progress.tick();
    clock.now = 10_000;
    progress.tick();
    expect(written).toEqual(["  train: running for 10 s\n"]);
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

  it("writes no control characters and no board", () => {
    const { written, progress, at } = watched(false);
    progress.setOverview(() => ["sweep: 1/2 arms"]);
    for (let now = 0; now <= 20_000; now += 500) at(now, now / 500);
    progress.finish("train", "train: done");
    progress.close();
    for (const never of [esc, "\r", "sweep"]) expect(written.join("")).not.toContain(never);
  });
});

const controls = new RegExp(`(\r|\n|${esc}\\[\\d*[AJK])`);

/** What a terminal shows after these writes: only the sequences that Progress uses. */
function screen(written: readonly string[]): string[] {
  const lines: string[] = [""];
  let [row, column] = [0, 0];
  const put = (text: string) => {
    const line = (lines[row] ?? "").padEnd(column);
    lines[row] = line.slice(0, column) + text + line.slice(column + text.length);
    column += text.length;
  };
  for (const part of written.join("").split(controls)) {
    if (part === "\r") column = 0;
    else if (part === "\n") {
      row++;
      column = 0;
      lines[row] ??= "";
    } else if (part.endsWith("A") && part.startsWith("\x1b")) row -= Number(part.slice(2, -1));
    else if (part === "\x1b[K") lines[row] = (lines[row] ?? "").slice(0, column);
    else if (part === "\x1b[J") lines.splice(row, lines.length, (lines[row] ?? "").slice(0, column));
    else if (part !== "") put(part);
  }
  return lines;
}

describe("Progress on a terminal", () => {
  it("redraws its board in place twice a second, below what was said", () => {
    const { written, progress, at } = watched(true);
    progress.setOverview(() => ["sweep: 1/2 arms", "  worker-1  idle"]);
    at(0, 0);
    expect(written).toEqual([]);
    at(499, 10);
    at(500, 10);
    at(900, 20);
    expect(written).toHaveLength(1);
    progress.say("data: done");
    at(1000, 30);
    expect(screen(written)).toEqual([
      "data: done",
      "sweep: 1/2 arms",
      "  worker-1  idle",
      "  train: 30/100 steps (30%), 30/s, 2 s left",
    ]);
    progress.finish("train", "train: done");
    expect(screen(written)).toEqual(["data: done", "train: done", "sweep: 1/2 arms", "  worker-1  idle"]);
    progress.close();
    expect(screen(written)).toEqual(["data: done", "train: done", ""]);
  });

  it("never blanks the board before it is drawn again: that would flicker", () => {
    const { written, at } = watched(true);
    for (let now = 0; now <= 3000; now += 500) at(now, now / 100);
    for (const text of written.slice(1)) {
      expect(text.startsWith("\r  train")).toBe(true);
      expect(text.endsWith(`${esc}[K${esc}[J`)).toBe(true);
    }
  });

  it("keeps within the terminal: long lines are cut, stages beyond the room are counted", () => {
    const { written, progress, clock } = watched(true, { columns: 30, rows: 6 });
    progress.setOverview(() => ["sweep"]);
    for (let index = 1; index <= 9; index++)
      progress.update(`a stage with a long name ${index}`, { done: 1, total: 2, unit: "x" });
    clock.now = 600;
    progress.tick();
    const lines = screen(written);
    expect(lines).toHaveLength(4);
    expect(lines.at(-1)).toBe("  and 7 more");
    for (const line of lines) expect(line.length).toBeLessThan(30);
  });
});
