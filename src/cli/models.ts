// The published models that a sweep's arms start from: whether they can be had, before anything is made.
import { isAbsolute } from "node:path";
import { UserError } from "../lib/errors.ts";
import { checkModelAccess } from "../python/probe.ts";
import { findPython } from "../setup/environment.ts";
import type { Io } from "./io.ts";
import { modelPlace } from "./model.ts";
import type { LoadedSweep } from "./sweep.ts";

interface PublishedModel {
  /** As the config names it. */
  readonly from: string;
  /** An absolute path where it is a directory. */
  readonly source: string;
  readonly revision: string | undefined;
}

/** Throws UserError("model-not-found") for the first that cannot be had or is not whole. */
export async function requireModels(io: Io, { config }: LoadedSweep, python: string): Promise<void> {
  const options = { timeoutMs: 120_000, root: io.root, env: io.env };
  for (const model of await publishedModels(io, config)) {
    const wrong = await checkModelAccess(python, model, options);
    if (wrong !== undefined) throw new UserError("model-not-found", `model.from: ${wrong}`);
  }
}

/** What a plan should say of them. Asks no network: a Hub id that is not in the cache is one that a run has to fetch. */
export async function modelNotes(io: Io, { config, environment }: LoadedSweep): Promise<string[]> {
  const configured = config.file.workers.python;
  const python = configured === "auto" ? findPython(io.env, io.root)?.python : configured;
  if (environment.flavour === "mock" || python === undefined) return [];
  const options = { timeoutMs: 60_000, root: io.root, env: { ...io.env, HF_HUB_OFFLINE: "1" } };
  const notes: string[] = [];
  for (const model of await publishedModels(io, config)) {
    const wrong = await checkModelAccess(python, model, options);
    if (wrong === undefined) continue;
    const isFetched = !isAbsolute(model.source) && !isOffline(io.env.HF_HUB_OFFLINE);
    const advice = "a run fetches it from the Hub first; without a network give a directory (--set model.from=/path)";
    notes.push(isFetched ? `${model.from} is not in the local cache: ${advice}` : `a run would refuse it: ${wrong}`);
  }
  return notes;
}

/** As huggingface_hub reads the variable. */
function isOffline(value: string | undefined): boolean {
  return ["1", "ON", "YES", "TRUE"].includes(value?.toUpperCase() ?? "");
}

async function publishedModels(io: Io, config: LoadedSweep["config"]): Promise<PublishedModel[]> {
  const found = new Map<string, PublishedModel>();
  for (const { settings } of config.arms) {
    const { model } = settings;
    if (!("from" in model)) continue;
    const { from, revision } = model;
    const source = await modelPlace(io, from);
    found.set(`${source}@${revision ?? ""}`, { from, source, revision });
  }
  return [...found.values()];
}
