// Runs a plan: every stage once, as soon as its inputs are there, as many at a time as there are workers. A failed stage
// takes down what depends on it and nothing else; what is in the store already is not run again.
import { stat } from "node:fs/promises";
import type { ArmSettings, PolicySettings } from "../config/schema.ts";
import { defaultNewTokens } from "../decode/policies.ts";
import { UserError } from "../lib/errors.ts";
import type { ArmPlan, Plan, Stage } from "../plan/plan.ts";
import type { Artefact } from "../store/store.ts";
import { findFormat } from "../trace/registry.ts";
import { WorkerError } from "../worker/port.ts";
import type { RunContext } from "./context.ts";
import { initialModelSpec, trainedModelSpec } from "./modelSpec.ts";
import { formatDuration } from "./progress.ts";
import { makeDataset, makeProblems } from "./stages/data.ts";
import { runDecode, runGrade } from "./stages/decode.ts";
import { runTrain } from "./stages/train.ts";

export interface StageFailure {
  readonly stage: string;
  readonly key: string;
  readonly cause: string;
  readonly error: unknown;
}

export interface Executed {
  /** By stage key. */
  readonly artefacts: ReadonlyMap<string, Artefact>;
  readonly cached: number;
  readonly ran: number;
  readonly failures: readonly StageFailure[];
  /** Stages that were not tried because an input failed. */
  readonly skipped: readonly string[];
}

const limits: Record<Stage["kind"], "worker" | "free"> = {
  problems: "free",
  dataset: "free",
  train: "worker",
  decode: "worker",
  grade: "free",
};

/** Rejects with AbortError when interrupted; any other failure of a stage is in the answer. */
export async function executePlan(context: RunContext, plan: Plan, options: { atOnce: number }): Promise<Executed> {
  const artefacts = new Map<string, Artefact>();
  const failures: StageFailure[] = [];
  const skipped: string[] = [];
  let cached = 0;
  const waiting = new Set(plan.stages);
  const failed = new Set<string>();
  for (const stage of plan.stages) {
    const found = await findWhole(context, stage).catch((error: unknown) => {
      if (!(error instanceof UserError)) throw error;
      failures.push({ stage: stage.id, key: stage.key, cause: error.message, error });
      context.progress.say(`${stage.id}: FAILED: ${error.message}`);
      failed.add(stage.key);
      waiting.delete(stage);
      return undefined;
    });
    if (found === undefined) continue;
    // A crash between publishing and clearing leaves the work folder of a finished stage, checkpoints and all.
    if (await context.store.hasWork(stage.kind, stage.key)) await exclusively(context, stage, async () => found);
    artefacts.set(stage.key, found);
    waiting.delete(stage);
    cached++;
  }
  if (cached > 0) context.progress.say(`${cached} of ${plan.stages.length} stages are cached`);
  const running = new Map<string, { stage: Stage; ended: Promise<string> }>();
  let ran = 0;
  const start = (stage: Stage) => {
    context.progress.say(`${stage.id}: started`);
    const begun = performance.now();
    const ended = exclusively(context, stage, () => runStage(context, plan, stage, artefacts)).then(
      (artefact) => {
        artefacts.set(stage.key, artefact);
        ran++;
        context.progress.finish(stage.id, `${stage.id}: done in ${formatDuration((performance.now() - begun) / 1000)}`);
        return stage.key;
      },
      (error: unknown) => {
        failed.add(stage.key);
        if (!isAbort(error)) {
          const cause = causeOf(error);
          failures.push({ stage: stage.id, key: stage.key, cause, error });
          context.progress.finish(stage.id, `${stage.id}: FAILED: ${cause}`);
        }
        return stage.key;
      },
    );
    running.set(stage.key, { stage, ended });
  };
  while (waiting.size + running.size > 0) {
    for (const stage of [...waiting]) {
      const inputs = Object.values(stage.inputs);
      if (inputs.some((key) => failed.has(key))) {
        waiting.delete(stage);
        failed.add(stage.key);
        skipped.push(stage.id);
        continue;
      }
      const busy = [...running.values()].filter((entry) => limits[entry.stage.kind] === limits[stage.kind]).length;
      const room = busy < (limits[stage.kind] === "worker" ? options.atOnce : 2);
      if (!context.signal.aborted && room && inputs.every((key) => artefacts.has(key))) {
        waiting.delete(stage);
        start(stage);
      }
    }
    if (running.size === 0) break;
    running.delete(await Promise.race([...running.values()].map((entry) => entry.ended)));
  }
  context.signal.throwIfAborted();
  return { artefacts, cached, ran, failures, skipped };
}

/** A cached artefact; what goes straight into the summary is read whole, so that a figure changed by hand is not reported. */
async function findWhole(context: RunContext, stage: Stage): Promise<Artefact | undefined> {
  const found = await context.store.find(stage.kind, stage.key);
  if (found !== undefined && stage.kind !== "train" && stage.kind !== "decode") await context.store.verify(found);
  return found;
}

/** Runs that share a store wait for each other's stages. */
function exclusively(context: RunContext, stage: Stage, make: () => Promise<Artefact>): Promise<Artefact> {
  const onWait = (holder: { pid: number; host: string } | undefined) =>
    context.progress.say(
      `${stage.id}: being made by ${holder === undefined ? "another run" : `process ${holder.pid} on ${holder.host}`}; waiting for it`,
    );
  return context.store.exclusively(stage.kind, stage.key, { signal: context.signal, onWait }, make);
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

function causeOf(error: unknown): string {
  if (error instanceof WorkerError) return `${error.message} (worker error ${error.code})`;
  return error instanceof Error ? error.message : String(error);
}

async function runStage(
  context: RunContext,
  plan: Plan,
  stage: Stage,
  artefacts: ReadonlyMap<string, Artefact>,
): Promise<Artefact> {
  const arm = plan.arms.find((candidate) => stage.arms.includes(candidate.name)) as ArmPlan;
  const { settings } = arm;
  const address = { key: stage.key, label: stage.id, settings: stage.settings };
  const format = findFormat(settings.puzzle.kind, settings.data.train.format);
  const input = (role: string) => artefacts.get(stage.inputs[role] as string) as Artefact;
  switch (stage.kind) {
    case "problems":
      return makeProblems(context, address, {
        puzzle: settings.puzzle,
        test: settings.data.test,
        format: settings.data.train.format,
        seed: settings.seed,
      });
    case "dataset":
      return makeDataset(context, address, { puzzle: settings.puzzle, train: settings.data.train, seed: settings.seed });
    case "train": {
      if (settings.train === undefined) throw new Error(`arm ${arm.name} has a train stage but no train settings`);
      const { seed, train, model } = settings;
      const isDirectory = await fromDirectory(settings);
      return runTrain(context, { ...address, model, train, seed, format, dataset: input("dataset"), isDirectory });
    }
    case "decode": {
      const name = stage.policy as string;
      const policy = withRoom(settings.decode[name] as ArmSettings["decode"][string], settings.train?.maxTokens ?? 0);
      const train = stage.inputs.train === undefined ? undefined : input("train");
      const model = await modelOf(context, arm, train);
      const common = { ...address, policy, policyName: name, seed: settings.seed, format, grade: settings.grade };
      return runDecode(context, { ...common, problems: input("problems"), train, model });
    }
    case "grade": {
      const problems = artefacts.get(arm.problems) as Artefact;
      return runGrade(context, { ...address, format, grade: settings.grade, problems, attempts: input("decode") });
    }
  }
}

/** A model trained on long traces may write as long ones, where the policy says nothing. */
function withRoom(policy: PolicySettings, trained: number): PolicySettings {
  return policy.maxNewTokens === undefined && trained > defaultNewTokens ? { ...policy, maxNewTokens: trained } : policy;
}

async function fromDirectory(settings: ArmSettings): Promise<boolean> {
  if ("architecture" in settings.model) return false;
  const found = await stat(settings.model.from).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

async function modelOf(context: RunContext, arm: ArmPlan, train: Artefact | undefined) {
  const { model, seed, data, puzzle } = arm.settings;
  const backtrack = findFormat(puzzle.kind, data.train.format).markers.backtrack ?? "";
  const dtype = model.dtype === "auto" ? context.environment.dtype : model.dtype;
  if (train !== undefined) return trainedModelSpec(train.key, `${train.directory}/checkpoint`, dtype, backtrack);
  return initialModelSpec(model, { seed, tokenizer: "", dtype, isDirectory: await fromDirectory(arm.settings), backtrack });
}
