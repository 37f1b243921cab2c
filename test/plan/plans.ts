// Plans of a small config for the tests of this folder, and what a store would hold after they ran.
import { parseConfig } from "../../src/config/load.ts";
import { digest } from "../../src/lib/hash.ts";
import type { EarlierStage } from "../../src/plan/difference.ts";
import { buildPlan, type Plan, type Stage, stageKey } from "../../src/plan/plan.ts";
import type { Made } from "../../src/plan/states.ts";

const text = `name: x
puzzle: {kind: countdown}
data: {train: {size: 100}, test: {seen: 5, unseen: 5, dev: 2}}
model: {architecture: llama, width: 64, layers: 1, heads: 4, keyValueHeads: 2, mlp: 8}
train: {steps: 10, batch: {examples: 4}}
decode:
  greedy: {policy: greedy, maxNewTokens: 5}
  b1: {policy: self-backtrack, samples: 16}
`;

export function planOf(...sets: string[]): Plan {
  return buildPlan(parseConfig(text, "x.yaml", sets), { flavour: "torch", dtype: "float32" });
}

export function stageOf(plan: Plan, id: string): Stage {
  const found = plan.stages.find((stage) => stage.id === id);
  if (found === undefined) throw new Error(`no stage ${id}`);
  return found;
}

/** The artefacts of a plan, each the same bytes for the same key. */
export function madeOf(plan: Plan, startedAt = "2026-01-01T00:00:00.000Z"): Made[] {
  return plan.stages.map(({ kind, key, settings, inputs }) => {
    const inputDigests = Object.fromEntries(Object.entries(inputs).map(([role, input]) => [role, digest(input)]));
    return { kind, key, settings, inputs, startedAt, digest: digest(key), inputDigests };
  });
}

/** An artefact as an older release would have made it: the same settings and inputs under another code version. */
export function ofVersion<T extends EarlierStage>(made: T, version: number): T {
  return { ...made, key: stageKey(made, version) };
}
