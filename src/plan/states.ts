// What a run would do with each stage of a plan, and why. Pure: what the store holds is passed in.
import { type Difference, differenceText, type EarlierStage, History } from "./difference.ts";
import type { Plan, Stage } from "./plan.ts";

/** A published artefact, as its manifest tells it. */
export interface Made extends EarlierStage {
  /** Of its files. */
  readonly digest: string;
  /** Role -> digest of the input's files when it was read. */
  readonly inputDigests: Readonly<Record<string, string>>;
}

/** What the store holds. */
export interface Holdings {
  /** All that was published, of every kind that the plan has. */
  readonly made: readonly Made[];
  /** Key -> what is wrong with an artefact whose files are not those of its manifest. */
  readonly damaged: ReadonlyMap<string, string>;
  /** Keys of stages that were begun and not finished. */
  readonly begun: ReadonlySet<string>;
}

/**
 * - cached: in the store, whole, and made from the inputs that are there now;
 * - stale: in the store, but an input was made again since and came out different; a run makes it anew;
 * - damaged: in the store, but files were changed or lost; a run refuses it;
 * - begun: not finished; a run goes on from where it stopped;
 * - to do.
 */
export type StageCondition = "cached" | "stale" | "damaged" | "begun" | "to do";

export interface StageState {
  readonly stage: Stage;
  readonly state: StageCondition;
  /** One line; empty for a cached stage. */
  readonly why: string;
  /** Key of the earlier stage that a stage to do is compared with. */
  readonly nearest?: string;
  /** All that differs from it; the line tells the first. */
  readonly differences: readonly Difference[];
}

/** In the order of the plan. */
export function stageStates(plan: Plan, { made, damaged, begun }: Holdings): StageState[] {
  const byKey = new Map(made.map((artefact) => [artefact.key, artefact]));
  const history = new History(plan.stages, made);
  return plan.stages.map((stage) => {
    const broken = damaged.get(stage.key);
    if (broken !== undefined) return { stage, state: "damaged", why: broken, differences: [] };
    const own = byKey.get(stage.key);
    if (own === undefined) return missing(stage, history, begun.has(stage.key));
    const changed = Object.entries(stage.inputs).find(([role, key]) => {
      const [then, now] = [own.inputDigests[role], byKey.get(key)?.digest];
      return then !== undefined && now !== undefined && then !== now;
    });
    if (changed === undefined) return { stage, state: "cached", why: "", differences: [] };
    const [role, key] = changed;
    const then = short(own.inputDigests[role]);
    const now = short(byKey.get(key)?.digest);
    const why = `made from another ${role} (its contents were ${then}, now they are ${now}): a run makes it anew`;
    return { stage, state: "stale", why, differences: [] };
  });
}

function missing(stage: Stage, history: History, isBegun: boolean): StageState {
  const state = isBegun ? "begun" : "to do";
  const earlier = history.nearest(stage);
  if (earlier === undefined) return { stage, state, why: "never made", differences: [] };
  const differences = history.differences(stage, earlier);
  const [first = ""] = differences.map(differenceText);
  return { stage, state, why: first, nearest: earlier.key, differences };
}

function short(digest: string | undefined): string {
  return digest?.slice(0, 12) ?? "unknown";
}
