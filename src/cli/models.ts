// The published models that stages to be made start from: whether they can be had, before anything is made.
import { isAbsolute } from "node:path";
import { UserError } from "../lib/errors.ts";
import type { Stage } from "../plan/plan.ts";
import { checkModelAccess } from "../python/probe.ts";
import { mayStart, type RunScope } from "../run/select.ts";
import { findPython } from "../setup/environment.ts";
import type { Io } from "./io.ts";
import { modelPlace } from "./model.ts";
import { readStates } from "./planStates.ts";
import type { LoadedSweep } from "./sweep.ts";

interface PublishedModel {
  /** As the config names it. */
  readonly from: string;
  /** An absolute path where it is a directory. */
  readonly source: string;
  readonly revision: string | undefined;
  /** That start from it, of those with stages to be made. */
  readonly arms: readonly string[];
}

/** Throws UserError("model-not-found") for the first that stages in the scope need and that cannot be had or is not whole. */
export async function requireModels(io: Io, sweep: LoadedSweep, python: string, scope: RunScope): Promise<void> {
  const { config } = sweep;
  if (!config.arms.some(({ settings }) => "from" in settings.model)) return;
  const options = { timeoutMs: 120_000, root: io.root, env: io.env };
  for (const { arms, ...model } of await publishedModels(io, config, await stagesToMake(sweep, scope))) {
    const wrong = await checkModelAccess(python, model, options);
    if (wrong === undefined) continue;
    throw new UserError("model-not-found", `model.from: ${wrong}${ofArms(arms, config)}`);
  }
}

/** The stages that a run would make; all in the scope where the store cannot be read, which the stage concerned will tell. */
async function stagesToMake(sweep: LoadedSweep, scope: RunScope): Promise<Stage[]> {
  const { plan } = sweep;
  const toMake = (stages: readonly Stage[]) => {
    const keys = mayStart(plan, new Set(stages.map(({ key }) => key)), scope);
    return plan.stages.filter(({ key }) => keys.has(key));
  };
  try {
    const { states } = await readStates(sweep);
    return toMake(states.filter(({ state }) => state !== "cached").map(({ stage }) => stage));
  } catch (error) {
    if (error instanceof UserError) return toMake(plan.stages);
    throw error;
  }
}

/**
 * What a plan should say of those that `stages` need. Asks no network: a Hub id that is not in the cache is one that a run has to
 * fetch.
 */
export async function modelNotes(io: Io, sweep: LoadedSweep, stages: readonly Stage[]): Promise<string[]> {
  const { config, environment } = sweep;
  const configured = config.file.workers.python;
  const python = configured === "auto" ? findPython(io.env, io.root)?.python : configured;
  if (environment.flavour === "mock" || python === undefined) return [];
  const options = { timeoutMs: 60_000, root: io.root, env: { ...io.env, HF_HUB_OFFLINE: "1" } };
  const notes: string[] = [];
  for (const model of await publishedModels(io, config, stages)) {
    const wrong = await checkModelAccess(python, model, options);
    if (wrong === undefined) continue;
    const isFetched = !isAbsolute(model.source) && !isOffline(io.env.HF_HUB_OFFLINE);
    const advice = "a run fetches it from the Hub first; without a network give a directory (--set model.from=/path)";
    const note = isFetched ? `${model.from} is not in the local cache: ${advice}` : `a run would refuse it: ${wrong}`;
    notes.push(`${note}${ofArms(model.arms, config)}`);
  }
  return notes;
}

/** Arms that are named; more are counted. */
const armsNamed = 4;

/** Which arms start from a model, where others do not. */
function ofArms(arms: readonly string[], config: LoadedSweep["config"]): string {
  if (arms.length === config.arms.length) return "";
  const more = arms.length > armsNamed ? ` and ${arms.length - armsNamed} more` : "";
  return ` (arms ${arms.slice(0, armsNamed).join(", ")}${more}; --only runs others without them)`;
}

/** As huggingface_hub reads the variable. */
function isOffline(value: string | undefined): boolean {
  return ["1", "ON", "YES", "TRUE"].includes(value?.toUpperCase() ?? "");
}

async function publishedModels(io: Io, config: LoadedSweep["config"], stages: readonly Stage[]): Promise<PublishedModel[]> {
  // What decodes a trained model finds it in the store.
  const starting = stages.filter(({ kind, inputs }) => kind === "train" || (kind === "decode" && inputs.train === undefined));
  const names = new Set(starting.flatMap(({ arms }) => arms));
  const found = new Map<string, PublishedModel>();
  for (const { name, settings } of config.arms) {
    const { model } = settings;
    if (!("from" in model) || !names.has(name)) continue;
    const { from, revision } = model;
    const source = await modelPlace(io, from);
    const id = `${source}@${revision ?? ""}`;
    found.set(id, { from, source, revision, arms: [...(found.get(id)?.arms ?? []), name] });
  }
  return [...found.values()];
}
