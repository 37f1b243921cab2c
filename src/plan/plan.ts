// Resolved config -> explicit DAG of stages with keys, before anything has run. Pure. A stage's key is the digest of its kind,
// code version, settings and the keys of its inputs; what does not change a stage's bytes (workers, store, names, claims)
// is in no key.
import type { ResolvedConfig } from "../config/resolve.ts";
import type { ArmSettings, TrainSettings } from "../config/schema.ts";
import { canonicalJson, digest, type Json } from "../lib/hash.ts";
import { codeVersions } from "./codeVersions.ts";

export type StageKind = "problems" | "dataset" | "train" | "decode" | "grade";

export interface Stage {
  /** Short and readable, unique in the plan: "train backtracking". */
  readonly id: string;
  readonly kind: StageKind;
  readonly key: string;
  readonly settings: Json;
  /** Role -> key of the input stage. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Arms that use the stage. */
  readonly arms: readonly string[];
  readonly policy?: string;
}

/** An arm's stages by key. */
export interface ArmPlan {
  readonly name: string;
  readonly settings: ArmSettings;
  readonly problems: string;
  readonly dataset?: string;
  readonly train?: string;
  readonly decode: Readonly<Record<string, string>>;
  readonly grade: Readonly<Record<string, string>>;
}

export interface Plan {
  readonly name: string;
  readonly configDigest: string;
  /** Inputs before what needs them; unique by key. */
  readonly stages: readonly Stage[];
  readonly arms: readonly ArmPlan[];
}

/** What besides the config decides a stage's bytes. */
export interface PlanEnvironment {
  readonly flavour: "torch" | "mock";
  /** What `dtype: auto` becomes. */
  readonly dtype: "float32" | "bfloat16";
  /** Settings of mock workers. */
  readonly mock?: Json;
  /** Content digest of each published model (`model.from`). */
  readonly external?: Readonly<Record<string, string>>;
}

/** The plan of a config. The same config and environment give the same plan, on any machine. */
export function buildPlan(config: ResolvedConfig, environment: PlanEnvironment): Plan {
  const stages = new Map<string, Stage>();
  const arms = config.arms.map((arm) => planArm(arm.name, arm.settings, environment, stages));
  return { name: config.file.name, configDigest: config.digest, stages: [...stages.values()], arms };
}

function planArm(name: string, settings: ArmSettings, environment: PlanEnvironment, stages: Map<string, Stage>): ArmPlan {
  const add = (id: string, kind: StageKind, stageSettings: object, inputs: Record<string, string>, policy?: string): string => {
    const json = JSON.parse(JSON.stringify(stageSettings)) as Json;
    const key = digest({ kind, code: codeVersions[kind], settings: json, inputs });
    const known = stages.get(key);
    const using = known === undefined ? [name] : [...new Set([...known.arms, name])];
    // A shared stage runs as its first arm, so it keeps that arm's name for the policy.
    const named = known?.policy ?? policy;
    const stage = { id: known?.id ?? id, kind, key, settings: json, inputs, arms: using };
    stages.set(key, named === undefined ? stage : { ...stage, policy: named });
    return key;
  };
  const { puzzle, data, seed, model, train, grade } = settings;
  const where = { flavour: environment.flavour, ...(environment.mock === undefined ? {} : { mock: environment.mock }) };
  const resolvedModel = resolveModel(model, environment);
  const problems = add(`problems ${name}`, "problems", { puzzle, test: data.test, format: data.train.format, seed }, {});
  const dataset = train === undefined ? undefined : add(`data ${name}`, "dataset", { puzzle, train: data.train, seed }, {});
  const trained =
    train === undefined || dataset === undefined
      ? undefined
      : add(`train ${name}`, "train", { model: resolvedModel, train: trainingBytes(train), seed, ...where }, { dataset });
  const decode: Record<string, string> = {};
  const graded: Record<string, string> = {};
  for (const [policy, policySettings] of Object.entries(settings.decode)) {
    const own = trained === undefined ? { model: resolvedModel } : { dtype: resolvedModel.dtype };
    const oracle = "select" in policySettings && policySettings.select === "oracle" ? { grade } : {};
    const inputs = { problems, ...(trained === undefined ? {} : { train: trained }) };
    decode[policy] = add(
      `decode ${name}/${policy}`,
      "decode",
      { policy: policySettings, seed, ...own, ...oracle, ...where },
      inputs,
      policy,
    );
    graded[policy] = add(`grade ${name}/${policy}`, "grade", { grade }, { decode: decode[policy], problems }, policy);
  }
  const optional = { ...(dataset === undefined ? {} : { dataset }), ...(trained === undefined ? {} : { train: trained }) };
  return { name, settings, problems, ...optional, decode, grade: graded };
}

/** The settings without those that change no weight: how often to save, and epochs where steps decide. */
function trainingBytes({ checkpointEvery: _saving, epochs, ...rest }: TrainSettings) {
  return rest.steps === undefined ? { ...rest, epochs } : rest;
}

function resolveModel(model: ArmSettings["model"], environment: PlanEnvironment) {
  const dtype = model.dtype === "auto" ? environment.dtype : model.dtype;
  if (!("from" in model)) return { ...model, dtype };
  const { from, ...rest } = model;
  return { ...rest, content: environment.external?.[from] ?? from, dtype };
}

/** The first setting in which two stages differ, as "dotted.key: a -> b", or the input that differs. */
export function explainDifference(a: Pick<Stage, "settings" | "inputs">, b: Pick<Stage, "settings" | "inputs">): string {
  const found = firstDifference(a.settings, b.settings, "");
  if (found !== undefined) return found;
  for (const role of new Set([...Object.keys(a.inputs), ...Object.keys(b.inputs)])) {
    if (a.inputs[role] !== b.inputs[role]) return `its input ${role} differs`;
  }
  return "the stage's code version";
}

function firstDifference(a: Json | undefined, b: Json | undefined, path: string): string | undefined {
  if (isObject(a) && isObject(b)) {
    for (const key of [...new Set([...Object.keys(a), ...Object.keys(b)])].sort()) {
      const found = firstDifference(a[key], b[key], path === "" ? key : `${path}.${key}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  const shown = (value: Json | undefined) => (value === undefined ? "absent" : canonicalJson(value));
  return shown(a) === shown(b) ? undefined : `${path}: ${shown(a)} -> ${shown(b)}`;
}

/** Of several artefacts, the one whose settings share most leaves with `settings`; undefined when there is none. */
export function nearestStage<T extends { readonly settings: Json }>(candidates: readonly T[], settings: Json): T | undefined {
  const wanted = leaves(settings);
  const shared = (candidate: T) => [...leaves(candidate.settings)].filter((leaf) => wanted.has(leaf)).length;
  return candidates.map((candidate) => [shared(candidate), candidate] as const).sort(([a], [b]) => b - a)[0]?.[1];
}

function leaves(value: Json, path = ""): Set<string> {
  if (!isObject(value)) return new Set([`${path}=${canonicalJson(value)}`]);
  return new Set(
    Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [...leaves(item, `${path}.${key}`)])),
  );
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json | undefined } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
