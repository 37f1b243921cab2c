// backtrail plan: what a run would do. Writes nothing.
import { powerBefore } from "../evaluate/claims.ts";
import { canonicalJson, type Json } from "../lib/hash.ts";
import { explainDifference, nearestStage, type Plan, type Stage } from "../plan/plan.ts";
import { Store } from "../store/store.ts";
import type { ExitCode, Io } from "./io.ts";
import { type ArmEstimate, estimateArm, estimateLine } from "./planEstimate.ts";
import { type LoadedSweep, loadSweep, type SweepFlags } from "./sweep.ts";

interface StageState {
  readonly stage: Stage;
  readonly cached: boolean;
  readonly why: string;
}

export async function planCommand(io: Io, path: string, flags: SweepFlags): Promise<ExitCode> {
  const sweep = await loadSweep(io, path, flags);
  const states = await stageStates(sweep);
  const needs = await estimates(io, sweep);
  if (flags.json) {
    const claims = claimPowers(sweep);
    const stages = states.map(({ stage, cached, why }) => ({ ...stage, cached, why }));
    io.out(`${JSON.stringify({ ...sweep.plan, environment: sweep.environment, stages, needs, claims }, null, 2)}\n`);
    return 0;
  }
  const toDo = states.filter((state) => !state.cached).length;
  io.out(
    `${sweep.config.file.name}: ${sweep.plan.arms.length} arms, ${states.length} stages: ${states.length - toDo} cached, ${toDo} to do\n`,
  );
  io.out(
    `worker: ${sweep.environment.flavour} on ${sweep.environment.device} (${sweep.environment.dtype}); store: ${sweep.config.file.store}\n\n`,
  );
  const width = Math.max(...states.map(({ stage }) => stage.id.length));
  for (const { stage, cached, why } of states) {
    io.out(
      `  ${cached ? "cached" : "to do "}  ${stage.id.padEnd(width)}  ${stage.key.slice(0, 12)}${why === "" ? "" : `  ${why}`}\n`,
    );
  }
  io.out(`\n${budgets(sweep.plan)}`);
  for (const { arm, needs: found } of needs) io.out(estimateLine(arm, found, sweep.environment.device));
  for (const claim of claimPowers(sweep)) io.out(`claim ${claim.name}: ${claim.sentence}\n`);
  return 0;
}

/** Whether each stage is in the store; for one to do, what differs from the nearest cached or finished stage of its kind. */
async function stageStates(sweep: LoadedSweep): Promise<StageState[]> {
  const store = await Store.openExisting(sweep.storeRoot);
  const states: StageState[] = [];
  for (const stage of sweep.plan.stages) {
    const cached = (await store?.find(stage.kind, stage.key)) !== undefined;
    const nearest = cached ? undefined : nearestStage((await store?.list(stage.kind)) ?? [], stage.settings);
    const why = nearest === undefined ? "" : `differs from ${nearest.key.slice(0, 12)}: ${explainDifference(nearest, stage)}`;
    states.push({ stage, cached, why });
  }
  return states;
}

/** What each arm needs; arms that differ in their seed alone are told once. */
async function estimates(io: Io, { plan, environment, config }: LoadedSweep) {
  const told = new Set<string>();
  const found: { readonly arm: string; readonly needs: ArmEstimate | undefined }[] = [];
  const { device, dtype } = environment;
  const place = { cwd: io.cwd, device, dtype, threads: config.file.workers.threads };
  for (const { name, settings } of plan.arms) {
    const { seed: _, decode: __, ...rest } = settings;
    const key = canonicalJson(rest as unknown as Json);
    if (told.has(key)) continue;
    told.add(key);
    found.push({ arm: name, needs: await estimateArm(settings, place) });
  }
  return found;
}

function budgets(plan: Plan): string {
  const lines = plan.arms.flatMap(({ name, settings: { train, data } }) => {
    if (train === undefined) return [`arm ${name}: no training\n`];
    const perStep = train.batch.examples;
    const steps = train.steps ?? Math.ceil((train.epochs * data.train.size) / perStep);
    const epochs = ((steps * perStep) / data.train.size).toFixed(2);
    const problems = data.test.seen + data.test.unseen + data.test.dev;
    return [
      `arm ${name}: ${steps} steps of ${perStep} examples (${epochs} epochs of ${data.train.size}); ${problems} test problems\n`,
    ];
  });
  return lines.join("");
}

function claimPowers(sweep: LoadedSweep) {
  const settings = sweep.config.arms[0]?.settings;
  return Object.entries(sweep.config.file.claims).map(([name, claim]) => {
    const n = settings?.data.test[claim.on as "seen" | "unseen" | "dev"] ?? 0;
    return { name, ...powerBefore(claim, n) };
  });
}
