// One stage of a plan: its settings and input artefacts put before the code that makes it.
import { stat } from "node:fs/promises";
import type { ArmSettings, PolicySettings } from "../config/schema.ts";
import { defaultNewTokens } from "../decode/policies.ts";
import type { ArmPlan, Plan, Stage } from "../plan/plan.ts";
import type { Artefact } from "../store/store.ts";
import { findFormat } from "../trace/registry.ts";
import type { RunContext, StageContext } from "./context.ts";
import { initialModelSpec, trainedModelSpec } from "./modelSpec.ts";
import { makeDataset, makeProblems } from "./stages/data.ts";
import { runDecode, runGrade } from "./stages/decode.ts";
import { runTrain } from "./stages/train.ts";

/** Makes the artefact of a stage whose inputs are among `artefacts` (by key). */
export async function runStage(
  context: StageContext,
  plan: Plan,
  stage: Stage,
  artefacts: ReadonlyMap<string, Artefact>,
): Promise<Artefact> {
  const arm = armOf(plan, stage);
  const { settings } = arm;
  const address = { key: stage.key, label: stage.id, settings: stage.settings };
  const format = findFormat(settings.puzzle.kind, settings.data.train.format);
  const artefactOf = (key: string | undefined): Artefact => {
    const found = key === undefined ? undefined : artefacts.get(key);
    if (found === undefined) throw new Error(`${stage.id} was started without its input ${key}`);
    return found;
  };
  const input = (role: string) => artefactOf(stage.inputs[role]);
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
      const { seed, train, model } = settings;
      if (train === undefined) throw new Error(`arm ${arm.name} has a train stage but no train settings`);
      const isDirectory = await fromDirectory(settings);
      return runTrain(context, { ...address, model, train, seed, format, dataset: input("dataset"), isDirectory });
    }
    case "decode": {
      const { name, policy } = policyOf(arm, stage);
      const train = stage.inputs.train === undefined ? undefined : input("train");
      const model = await modelOf(context, arm, train);
      const roomy = withRoom(policy, settings.train?.maxTokens ?? 0);
      const common = { ...address, policy: roomy, policyName: name, seed: settings.seed, format, grade: settings.grade };
      return runDecode(context, { ...common, problems: input("problems"), train, model });
    }
    case "grade": {
      const problems = artefactOf(arm.problems);
      return runGrade(context, { ...address, format, grade: settings.grade, problems, attempts: input("decode") });
    }
  }
}

/** The arm that a shared stage runs as: the first. Any that uses it would give the same bytes. */
function armOf(plan: Plan, stage: Stage): ArmPlan {
  const arm = plan.arms.find(({ name }) => name === stage.arms[0]);
  if (arm === undefined) throw new Error(`${stage.id} belongs to no arm of the plan`);
  return arm;
}

function policyOf(arm: ArmPlan, { id, policy: name }: Stage): { readonly name: string; readonly policy: PolicySettings } {
  const policy = name === undefined ? undefined : arm.settings.decode[name];
  if (name === undefined || policy === undefined) throw new Error(`${id}: arm ${arm.name} has no policy ${name}`);
  return { name, policy };
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
  const backtrack = findFormat(puzzle.kind, data.train.format).markers.backtrack;
  const dtype = model.dtype === "auto" ? context.environment.dtype : model.dtype;
  if (train !== undefined) return trainedModelSpec(train.key, `${train.directory}/checkpoint`, dtype, backtrack);
  return initialModelSpec(model, { seed, tokenizer: "", dtype, isDirectory: await fromDirectory(arm.settings), backtrack });
}
