// backtrail plan on stores filled with real artefacts: what is cached, why the rest is to do, what it will take.
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { planCommand } from "../../src/cli/plan.ts";
import { totalLines } from "../../src/cli/planTable.ts";
import type { PlanTotals } from "../../src/cli/planTotals.ts";
import { loadSweep } from "../../src/cli/sweep.ts";
import { UserError } from "../../src/lib/errors.ts";
import { Store } from "../../src/store/store.ts";
import { config, flagsOf, type Place, place, publishAll } from "./planSweeps.ts";

const stageCount = 13;

async function planOf(at: Place, ...set: string[]): Promise<string> {
  expect(await planCommand(at.io, "tiny.yaml", flagsOf(...set))).toBe(0);
  return at.told();
}

interface PlanJson {
  readonly stages: readonly {
    readonly id: string;
    readonly state: string;
    readonly cached: boolean;
    readonly why: string;
    readonly needs: { readonly seconds: number; readonly basis: string };
  }[];
  readonly totals: PlanTotals;
}

async function jsonOf(at: Place, ...set: string[]): Promise<PlanJson> {
  expect(await planCommand(at.io, "tiny.yaml", { ...flagsOf(...set), json: true })).toBe(0);
  return JSON.parse(at.told()) as PlanJson;
}

const lineOf = (text: string, id: string) => text.split("\n").find((line) => line.includes(`  ${id} `)) ?? "";

describe("plan", () => {
  it("of a sweep that never ran: all to do, and nothing is written, not even a store", async () => {
    const at = place();
    const text = await planOf(at);
    expect(text).toContain(`0 of ${stageCount} stages cached, ${stageCount} to do`);
    expect(lineOf(text, "train base")).toMatch(/^to do {2}train base .*never made$/);
    expect(text).toMatch(
      /arm {5}problems {2}dataset {2}train {2}decode {3}grade\nbase {4}to do {5}to do {4}to do {2}2 to do {2}2 to do/,
    );
    expect(text).toMatch(/direct {2}shared {4}to do {4}to do {2}2 to do {2}2 to do/);
    expect(readdirSync(at.folder)).toEqual(["tiny.yaml"]);
  });

  it("finds what was made, says what differs elsewhere, and takes times from what was made", async () => {
    const at = place();
    await publishAll(at);
    const before = readdirSync(at.folder, { recursive: true });
    expect(await planOf(at)).toContain(`${stageCount} of ${stageCount} stages cached, 0 to do`);
    const text = await planOf(at, "data.train.size=200", "decode.b1.temperature=0.9");
    expect(text).toMatch(/^base {4}cached {4}to do/m);
    expect(lineOf(text, "problems base")).toMatch(/^cached/);
    expect(lineOf(text, "data base")).toContain("data.train.size 100 -> 200 (nearest ");
    // Each took 10 s: twice the examples make twice the time, as many steps the same.
    expect(lineOf(text, "data base")).toContain("~20 s");
    expect(lineOf(text, "train base")).toMatch(/~10 s .*its dataset differs: data.train.size 100 -> 200/);
    expect(lineOf(text, "grade direct/b1")).toContain("its decode differs: decode.b1.temperature 0.7 -> 0.9");
    // On one worker: two trainings and four decodings.
    expect(text).toMatch(/12 to do\ntime: about 1 min 00 s with 1 worker \(12 as long as stages like them took\)/);
    expect(readdirSync(at.folder, { recursive: true })).toEqual(before);
  });

  it("tells the same to programs", async () => {
    const at = place();
    await publishAll(at);
    const { stages, totals } = await jsonOf(at, "train.steps=40");
    const train = stages.find(({ id }) => id === "train base");
    expect(train).toMatchObject({ state: "to do", cached: false, why: "train.steps 20 -> 40" });
    expect(train?.needs.seconds).toBeGreaterThan(19.9);
    expect(train?.needs).toMatchObject({ basis: "earlier stages" });
    expect(stages.find(({ id }) => id === "data base")).toMatchObject({ state: "cached", cached: true, why: "" });
    expect(totals).toMatchObject({ stages: stageCount, toDo: 10, states: { cached: 3, "to do": 10 } });
    expect(totals.disk.freeBytes).toBeGreaterThan(0);
  });

  it("names what is damaged, what is begun, and what was made from another input than is there now", async () => {
    const at = place();
    const { plan, storeRoot } = await publishAll(at);
    const keyOf = (id: string) => plan.stages.find((stage) => stage.id === id)?.key ?? "";
    // The dataset is lost, and made again with other contents: as on a machine whose code made other bytes.
    const data = keyOf("data base");
    const store = await Store.open(storeRoot);
    const lost = await store.find("dataset", data);
    if (lost === undefined) throw new Error("no dataset");
    rmSync(lost.directory, { recursive: true });
    const { settings, code, machine } = lost.manifest;
    await store.publish("dataset", data, { settings, code, machine, inputs: {} }, async (directory) => {
      writeFileSync(join(directory, "made.txt"), "other bytes");
      return {};
    });
    rmSync(join(storeRoot, "train", keyOf("train direct"), "made.txt"));
    rmSync(join(storeRoot, "decode", keyOf("decode direct/b1")), { recursive: true });
    await store.workDirectory("decode", keyOf("decode direct/b1"));
    const text = await planOf(at);
    expect(lineOf(text, "train base")).toMatch(
      /^stale .*made from another dataset \(its contents were [0-9a-f]{12}, now they are [0-9a-f]{12}\): a run makes it anew/,
    );
    expect(lineOf(text, "train direct")).toMatch(/^damaged .*made\.txt: is gone/);
    expect(lineOf(text, "decode direct/b1")).toMatch(/^begun /);
    expect(text).toContain(`10 of ${stageCount} stages cached, 2 to do (1 begun, 1 stale), 1 damaged`);
  });

  it("keeps a sweep of hundreds of arms on a screen, and lists every stage when asked", async () => {
    const at = place(config.replace("{arms:", "{seeds: 100, arms:"));
    const text = await planOf(at);
    expect(text).toMatch(/^tiny: 200 arms, 1300 stages$/m);
    expect(text).toMatch(/^base\/seed=1 and 99 more alike {4}to do {5}to do {4}to do {2}2 to do {2}2 to do$/m);
    expect(text).toMatch(/^direct\/seed=1 and 99 more alike {2}shared {4}to do/m);
    expect(text).toMatch(/^100 problems {2}never made$/m);
    expect(text.split("\n").length).toBeLessThan(30);
    await planCommand(at.io, "tiny.yaml", { ...flagsOf(), stages: true });
    expect(
      at
        .told()
        .split("\n")
        .filter((line) => line.startsWith("to do")).length,
    ).toBe(1300);
  });

  it("refuses a manifest that cannot be read, naming it", async () => {
    const at = place();
    const { plan, storeRoot } = await publishAll(at);
    const [first] = plan.stages;
    writeFileSync(join(storeRoot, "problems", first?.key ?? "", "manifest.json"), "{");
    await expect(planOf(at)).rejects.toThrow(UserError);
    await expect(planOf(at)).rejects.toThrow(/problems.*manifest\.json: is not JSON any more/);
  });

  // What a person waits for; measured figures are in the bench and far below. Other tests run at the same time.
  it("takes a moment for 1,000 stages beside 500 earlier ones", { timeout: 60_000 }, async () => {
    const at = place(config.replace("{arms:", "{seeds: 41, arms:").replace("seed: 1\n", "seed: 500\n"));
    await publishAll(at);
    writeFileSync(join(at.folder, "tiny.yaml"), config.replace("{arms:", "{seeds: 84, arms:"));
    expect((await loadSweep(at.io, "tiny.yaml", flagsOf())).plan.stages.length).toBeGreaterThan(1000);
    const begun = performance.now();
    expect(await planOf(at)).toMatch(/168 dataset {2}seed 540 -> 1 \(and 83 other values\)/);
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});

describe("the totals", () => {
  const GiB = 2 ** 30;
  const totals: PlanTotals = {
    flavour: "torch",
    stages: 9,
    states: { cached: 3, stale: 0, damaged: 0, begun: 1, "to do": 5 },
    toDo: 6,
    time: {
      seconds: 3700,
      workers: 2,
      basis: { "earlier stages": 2, "assumed rate": 3, nothing: 1 },
      assumptions: ["50% of 780 TFLOP/s"],
    },
    memory: { stage: "train a", usualBytes: 100 * GiB, leastBytes: 30 * GiB },
    deviceMemoryBytes: 140 * GiB,
    disk: { neededBytes: 40 * GiB, freeBytes: 100 * GiB },
  };

  it("say what is known, from where, and against what there is", () => {
    expect(totalLines(totals, "results/.store")).toEqual([
      "3 of 9 stages cached, 6 to do (1 begun)",
      "time: about 1 h 01 min with 2 workers (2 as long as stages like them took, 3 at assumed rates: 50% of 780 TFLOP/s, 1 of unknown time, not counted)",
      "memory: about 100 GiB in one worker (train a), at least 30.0 GiB; the device has 140 GiB",
      "disk: about 40.0 GiB needed, 100 GiB free at results/.store",
    ]);
  });

  it.each<[string, Partial<PlanTotals>, RegExp]>([
    ["too little disk", { disk: { neededBytes: 2 * GiB, freeBytes: GiB } }, /free at s: NOT ENOUGH\. Free some/],
    ["smaller passes", { deviceMemoryBytes: 80 * GiB }, /it will run in smaller passes/],
    ["too little memory", { deviceMemoryBytes: 20 * GiB }, /has 20\.0 GiB: TOO LITTLE, the stage would be refused/],
    [
      "nothing known of the time",
      { time: { ...totals.time, basis: { "earlier stages": 0, "assumed rate": 0, nothing: 6 } } },
      /time: unknown with 2 workers \(6 of unknown time/,
    ],
  ])("warn of %s", (_, change, expected) => {
    expect(totalLines({ ...totals, ...change }, "s").join("\n")).toMatch(expected);
  });
});
