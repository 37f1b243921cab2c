// What of a plan is in the store already, looked up many at a time: a sweep of a thousand stages is found cached in a second.
import { mapBounded } from "../lib/bounded.ts";
import { UserError } from "../lib/errors.ts";
import type { Stage } from "../plan/plan.ts";
import { type Artefact, filesAtOnce, type Store } from "../store/store.ts";

interface Found {
  readonly stage: Stage;
  readonly artefact: Artefact;
}
/** It is there and cannot be used as it is. */
interface Broken {
  readonly stage: Stage;
  readonly error: UserError;
}
type Lookup = Broken | Found | { readonly stage: Stage; readonly artefact: undefined };

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

/**
 * Which of what was found stands. An artefact is stale when an input was made again since and came out different: it is made
 * anew, and what was made from it is looked at again then. Stages that are not in `only` stay as they are. `say` is told of
 * each stale one. `answers`: inputs before what needs them.
 */
export function sortLookups(
  answers: readonly Lookup[],
  only: ReadonlySet<string> | undefined,
  say: (text: string) => void,
): { readonly current: readonly Found[]; readonly broken: readonly Broken[] } {
  const current = new Map<string, Found>();
  const broken: Broken[] = [];
  const doubtful = new Set<string>();
  const artefacts = new Map<string, Artefact>();
  for (const answer of answers) {
    const { stage } = answer;
    if ("error" in answer) broken.push(answer);
    else if (answer.artefact !== undefined) {
      const { artefact } = answer;
      const role = only?.has(stage.key) === false ? undefined : changedInput(stage, artefact, artefacts);
      if (role !== undefined) say(`${stage.id}: stale, its ${role} was made again and came out different; it is made anew`);
      if (role !== undefined || Object.values(stage.inputs).some((key) => doubtful.has(key))) doubtful.add(stage.key);
      else current.set(stage.key, { stage, artefact });
      artefacts.set(stage.key, artefact);
    }
  }
  return { current: [...current.values()], broken };
}

/** The role of an input that is not what an artefact was made from; of inputs that are not there nobody knows. */
export function changedInput(
  { inputs }: Stage,
  { manifest }: Artefact,
  artefacts: ReadonlyMap<string, Artefact>,
): string | undefined {
  return Object.keys(inputs).find((role) => {
    const [then, now] = [manifest.inputDigests[role], artefacts.get(inputs[role] ?? "")?.manifest.digest];
    return then !== undefined && now !== undefined && then !== now;
  });
}

/** A cached artefact; what goes straight into the summary is read whole, so that a figure changed by hand is not reported. */
async function findWhole(store: Store, stage: Stage): Promise<Artefact | undefined> {
  const found = await store.find(stage.kind, stage.key);
  if (found !== undefined && stage.kind !== "train" && stage.kind !== "decode") await store.verify(found);
  return found;
}
