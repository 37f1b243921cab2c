// What is left of a sweep in all: stages, time, memory against the device's, disk against what is free.
import { execFile } from "node:child_process";
import { totalmem } from "node:os";
import { promisify } from "node:util";
import type { StageCondition, StageState } from "../plan/states.ts";
import { Eta } from "../run/eta.ts";
import { freeBytes } from "../store/disk.ts";
import type { Io } from "./io.ts";
import type { StageEstimate } from "./planEstimate.ts";
import type { LoadedSweep } from "./sweep.ts";

export interface PlanTotals {
  /** Of the workers. */
  readonly flavour: "torch" | "mock";
  readonly stages: number;
  readonly states: Readonly<Record<StageCondition, number>>;
  /** Those that a run would make: stale ones anew; it stops at damaged ones. */
  readonly toDo: number;
  readonly time: {
    /** With all workers at work; stages of unknown time are not in it. */
    readonly seconds: number;
    readonly workers: number;
    /** Stages to do by where their time comes from. */
    readonly basis: Readonly<Record<StageEstimate["basis"], number>>;
    /** The rates that were assumed. */
    readonly assumptions: readonly string[];
  };
  /** Of the stage that takes most, in one worker; absent where no stage to do has a known need. */
  readonly memory?: { readonly stage: string; readonly usualBytes: number; readonly leastBytes: number };
  /** Of the device of one worker; absent where it is not known. */
  readonly deviceMemoryBytes?: number;
  /** `neededBytes`: what stays, and what the stages at work need beside it. */
  readonly disk: { readonly neededBytes: number; readonly freeBytes: number };
}

export async function planTotals(
  io: Io,
  sweep: LoadedSweep,
  states: readonly StageState[],
  estimates: ReadonlyMap<string, StageEstimate>,
): Promise<PlanTotals> {
  const { environment, config, storeRoot } = sweep;
  const counts = { cached: 0, stale: 0, damaged: 0, begun: 0, "to do": 0 };
  for (const { state } of states) counts[state]++;
  const left = states.flatMap(({ stage, state }) =>
    state !== "cached" && state !== "damaged" ? [{ stage, needs: estimates.get(stage.key) }] : [],
  );
  const deviceMemoryBytes = await deviceMemory(io, environment.device);
  const { count: workers } = config.file.workers;
  const heaviest = left.reduce<(typeof left)[number] | undefined>(
    (most, entry) => ((entry.needs?.usualMemoryBytes ?? 0) > (most?.needs?.usualMemoryBytes ?? 0) ? entry : most),
    undefined,
  );
  const needs = left.flatMap((entry) => entry.needs ?? []);
  // As many stages as there are workers need their passing room at the same time.
  const passing = needs.map(({ diskBytes, leftBytes }) => diskBytes - leftBytes).sort((a, b) => b - a);
  const stays = needs.reduce((sum, { leftBytes }) => sum + leftBytes, 0);
  const neededBytes = passing.slice(0, workers).reduce((sum, bytes) => sum + bytes, stays);
  return {
    flavour: environment.flavour,
    stages: states.length,
    states: counts,
    toDo: left.length,
    time: timeOf(left, workers, estimates),
    ...(heaviest?.needs === undefined
      ? {}
      : {
          memory: {
            stage: heaviest.stage.id,
            usualBytes: heaviest.needs.usualMemoryBytes,
            leastBytes: heaviest.needs.memoryBytes,
          },
        }),
    ...(deviceMemoryBytes === undefined ? {} : { deviceMemoryBytes }),
    disk: { neededBytes, freeBytes: await freeBytes(storeRoot) },
  };
}

function timeOf(
  left: readonly { readonly stage: StageState["stage"]; readonly needs: StageEstimate | undefined }[],
  workers: number,
  estimates: ReadonlyMap<string, StageEstimate>,
): PlanTotals["time"] {
  const basis = { "earlier stages": 0, "assumed rate": 0, nothing: 0 };
  const assumptions = new Set<string>();
  for (const { needs } of left) {
    basis[needs?.basis ?? "nothing"]++;
    if (needs?.basis === "assumed rate" && needs.assumption !== undefined) assumptions.add(needs.assumption);
  }
  const known = left.map(({ stage, needs }) => ({ stage, seconds: needs?.seconds ?? 0 }));
  const seconds = new Eta(estimates, workers).remaining(known) ?? 0;
  return { seconds, workers, basis, assumptions: [...assumptions] };
}

/** Bytes of the device that a worker computes on: the machine's for the CPU; undefined where the driver does not say. */
async function deviceMemory(io: Io, device: string): Promise<number | undefined> {
  // What a container may use; 0 or a huge number where there is no limit.
  const limit = process.constrainedMemory();
  if (device === "cpu") return limit > 0 ? Math.min(totalmem(), limit) : totalmem();
  const visible = (io.env.CUDA_VISIBLE_DEVICES ?? "").split(",")[0] ?? "";
  const chosen = visible === "" ? [] : ["-i", visible];
  const query = ["--query-gpu=memory.total", "--format=csv,noheader,nounits", ...chosen];
  try {
    const { stdout } = await promisify(execFile)("nvidia-smi", query, { timeout: 10_000 });
    const mebibytes = Number.parseInt(stdout, 10);
    return mebibytes > 0 ? mebibytes * 2 ** 20 : undefined;
  } catch {
    return undefined; // no driver here: the totals then say nothing of the device
  }
}
