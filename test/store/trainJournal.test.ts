// The files of a training that may be killed at any moment: no step twice, a resume point that is really there.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openTrainJournal, type TrainFiles } from "../../src/store/trainJournal.ts";

let root: string;
let work: string;
let journal: TrainFiles;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "backtrail-journal-"));
  work = join(root, "work");
  mkdirSync(work);
  journal = await openTrainJournal(work, join(root, "out"));
});
afterEach(async () => {
  await journal.close();
  rmSync(root, { recursive: true, force: true });
});

const metrics = () => readFileSync(join(work, "metrics.jsonl"), "utf8");
const steps = () =>
  metrics()
    .split("\n")
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { step: number }).step);
const record = (step: number) => ({ step, loss: 1 / step });
async function appendSteps(from: number, to: number) {
  for (let step = from; step <= to; step++) await journal.append(record(step));
}
const pointAt = (step: number, path: string) => ({ step, path, tokens: 10, trainedTokens: 5, loss: 0.5 });

describe("metrics.jsonl", () => {
  it("holds the lines in order, byte for byte the same after a cut, and goes on behind it", async () => {
    await appendSteps(1, 6);
    const whole = metrics();
    await journal.cutAfter(4);
    expect(steps()).toEqual([1, 2, 3, 4]);
    expect(whole.startsWith(metrics())).toBe(true);
    await appendSteps(5, 6);
    await journal.sync();
    expect(metrics()).toBe(whole);
  });

  it("is emptied by a cut to 0, and left whole by a cut behind its end", async () => {
    await appendSteps(1, 3);
    await journal.cutAfter(9);
    expect(steps()).toEqual([1, 2, 3]);
    await journal.cutAfter(0);
    expect(metrics()).toBe("");
  });

  it.each(['{"step":3,"lo', '{"step":3}', "\u0000\u0000"])("loses a torn last line: %j", async (torn) => {
    await appendSteps(1, 2);
    await journal.close();
    appendFileSync(join(work, "metrics.jsonl"), torn);
    journal = await openTrainJournal(work, join(root, "out"));
    await journal.cutAfter(5);
    await appendSteps(3, 3);
    expect(steps()).toEqual([1, 2, 3]);
  });

  it("is refused with file and line when an inner line is broken, and stays as it is", async () => {
    writeFileSync(join(work, "metrics.jsonl"), '{"step":1}\nnonsense\n{"step":3}\n');
    const before = metrics();
    await expect(journal.cutAfter(3)).rejects.toMatchObject({
      code: "file",
      message: expect.stringMatching(/metrics\.jsonl:2: not JSON/),
    });
    expect(metrics()).toBe(before);
    await journal.append(record(4));
    expect(metrics()).toBe(`${before}${JSON.stringify(record(4))}\n`);
  });

  it.runIf(existsSync("/dev/full"))("on a full disk says so and names the file", async () => {
    await journal.close();
    rmSync(join(work, "metrics.jsonl"));
    symlinkSync("/dev/full", join(work, "metrics.jsonl"));
    journal = await openTrainJournal(work, join(root, "out"));
    await expect(journal.append(record(1))).rejects.toMatchObject({
      code: "store",
      message: expect.stringMatching(/metrics\.jsonl: the disk is full/),
    });
  });

  it("cannot be opened in a folder that is a file", async () => {
    writeFileSync(join(root, "file"), "");
    await expect(openTrainJournal(join(root, "file"), root)).rejects.toMatchObject({ code: "store" });
  });
});

describe("the resume point", () => {
  const checkpoint = async (step: number) => {
    const path = join(work, `checkpoint-${step}`);
    mkdirSync(path);
    writeFileSync(join(path, "model.safetensors"), `weights of step ${step}`);
    await journal.setLatest(pointAt(step, path));
    return path;
  };
  const checkpoints = () =>
    readdirSync(work)
      .filter((name) => name.startsWith("checkpoint-"))
      .sort();

  it("is the one last recorded; none at first, none when its checkpoint is gone", async () => {
    expect(await journal.latest()).toBeUndefined();
    const path = await checkpoint(2);
    expect(await journal.latest()).toEqual(pointAt(2, path));
    await journal.discard(path);
    expect(await journal.latest()).toBeUndefined();
  });

  it("may be recorded again with what memory has allowed since, and keeps the checkpoint before it", async () => {
    const older = await checkpoint(2);
    const newer = await checkpoint(4);
    const halved = { rows: 2, tokens: 512 };
    await journal.setLatest({ ...pointAt(4, newer), halved });
    expect(await journal.latest()).toEqual({ ...pointAt(4, newer), halved });
    await journal.setLatest({ ...pointAt(4, newer), halved: { rows: 1, tokens: undefined } });
    expect((await journal.latest())?.halved).toEqual({ rows: 1, tokens: undefined });
    rmSync(newer, { recursive: true });
    expect(await journal.latest()).toEqual(pointAt(2, older));
  });

  it("keeps the newest checkpoint and the one before it, and leaves alone a later one that is being written", async () => {
    for (const step of [2, 4, 6]) await checkpoint(step);
    expect(checkpoints()).toEqual(["checkpoint-4", "checkpoint-6"]);
    mkdirSync(join(work, "checkpoint-10"));
    mkdirSync(join(work, "checkpoint-12.partial-77"));
    await checkpoint(8);
    expect(checkpoints()).toEqual(["checkpoint-10", "checkpoint-12.partial-77", "checkpoint-6", "checkpoint-8"]);
  });

  it.each([
    ["cut short by a full disk", (path: string) => writeFileSync(join(path, "model.safetensors"), "weig")],
    ["that lacks a file", (path: string) => rmSync(join(path, "model.safetensors"))],
    ["that is gone", (path: string) => rmSync(path, { recursive: true })],
  ])("falls back on the one before when it meets a checkpoint %s, and replaces it", async (_, damage) => {
    const [older, newer] = [await checkpoint(2), await checkpoint(4)];
    damage(newer);
    expect(await journal.latest()).toEqual(pointAt(2, older));
    // As the loop does: it trains the steps again and saves to the same place.
    await journal.discard(newer);
    await checkpoint(4);
    expect(await journal.latest()).toEqual(pointAt(4, newer));
    expect(checkpoints()).toEqual(["checkpoint-2", "checkpoint-4"]);
    await checkpoint(6);
    expect(checkpoints()).toEqual(["checkpoint-4", "checkpoint-6"]);
  });

  it("does not count a damaged checkpoint among the two that are kept", async () => {
    const first = await checkpoint(2);
    const second = await checkpoint(4);
    rmSync(join(second, "model.safetensors"));
    await checkpoint(6);
    rmSync(join(work, "checkpoint-6"), { recursive: true });
    expect(await journal.latest()).toEqual(pointAt(2, first));
  });

  it("never takes a half-written checkpoint for one: what killed workers left is cleared when the journal is opened", async () => {
    await checkpoint(2);
    for (const left of ["checkpoint-4.partial-12", "checkpoint-4.12.tmp", "checkpoint-4.replaced-12"])
      mkdirSync(join(work, left));
    await journal.close();
    journal = await openTrainJournal(work, join(root, "out"));
    expect(checkpoints()).toEqual(["checkpoint-2"]);
    expect((await journal.latest())?.step).toBe(2);
  });

  it("is read from the record of version 0.1.0, which knew one checkpoint", async () => {
    mkdirSync(join(work, "checkpoint-2"));
    writeFileSync(join(work, "latest.json"), JSON.stringify(pointAt(2, "checkpoint-2")));
    expect(await journal.latest()).toEqual(pointAt(2, join(work, "checkpoint-2")));
  });

  it("that cannot be read is named, and no checkpoint goes", async () => {
    await checkpoint(2);
    writeFileSync(join(work, "latest.json"), "{");
    await expect(journal.latest()).rejects.toMatchObject({ code: "file", message: expect.stringContaining("latest.json") });
    await expect(checkpoint(4)).rejects.toMatchObject({ code: "file" });
    expect(checkpoints()).toEqual(["checkpoint-2", "checkpoint-4"]);
  });

  it("moves with the store", async () => {
    mkdirSync(join(work, "step-2"));
    await journal.setLatest(pointAt(2, join(work, "step-2")));
    await journal.close();
    const moved = join(root, "moved");
    renameSync(work, moved);
    journal = await openTrainJournal(moved, join(root, "out"));
    expect((await journal.latest())?.path).toBe(join(moved, "step-2"));
  });

  it("lies in the work directory, nowhere else", async () => {
    for (const path of [root, work, join(root, "workshop", "step-2"), join(work, "..", "out")]) {
      await expect(journal.setLatest(pointAt(2, path))).rejects.toThrow(/work directory/);
    }
    expect(await journal.latest()).toBeUndefined();
  });
});

describe("discard", () => {
  it("removes checkpoints of the training, and is content when there is none", async () => {
    for (const path of [join(work, "step-2"), join(root, "out")]) {
      mkdirSync(path);
      writeFileSync(join(path, "model.safetensors"), "");
      await journal.discard(path);
      expect(existsSync(path)).toBe(false);
      await journal.discard(path);
    }
  });

  it("refuses anything that is not the training's own", async () => {
    const workshop = join(root, "workshop");
    mkdirSync(workshop);
    for (const path of [root, work, workshop, join(work, "..", "workshop"), join(work, "step-2", "..", "..")]) {
      await expect(journal.discard(path)).rejects.toThrow(/refusing to remove/);
      expect(existsSync(path) || path.includes("step-2")).toBe(true);
    }
    expect(existsSync(workshop)).toBe(true);
    expect(metrics()).toBe("");
  });
});
