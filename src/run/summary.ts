// From artefacts to the one record behind table, CSV and page. Everything here is computed anew at each run: it is cheap.
import type { ResolvedConfig } from "../config/resolve.ts";
import type { TestProblem } from "../data/example.ts";
import { type Graded, summarise } from "../evaluate/summary.ts";
import type { Json } from "../lib/hash.ts";
import type { ArmPlan, Plan } from "../plan/plan.ts";
import type { ArmSummary, SampleTree, Summary } from "../report/model.ts";
import type { Artefact } from "../store/store.ts";
import { rowsOfStep } from "../train/schedule.ts";
import { judgeClaim, poolClaim, unjudgedClaims } from "./claims.ts";
import { pairedTests } from "./comparisons.ts";
import type { RunContext } from "./context.ts";
import type { Executed } from "./execute.ts";
import { splitOverlaps } from "./overlap.ts";
import { sampleTrees } from "./sampleTrees.ts";
import { readGraded, readProblems } from "./stages/decode.ts";
import { lossCurve } from "./stages/train.ts";

export interface RunOutputs {
  readonly summary: Summary;
  readonly losses: Record<string, { step: number; loss: number }[]>;
  readonly samples: SampleTree[];
}

/** Arms whose search trees go on the page; the attempts of all are in the store. */
const armsWithTrees = 50;
/** Points of a training curve. */
const curvePoints = 300;

/** What a run left: its artefacts, and all failures that stand, of earlier runs too. */
export type Gathered = Pick<Executed, "artefacts"> & { readonly failures: Summary["failures"] };

/** Gathers what a run left in the store. Arms and policies whose stages failed are left out and named in `failures`. */
export async function gatherResults(
  context: RunContext,
  config: ResolvedConfig,
  plan: Plan,
  executed: Gathered,
): Promise<RunOutputs> {
  const { artefacts } = executed;
  const graded = new Map<string, readonly Graded[]>();
  const arms: ArmSummary[] = [];
  const losses: RunOutputs["losses"] = {};
  const samples: SampleTree[] = [];
  const shared = new SharedReads();
  for (const [index, arm] of plan.arms.entries()) {
    const { policies, trees } = await policiesOf(arm, { artefacts, graded, shared, withTrees: index < armsWithTrees });
    const train = arm.train === undefined ? undefined : artefacts.get(arm.train);
    const budget = shared.budget(arm, artefacts);
    arms.push({ name: arm.name, settings: jsonOf(arm.settings), budget, policies, keys: keysOf(arm) });
    if (train !== undefined) losses[arm.name] = await shared.curve(train);
    samples.push(...trees);
  }
  const stated = Object.entries(config.file.claims);
  const summary: Summary = {
    name: config.file.name,
    description: config.file.description,
    configDigest: config.digest,
    createdAt: new Date().toISOString(),
    device: context.environment.device,
    dtype: context.environment.dtype,
    flavour: context.environment.flavour,
    arms,
    comparisons: pairedTests(plan, graded),
    claims: stated.flatMap(([name, claim]) => judgeClaim(name, claim, config, plan, graded)),
    pooled: stated.flatMap(([name, claim]) => poolClaim(name, claim, config, plan, graded)),
    unjudged: unjudgedClaims(config, plan, graded),
    overlap: await splitOverlaps(plan, artefacts),
    provenance: { code: context.code, machine: context.machine, stages: provenance(plan, executed) },
    failures: executed.failures.map(({ stage, cause, log, retry }) => ({ stage, cause, log, retry })),
  };
  return { summary, losses, samples };
}

/** What many arms share is read and computed once. */
class SharedReads {
  readonly #problems = new Map<string, ReadonlyMap<string, TestProblem>>();
  readonly #curves = new Map<string, { step: number; loss: number }[]>();
  readonly #budgets = new Map<string, ArmSummary["budget"]>();

  async problems(artefact: Artefact): Promise<ReadonlyMap<string, TestProblem>> {
    const found =
      this.#problems.get(artefact.key) ??
      new Map((await readProblems(artefact)).map((problem) => [problem.id, problem] as const));
    this.#problems.set(artefact.key, found);
    return found;
  }

  async curve(train: Artefact): Promise<{ step: number; loss: number }[]> {
    const found = this.#curves.get(train.key) ?? (await lossCurve(train, curvePoints));
    this.#curves.set(train.key, found);
    return found;
  }

  budget(arm: ArmPlan, artefacts: Executed["artefacts"]): ArmSummary["budget"] {
    if (arm.train === undefined) return null;
    const found = this.#budgets.get(arm.train) ?? budgetOf(arm, artefacts);
    this.#budgets.set(arm.train, found);
    return found;
  }
}

interface PolicyReads {
  readonly artefacts: Executed["artefacts"];
  /** Takes the grades by reference `arm/policy`, without the verdicts, which are the larger part. */
  readonly graded: Map<string, readonly Graded[]>;
  readonly shared: SharedReads;
  readonly withTrees: boolean;
}

async function policiesOf(arm: ArmPlan, { artefacts, graded, shared, withTrees }: PolicyReads) {
  const policies: ArmSummary["policies"] = {};
  const trees: SampleTree[] = [];
  for (const [policy, key] of Object.entries(arm.grade)) {
    const artefact = artefacts.get(key);
    if (artefact === undefined) continue;
    const verdicts = await readGraded(artefact);
    graded.set(
      `${arm.name}/${policy}`,
      verdicts.map(({ verdict: _, ...item }) => item),
    );
    const splits = [...new Set(verdicts.map((item) => item.split))];
    policies[policy] = Object.fromEntries(
      splits.map((split) => [split, summarise(verdicts.filter((item) => item.split === split))]),
    );
    const problems = artefacts.get(arm.problems);
    const attempts = artefacts.get(arm.decode[policy] ?? "");
    if (!withTrees || problems === undefined || attempts === undefined) continue;
    const source = { arm: arm.name, policy, problems: await shared.problems(problems), attempts, verdicts };
    trees.push(...(await sampleTrees(source)));
  }
  return { policies, trees };
}

/** Settings are JSON by construction; their types do not say so. */
function jsonOf(settings: ArmPlan["settings"]): Json {
  return settings as unknown as Json;
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

function provenance(plan: Plan, executed: Gathered): Json {
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
