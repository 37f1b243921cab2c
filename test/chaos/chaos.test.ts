// The chaos suite in short: one seed, fewer faults. The long form is `npm run chaos`. And the harness itself: schedules replay,
// and the checks see what they are there to see.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { differences } from "./compare.ts";
import { recordFaults } from "./records.ts";
import { runRound } from "./round.ts";
import { type SweepName, scheduleOf } from "./schedule.ts";
import { foldersOf } from "./sweeps.ts";
import { runUndisturbed, type Undisturbed, whyNoTorch } from "./undisturbed.ts";

const seed = 7;
const noTorch = await whyNoTorch();
if (noTorch !== undefined) process.stderr.write(`chaos: no torch sweep: ${noTorch}\n`);
const sweeps: SweepName[] = noTorch === undefined ? ["mock", "torch"] : ["mock"];
const folder = mkdtempSync(join(tmpdir(), "btc-"));
let undisturbed: Undisturbed;

beforeAll(async () => {
  undisturbed = await runUndisturbed(folder, sweeps);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a schedule", () => {
  const sizes = { mock: 3000, torch: 300 };

  it("is a function of its seed", () => {
    expect(scheduleOf(seed, "long", sizes)).toEqual(scheduleOf(seed, "long", sizes));
    expect(scheduleOf(seed, "long", sizes)).not.toEqual(scheduleOf(seed + 1, "long", sizes));
  });

  it("holds every kind of fault, in order, where there is work to disturb", () => {
    const faults = scheduleOf(seed, "long", sizes);
    const kinds = ["kill-worker", "pause-worker", "hang-worker", "kill-coordinator", "pause-coordinator", "clock-jump"];
    const more = ["corrupt-from-workers", "corrupt-from-coordinator", "misbehave", "disk-full", "second-run"];
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set([...kinds, ...more]));
    const ats = faults.map(({ at }) => at);
    expect(ats).toEqual([...ats].sort((a, b) => a - b));
    for (const { at, sweep } of faults) {
      expect(at).toBeGreaterThan(0);
      expect(at).toBeLessThan(sizes[sweep]);
    }
  });
});

describe("sweeps under faults", () => {
  it("give the same results with 1, 2 and 4 workers, undisturbed", () => {
    expect(undisturbed.checks).toHaveLength(2);
    expect(undisturbed.checks.flatMap(({ faults }) => faults)).toEqual([]);
  });

  it(`lose nothing (seed ${seed})`, async () => {
    const said: string[] = [];
    const say = (text: string) => void said.push(text);
    const round = await runRound({ seed, form: "short", folder: join(folder, "r"), undisturbed, say });
    const failed = round.checks.filter(({ faults }) => faults.length > 0);
    expect(failed, `${said.join("\n")}\nReplay: npm run chaos -- --form short --seed ${seed}`).toEqual([]);
    for (const sweep of sweeps) {
      const { starts, faults, lapsed, workersLost } = round.sweeps[sweep] ?? expect.fail(`no report of ${sweep}`);
      expect(lapsed).toEqual([]);
      expect(starts).toBeGreaterThan(faults["kill-coordinator"] ?? 0);
      expect(workersLost).toBeGreaterThan(0);
    }
  });
});

describe("the checks", () => {
  const damaged = () => {
    const copy = mkdtempSync(join(folder, "copy-"));
    cpSync(undisturbed.place.folder, copy, { recursive: true });
    return foldersOf({ folder: copy, mark: "" }, "mock");
  };
  const stageOf = (kind: string) => {
    const stages = undisturbed.sweeps.mock?.stages ?? [];
    return { stages, stage: stages.find((stage) => stage.kind === kind) ?? expect.fail(`no ${kind} stage`) };
  };
  const edit = (path: string, change: (text: string) => string) => writeFileSync(path, change(readFileSync(path, "utf8")));

  it("see nothing in an untouched copy", () => {
    const { stages } = stageOf("decode");
    const [copy, calm] = [damaged(), foldersOf(undisturbed.place, "mock")];
    expect(recordFaults(copy.store, calm.store, stages)).toEqual([]);
    expect(differences(copy, calm, stages, "mock")).toEqual([]);
  });

  it("see an attempt that is missing and one that is there twice", () => {
    const { stages, stage } = stageOf("decode");
    const [copy, calm] = [damaged(), foldersOf(undisturbed.place, "mock")];
    edit(join(copy.store, "decode", stage.key, "attempts.jsonl"), (text) => {
      const [first = "", , ...rest] = text.split("\n");
      return [first, first, ...rest].join("\n");
    });
    const faults = recordFaults(copy.store, calm.store, stages);
    expect(faults.join("\n")).toMatch(/recorded twice: .*\n.*not recorded: /);
  });

  it("see one changed verdict and one changed number of the summary", () => {
    const { stages, stage } = stageOf("grade");
    const [copy, calm] = [damaged(), foldersOf(undisturbed.place, "mock")];
    edit(join(copy.store, "grade", stage.key, "verdicts.jsonl"), (text) => text.replace('"solved":', '"Solved":'));
    edit(join(copy.results, "summary.json"), (text) => text.replace(/"solved": \d+/, '"solved": -1'));
    const found = differences(copy, calm, stages, "mock");
    expect(found.map((line) => line.split(":")[0])).toEqual(["summary.json", `verdicts of ${stage.id}`]);
  });
});
