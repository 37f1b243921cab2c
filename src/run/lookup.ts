// What of a plan is in the store already, looked up many at a time: a sweep of a thousand stages is found cached in a second.
import { mapBounded } from "../lib/bounded.ts";
import { UserError } from "../lib/errors.ts";
import type { Stage } from "../plan/plan.ts";
import { type Artefact, filesAtOnce, type Store } from "../store/store.ts";

export type Lookup =
  | { readonly stage: Stage; readonly artefact: Artefact | undefined }
  /** It is there and cannot be used as it is. */
  | { readonly stage: Stage; readonly error: UserError };

/** In the order of the stages. `clear` is told of finished stages whose work folder a crash has left behind. */
export async function lookUp(
  store: Store,
  stages: readonly Stage[],
  clear: (stage: Stage, found: Artefact) => Promise<unknown>,
): Promise<Lookup[]> {
  return mapBounded(stages, filesAtOnce, async (stage) => {
    try {
      const artefact = await findWhole(store, stage);
      // A crash between publishing and clearing leaves the work of a finished stage, checkpoints and all.
      if (artefact !== undefined && (await store.hasWork(stage.kind, stage.key))) await clear(stage, artefact);
      return { stage, artefact };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { stage, error };
    }
  });
}

/** A cached artefact; what goes straight into the summary is read whole, so that a figure changed by hand is not reported. */
async function findWhole(store: Store, stage: Stage): Promise<Artefact | undefined> {
  const found = await store.find(stage.kind, stage.key);
  if (found !== undefined && stage.kind !== "train" && stage.kind !== "decode") await store.verify(found);
  return found;
}
