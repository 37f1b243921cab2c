// Resolved config -> explicit DAG of stages with keys, before anything has run. Pure. A stage's key is the digest of its kind,
// code version, settings and the keys of its inputs; what does not change a stage's bytes (workers, store, names, claims)
// is in no key.
import type { ResolvedConfig } from "../config/resolve.ts";
import type { ArmSettings, TrainSettings } from "../config/schema.ts";
import { digest, type Json } from "../lib/hash.ts";
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
  const drafts = new Map<string, Draft>();
  const { threads } = config.file.workers;
  const arms = config.arms.map((arm) => planArm(arm.name, arm.settings, { ...environment, threads }, drafts));
  const stages = [...drafts.values()].map(({ arms: users, policy, ...stage }) => {
    const shared = { ...stage, arms: [...users] };
    return policy === undefined ? shared : { ...shared, policy };
  });
  return { name: config.file.name, configDigest: config.digest, stages, arms };
}

/** A stage while arms still join it. */
type Draft = Omit<Stage, "arms" | "policy"> & { readonly arms: Set<string>; readonly policy: string | undefined };

/** Where an arm runs; `threads` of a worker decide the last bits of its numbers. */
type Place = PlanEnvironment & { readonly threads: number };

function planArm(name: string, settings: ArmSettings, environment: Place, drafts: Map<string, Draft>): ArmPlan {
  const add = (id: string, kind: StageKind, stageSettings: object, inputs: Record<string, string>, policy?: string): string => {
    const json = JSON.parse(JSON.stringify(stageSettings)) as Json;
    const key = stageKey({ kind, settings: json, inputs }, codeVersions[kind]);
    const known = drafts.get(key);
    // A shared stage runs as its first arm, so it keeps that arm's name for the policy.
    if (known === undefined) drafts.set(key, { id, kind, key, settings: json, inputs, arms: new Set([name]), policy });
    else known.arms.add(name);
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
    const strict = policySettings.strict ? { threads: environment.threads } : {};
    const inputs = { problems, ...(trained === undefined ? {} : { train: trained }) };
    decode[policy] = add(
      `decode ${name}/${policy}`,
      "decode",
      { policy: policySettings, seed, ...own, ...oracle, ...strict, ...where },
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

/** The key of a stage under a code version. */
export function stageKey(
  { kind, settings, inputs }: { readonly kind: string; readonly settings: Json; readonly inputs: Stage["inputs"] },
  code: number,
): string {
  return digest({ kind, code, settings, inputs });
}
