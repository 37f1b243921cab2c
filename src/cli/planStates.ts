// What the store holds of a sweep, read once for `plan`, `why` and the estimates. Writes nothing.
import { mapBounded } from "../lib/bounded.ts";
import { UserError } from "../lib/errors.ts";
import type { Stage } from "../plan/plan.ts";
import { type StageState, stageStates } from "../plan/states.ts";
import { filesAtOnce, type Manifest, Store } from "../store/store.ts";
import type { LoadedSweep } from "./sweep.ts";

export interface SweepStates {
  /** In the order of the plan. */
  readonly states: readonly StageState[];
  /** All that the store holds of the kinds in the plan, also from other sweeps, by key. */
  readonly made: ReadonlyMap<string, Manifest>;
}

/** What was published in the sweep's store, by key; nothing where there is no store yet. Throws UserError("artefact-changed"). */
export async function readMade(sweep: LoadedSweep): Promise<ReadonlyMap<string, Manifest>> {
  const store = await Store.openExisting(sweep.storeRoot);
  const kinds = [...new Set(sweep.plan.stages.map(({ kind }) => kind))];
  const lists = await Promise.all(kinds.map((kind) => store?.list(kind) ?? []));
  return new Map(lists.flat().map((manifest) => [manifest.key, manifest]));
}

/** The state of every stage. Throws UserError("artefact-changed") naming a manifest that cannot be read. */
export async function readStates(sweep: LoadedSweep): Promise<SweepStates> {
  const made = await readMade(sweep);
  const damaged = new Map<string, string>();
  const begun = new Set<string>();
  const store = await Store.openExisting(sweep.storeRoot);
  const look = async ({ kind, key }: Stage) => {
    if (store === undefined) return;
    if (!made.has(key)) {
      if (await store.hasWork(kind, key)) begun.add(key);
      return;
    }
    try {
      await store.find(kind, key);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      damaged.set(key, error.message);
    }
  };
  await mapBounded(sweep.plan.stages, filesAtOnce, look);
  return { states: stageStates(sweep.plan, { made: [...made.values()], damaged, begun }), made };
}
