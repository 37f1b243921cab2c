// What every stage of a sweep will need: times of earlier stages like it where the store has any, else the arithmetic of
// plan/estimate.ts on the arm's settings.

import { cpus } from "node:os";
import { testCount } from "../config/testSizes.ts";
import { mapBounded } from "../lib/bounded.ts";
import { canonicalJson, type Json } from "../lib/hash.ts";
import { attemptsBytes, expectedCompletions, problemBytes, usualExampleBytes, verdictBytes } from "../plan/estimate.ts";
import type { StageNeeds } from "../plan/needs.ts";
import { PastTimes } from "../plan/pastTime.ts";
import type { ArmPlan, Stage } from "../plan/plan.ts";
import type { Manifest } from "../store/store.ts";
import type { Io } from "./io.ts";
import { type ArmEstimate, ArmEstimator } from "./planArmEstimate.ts";
import { readMade } from "./planStates.ts";
import type { LoadedSweep } from "./sweep.ts";

export interface StageEstimate extends StageNeeds {
  /** What it takes where there is enough; `memoryBytes` is the least with which it can run. */
  readonly usualMemoryBytes: number;
  /** Of `diskBytes`, what stays when it is done. */
  readonly leftBytes: number;
  /** Where `seconds` comes from: stages like it that were made on such a machine, or what the device is assumed to do. */
  readonly basis: "earlier stages" | "assumed rate" | "nothing";
  /** "50% of 780 TFLOP/s", where a rate is assumed. */
  readonly assumption?: string;
}

export interface SweepEstimates {
  readonly stages: ReadonlyMap<string, StageEstimate>;
  /** Arms that differ in more than their seed, each with those of its kind and their common estimate. */
  readonly arms: readonly {
    readonly arm: ArmPlan;
    readonly alike: readonly string[];
    readonly estimate: ArmEstimate | undefined;
  }[];
}

/** By stage key; stages of which nothing is known are absent. Arms that differ in their seed alone share an estimate. */
export async function estimateStages(io: Io, sweep: LoadedSweep): Promise<ReadonlyMap<string, StageNeeds>> {
  return (await estimateSweep(io, sweep, await readMade(sweep))).stages;
}

/** `made`: what the store holds, by key. */
export async function estimateSweep(io: Io, sweep: LoadedSweep, made: ReadonlyMap<string, Manifest>): Promise<SweepEstimates> {
  const { plan, environment } = sweep;
  const past = new PastTimes(plan.stages, [...made.values()], {
    cpu: cpus()[0]?.model ?? "unknown",
    device: environment.device,
  });
  const arms = await estimateArms(io, sweep);
  const users = new Map(arms.flatMap((group) => group.alike.map((name) => [name, group] as const)));
  const stages = new Map<string, StageEstimate>();
  for (const stage of plan.stages) {
    // A shared stage runs as its first arm.
    const group = users.get(stage.arms[0] ?? "");
    if (group === undefined) continue;
    const needs = needsOf(stage, group.arm, environment.flavour === "mock" ? undefined : group.estimate);
    const earlier = past.seconds(stage);
    stages.set(stage.key, earlier === undefined ? needs : { ...needs, seconds: earlier, basis: "earlier stages" });
  }
  return { stages, arms };
}

async function estimateArms(io: Io, { plan, environment, config }: LoadedSweep): Promise<SweepEstimates["arms"]> {
  const { threads, gpus, ranks = Math.max(1, gpus ?? 1), deepspeed } = config.file.workers;
  const { device, dtype } = environment;
  const place = { cwd: io.cwd, device, dtype, threads, ranks, sharded: deepspeed !== undefined };
  const estimator = new ArmEstimator(place);
  const groups = new Map<string, { arm: ArmPlan; alike: string[] }>();
  for (const arm of plan.arms) {
    const { seed: _, ...rest } = arm.settings;
    const name = canonicalJson(JSON.parse(JSON.stringify(rest)) as Json);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { arm, alike: [arm.name] });
    else group.alike.push(arm.name);
  }
  // One at a time: what one arm drew, the next one uses.
  return mapBounded([...groups.values()], 1, async (group) => ({
    ...group,
    estimate: await estimator.estimate(group.arm.settings),
  }));
}

const nothing = { memoryBytes: 0, usualMemoryBytes: 0, seconds: undefined, basis: "nothing" } as const;

/** `estimate`: undefined for a model of which nothing is known, and for the mock worker, which needs next to nothing. */
function needsOf({ kind, policy = "" }: Stage, { settings }: ArmPlan, estimate: ArmEstimate | undefined): StageEstimate {
  const { test, train } = settings.data;
  const problems = testCount(settings.puzzle, test);
  const onDisk = (leftBytes: number, diskBytes = leftBytes) => ({ leftBytes, diskBytes });
  switch (kind) {
    case "problems":
      return { ...nothing, ...onDisk(problems * problemBytes) };
    case "dataset":
      return { ...nothing, ...onDisk(train.size * (estimate?.exampleBytes ?? usualExampleBytes)) };
    case "grade":
      return { ...nothing, ...onDisk(problems * verdictBytes) };
    case "train": {
      if (estimate?.train === undefined) return { ...nothing, ...onDisk(0) };
      const { least, memory, disk } = estimate.train;
      return {
        memoryBytes: least,
        usualMemoryBytes: memory.total,
        ...timeOf(estimate.train),
        ...onDisk(disk.left, disk.peak),
      };
    }
    case "decode": {
      const settingsOfPolicy = settings.decode[policy];
      const completions = problems * (settingsOfPolicy === undefined ? 1 : expectedCompletions(settingsOfPolicy));
      const work = estimate?.decode.work[policy];
      const bytes = attemptsBytes({ problems, completions, tokens: work?.tokens ?? 0 });
      // The journal of attempts goes when the artefact is there.
      const disk = onDisk(bytes, 2 * bytes);
      if (estimate === undefined || work === undefined) return { ...nothing, ...disk };
      const { least, total } = estimate.decode;
      return { memoryBytes: least, usualMemoryBytes: total, ...timeOf(work), ...disk };
    }
  }
}

function timeOf({ seconds, assumption }: { readonly seconds?: number; readonly assumption?: string }) {
  const assumed = assumption === undefined ? {} : { assumption };
  return { seconds, basis: seconds === undefined ? ("nothing" as const) : ("assumed rate" as const), ...assumed };
}
