// backtrail why: the story of one stage. Writes nothing.
import { resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import type { Plan, Stage } from "../plan/plan.ts";
import { namedStages } from "../run/select.ts";
import { readRunState } from "../store/runState.ts";
import { Store } from "../store/store.ts";
import type { ExitCode, Io } from "./io.ts";
import { estimateSweep } from "./planEstimate.ts";
import { readStates } from "./planStates.ts";
import { loadSweep, type SweepFlags } from "./sweep.ts";
import { type StageStory, storyJson, storyLines } from "./whyLines.ts";

export interface WhyFlags extends SweepFlags {
  /** Where results/<name>/ is: the failures of the last run are there. */
  readonly results: string;
}

/** The characters of a key that are enough to be taken for one. */
const keyPattern = /^[0-9a-f]{6,64}$/;

/**
 * Prints state, key, what goes into it and, for a stage to do, all that differs from the nearest one made earlier. `stage`: an
 * id ("train direct"), an arm's policy ("direct/b1": its decoding and its grading), or the beginning of a key. Throws
 * UserError("no-such-stage") or ("ambiguous-stage") with the nearest names.
 */
export async function whyCommand(io: Io, path: string, stage: string, flags: WhyFlags): Promise<ExitCode> {
  const sweep = await loadSweep(io, path, flags);
  const chosen = chooseStages(sweep.plan, stage);
  const { states, made } = await readStates(sweep);
  const estimates = await estimateSweep(io, sweep, made);
  const lastRun = await readRunState(resolve(io.cwd, flags.results, sweep.folder));
  const store = await Store.openExisting(sweep.storeRoot);
  const byKey = new Map(states.map((state) => [state.stage.key, state]));
  const stories: StageStory[] = [];
  for (const { kind, key } of chosen) {
    const state = byKey.get(key);
    if (state === undefined) continue;
    const failure = lastRun?.failures.find((failed) => failed.key === key);
    const holder = state.state === "cached" ? undefined : await store?.holder(kind, key);
    const nearest = state.nearest === undefined ? undefined : made.get(state.nearest);
    const found = { state, made: made.get(key), nearest, estimate: estimates.stages.get(key) };
    stories.push({ ...found, holder, failure: state.state === "cached" ? undefined : failure, states: byKey });
  }
  if (flags.json) io.out(`${JSON.stringify({ stages: stories.map(storyJson) }, null, 2)}\n`);
  else io.out(`${stories.map((story) => storyLines(story).join("\n")).join("\n\n")}\n`);
  return 0;
}

/** In the order of the plan: one stage, or the decoding and the grading of a policy. */
function chooseStages(plan: Plan, name: string): readonly Stage[] {
  const byKey = keyPattern.test(name) ? plan.stages.filter(({ key }) => key.startsWith(name)) : [];
  if (byKey.length > 1) throw ambiguous(name, byKey, "more characters of its key");
  if (byKey.length === 1) return byKey;
  const keys = namedStages(plan, [name], "stage");
  const found = plan.stages.filter(({ key }) => keys.has(key));
  const isOnePolicy = found.length === 2 && found[1]?.kind === "grade" && found[1].inputs.decode === found[0]?.key;
  if (found.length > 1 && !isOnePolicy) throw ambiguous(name, found, "the name of one of them");
  return found;
}

const namesShown = 8;

function ambiguous(name: string, stages: readonly Stage[], give: string): UserError {
  const names = stages.slice(0, namesShown).map(({ id, key }) => `${JSON.stringify(id)} (${key.slice(0, 12)})`);
  const more = stages.length > namesShown ? ` and ${stages.length - namesShown} more` : "";
  return new UserError(
    "ambiguous-stage",
    `stage ${JSON.stringify(name)} means ${stages.length} stages: ${names.join(", ")}${more}. Give ${give}.`,
  );
}
