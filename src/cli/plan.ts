// backtrail plan: what a run would do, why, and what it will take. Writes nothing.
import { testSizes } from "../config/testSizes.ts";
import { powerBefore } from "../evaluate/claims.ts";
import type { ExitCode, Io } from "./io.ts";
import { modelNotes } from "./models.ts";
import { armLines } from "./planArmLines.ts";
import { estimateSweep, type SweepEstimates } from "./planEstimate.ts";
import { readStates, type SweepStates } from "./planStates.ts";
import { matrixLines, reasonLines, stageLines, totalLines } from "./planTable.ts";
import { type PlanTotals, planTotals } from "./planTotals.ts";
import { workersNote } from "./runWorkers.ts";
import { type LoadedSweep, loadSweep, type SweepFlags } from "./sweep.ts";

export interface PlanFlags extends SweepFlags {
  /** List every stage, however many there are. */
  readonly stages: boolean;
}

/** Stages up to which each is listed without being asked for. */
const stagesShown = 60;

/** Throws UserError for anything wrong in the file, or a manifest in the store that cannot be read. */
export async function planCommand(io: Io, path: string, flags: PlanFlags): Promise<ExitCode> {
  const sweep = await loadSweep(io, path, flags);
  const found = await readStates(sweep);
  const estimates = await estimateSweep(io, sweep, found.made);
  const totals = await planTotals(io, sweep, found.states, estimates.stages);
  const workers = await workersNote(io, sweep);
  const refusal = workers === undefined ? [] : [`workers: a run here would refuse them: ${workers}`];
  const toMake = found.states.filter(({ state }) => state !== "cached").map(({ stage }) => stage);
  const notes = [...refusal, ...(await modelNotes(io, sweep, toMake)).map((note) => `model: ${note}`)];
  if (flags.json) io.out(`${JSON.stringify({ ...planJson(sweep, found, estimates, totals), notes }, null, 2)}\n`);
  else io.out(`${planText(sweep, found, { ...estimates, totals, notes }, flags.stages).join("\n")}\n`);
  return 0;
}

function planText(
  sweep: LoadedSweep,
  { states }: SweepStates,
  estimates: SweepEstimates & { readonly totals: PlanTotals; readonly notes: readonly string[] },
  all: boolean,
): string[] {
  const { config, plan, environment } = sweep;
  const { flavour, device, dtype } = environment;
  const variants = new Map(config.arms.map(({ name, coordinates }) => [name, String(coordinates.arm ?? name)]));
  const stages = all || states.length < stagesShown ? stageLines(states, estimates.stages) : reasonLines(states);
  return [
    `${config.file.name}: ${plan.arms.length} arms, ${states.length} stages`,
    `worker: ${flavour} on ${device} (${dtype}); store: ${config.file.store}`,
    "",
    ...matrixLines(plan, states, variants),
    "",
    ...(stages.length > 0 ? [...stages, ""] : []),
    ...totalLines(estimates.totals, config.file.store),
    ...estimates.notes,
    "",
    ...armLines(estimates.arms, environment),
    ...claimPowers(sweep).map(({ name, sentence }) => `claim ${name}: ${sentence}`),
  ];
}

function planJson(sweep: LoadedSweep, { states }: SweepStates, estimates: SweepEstimates, totals: PlanTotals) {
  const stages = states.map(({ stage, ...state }) => {
    const needs = estimates.stages.get(stage.key);
    return { ...stage, cached: state.state === "cached", ...state, ...(needs === undefined ? {} : { needs }) };
  });
  const needs = estimates.arms.map(({ arm, alike, estimate }) => ({ arm: arm.name, alike, needs: estimate }));
  const { plan, environment } = sweep;
  return { ...plan, environment, stages, needs, totals, claims: claimPowers(sweep) };
}

function claimPowers({ config }: LoadedSweep) {
  const settings = config.arms[0]?.settings;
  const sizes = settings === undefined ? {} : testSizes(settings.puzzle, settings.data.test);
  return Object.entries(config.file.claims).map(([name, claim]) => {
    return { name, ...powerBefore(claim, sizes[claim.on] ?? 0) };
  });
}
