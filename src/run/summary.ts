// From artefacts to the one record behind table, CSV and page. Everything here is computed anew at each run: it is cheap.
import { join } from "node:path";
import type { ResolvedConfig } from "../config/resolve.ts";
import type { Attempt } from "../decode/policies.ts";
import { summarise } from "../evaluate/summary.ts";
import type { Json } from "../lib/hash.ts";
import type { ArmPlan, Plan } from "../plan/plan.ts";
import { readProblem } from "../puzzle/registry.ts";
import type { ArmSummary, Comparison, SampleTree, Summary } from "../report/model.ts";
import { readJsonl } from "../store/files.ts";
import { rowsOfStep } from "../train/schedule.ts";
import { compareOn, type GradedByReference, judgeClaim } from "./claims.ts";
import type { RunContext } from "./context.ts";
import type { Executed } from "./execute.ts";
import { type GradedAttempt, readGraded, readProblems } from "./stages/decode.ts";
import { lossCurve } from "./stages/train.ts";

export interface RunOutputs {
  readonly summary: Summary;
  readonly losses: Record<string, { step: number; loss: number }[]>;
  readonly samples: SampleTree[];
}

/** What a failure's record tells its reader to look at and to type. */
export interface RetryHints {
  /** The folder with the workers' logs. */
  readonly logs: string;
  /** The command that goes on: finished stages are cached. */
  readonly command: string;
}

/** Gathers what a run left in the store. Arms and policies whose stages failed are left out and named in `failures`. */
export async function gatherResults(
  context: RunContext,
  config: ResolvedConfig,
  plan: Plan,
  executed: Executed,
  createdAt: string,
  again: RetryHints,
): Promise<RunOutputs> {
  const graded = new Map<string, GradedAttempt[]>();
  const arms: ArmSummary[] = [];
  const losses: RunOutputs["losses"] = {};
  const samples: SampleTree[] = [];
  for (const arm of plan.arms) {
    arms.push(await summariseArm(arm, executed.artefacts, graded));
    const train = arm.train === undefined ? undefined : executed.artefacts.get(arm.train);
    if (train !== undefined) losses[arm.name] = await lossCurve(train, 300);
    samples.push(...(await sampleTrees(arm, executed.artefacts)));
  }
  const claims = Object.entries(config.file.claims).flatMap(([name, claim]) => judgeClaim(name, claim, config, plan, graded));
  const summary: Summary = {
    name: config.file.name,
    description: config.file.description,
    configDigest: config.digest,
    createdAt,
    device: context.environment.device,
    dtype: context.environment.dtype,
    flavour: context.environment.flavour,
    arms,
    comparisons: allComparisons(plan, graded),
    claims,
    overlap: await overlaps(plan, executed.artefacts),
    provenance: { code: context.code, machine: context.machine, stages: provenance(plan, executed) },
    failures: executed.failures.map(({ stage, cause }) => ({ stage, cause, log: again.logs, retry: again.command })),
  };
  return { summary, losses, samples };
}

async function summariseArm(
  arm: ArmPlan,
  artefacts: Executed["artefacts"],
  graded: Map<string, GradedAttempt[]>,
): Promise<ArmSummary> {
  const policies: ArmSummary["policies"] = {};
  for (const [policy, key] of Object.entries(arm.grade)) {
    const artefact = artefacts.get(key);
    if (artefact === undefined) continue;
    const items = await readGraded(artefact);
    graded.set(`${arm.name}/${policy}`, items);
    const splits = [...new Set(items.map((item) => item.split))];
    policies[policy] = Object.fromEntries(
      splits.map((split) => [split, summarise(items.filter((item) => item.split === split))]),
    );
  }
  return {
    name: arm.name,
    settings: arm.settings as unknown as Json,
    budget: budgetOf(arm, artefacts),
    policies,
    keys: keysOf(arm),
  };
}

function keysOf(arm: ArmPlan): Record<string, string> {
  const decode = Object.entries(arm.decode).map(([policy, key]) => [`decode ${policy}`, key]);
  const grade = Object.entries(arm.grade).map(([policy, key]) => [`grade ${policy}`, key]);
  return {
    problems: arm.problems,
    ...(arm.dataset === undefined ? {} : { dataset: arm.dataset }),
    ...(arm.train === undefined ? {} : { train: arm.train }),
    ...Object.fromEntries([...decode, ...grade]),
  };
}

function budgetOf(arm: ArmPlan, artefacts: Executed["artefacts"]): ArmSummary["budget"] {
  const train = arm.train === undefined ? undefined : artefacts.get(arm.train);
  const dataset = arm.dataset === undefined ? undefined : artefacts.get(arm.dataset);
  if (train === undefined || dataset === undefined) return null;
  const record = train.manifest.summary as {
    steps: number;
    tokens: number;
    trainedTokens: number;
    examplesSeen: number;
    finalLoss: number;
    info: { parameters: number };
  };
  const data = dataset.manifest.summary as { direct: number; backtrack: number };
  const direct = directExamplesSeen(arm, record.steps, data);
  return {
    steps: record.steps,
    examples: record.examplesSeen,
    directExamples: direct,
    backtrackExamples: record.examplesSeen - direct,
    tokens: record.tokens,
    trainedTokens: record.trainedTokens,
    parameters: record.info.parameters,
    finalLoss: record.finalLoss,
  };
}

/** Counted over the rows that training really drew (a last, partial epoch need not hold the kinds in proportion). */
function directExamplesSeen(arm: ArmPlan, steps: number, data: { direct: number; backtrack: number }): number {
  const { seed, train } = arm.settings;
  let direct = 0;
  for (let step = 1; step <= steps; step++) {
    // A dataset lists its direct examples first (data/make.ts).
    for (const row of rowsOfStep(seed, step, train?.batch.examples ?? 0, data.direct + data.backtrack))
      if (row < data.direct) direct++;
  }
  return direct;
}

/** Paired tests of every two policies that share their problems. */
function allComparisons(plan: Plan, graded: GradedByReference): Comparison[] {
  const comparisons: Comparison[] = [];
  const references = [...graded.keys()];
  const problemsOf = (reference: string) => plan.arms.find((arm) => reference.startsWith(`${arm.name}/`))?.problems;
  for (const [index, first] of references.entries()) {
    for (const second of references.slice(index + 1)) {
      if (problemsOf(first) !== problemsOf(second)) continue;
      for (const split of new Set((graded.get(first) ?? []).map((item) => item.split))) {
        comparisons.push(compareOn(graded, first, second, split));
      }
    }
  }
  return comparisons;
}

/** Canonical keys shared between the training set and each test split, per arm, and between the splits. 0 by construction; measured all the same. */
async function overlaps(plan: Plan, artefacts: Executed["artefacts"]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const arm of plan.arms) {
    const problems = artefacts.get(arm.problems);
    if (problems === undefined) continue;
    const keys = new Map<string, Set<string>>();
    for (const problem of await readProblems(problems)) {
      const { puzzle, problem: read } = readProblem(problem.problem);
      const key = puzzle.canonicalKey(read);
      keys.set(problem.split, (keys.get(problem.split) ?? new Set()).add(key));
    }
    const splits = [...keys.keys()];
    for (const [index, a] of splits.entries()) {
      for (const b of splits.slice(index + 1))
        counts[`${a} / ${b} of ${arm.name}`] = shared(keys.get(a) ?? new Set(), keys.get(b) ?? new Set());
    }
    const dataset = arm.dataset === undefined ? undefined : artefacts.get(arm.dataset);
    if (dataset === undefined) continue;
    const train = new Set<string>();
    for await (const key of readJsonl<string>(join(dataset.directory, "keys.jsonl"))) train.add(key);
    for (const split of splits) counts[`train of ${arm.name} / ${split}`] = shared(train, keys.get(split) ?? new Set());
  }
  return counts;
}

function shared(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let count = 0;
  for (const key of b) if (a.has(key)) count++;
  return count;
}

function provenance(plan: Plan, executed: Executed): Json {
  return plan.stages.map((stage) => {
    const artefact = executed.artefacts.get(stage.key);
    return {
      stage: stage.id,
      key: stage.key,
      digest: artefact?.manifest.digest ?? null,
      seconds: artefact?.manifest.seconds ?? null,
    };
  });
}

/** Per policy and split: one attempt that was solved and one that was not, the ones with most completions rolled back first. */
async function sampleTrees(arm: ArmPlan, artefacts: Executed["artefacts"]): Promise<SampleTree[]> {
  const trees: SampleTree[] = [];
  const problems = artefacts.get(arm.problems);
  if (problems === undefined) return trees;
  const byId = new Map((await readProblems(problems)).map((problem) => [problem.id, problem]));
  for (const [policy, key] of Object.entries(arm.grade)) {
    const grades = artefacts.get(key);
    const attempts = artefacts.get(arm.decode[policy] as string);
    if (grades === undefined || attempts === undefined) continue;
    const verdicts = new Map((await readGraded(grades)).map((item) => [item.problemId, item]));
    const chosen = new Map<string, Attempt>();
    for await (const attempt of readJsonl<Attempt>(join(attempts.directory, "attempts.jsonl"))) {
      const slot = `${attempt.split} ${verdicts.get(attempt.problemId)?.solved}`;
      if (attempt.rounds > (chosen.get(slot)?.rounds ?? -1)) chosen.set(slot, attempt);
    }
    for (const attempt of chosen.values()) {
      const problem = byId.get(attempt.problemId);
      const item = verdicts.get(attempt.problemId);
      if (problem === undefined || item === undefined) continue;
      trees.push(treeOf(arm.name, policy, problem.problem, problem.prompt, attempt, item));
    }
  }
  return trees;
}

function treeOf(arm: string, policy: string, problem: Json, prompt: string, attempt: Attempt, item: GradedAttempt): SampleTree {
  return {
    arm,
    policy,
    split: attempt.split,
    problem,
    prompt,
    solved: item.solved,
    nodes: attempt.completions.map((node) => ({
      id: node.id,
      parent: node.parent,
      round: node.round,
      text: node.text,
      full: node.response,
      tokens: node.tokens,
      score: node.score ?? node.meanLogprob,
      chosen: node.id === attempt.chosen,
      candidate: node.candidate,
      verdict: node.id === attempt.chosen ? (item.solved ? "solved" : item.errorKinds.join(", ")) : "",
    })),
    errors: item.verdict.errors,
  };
}
