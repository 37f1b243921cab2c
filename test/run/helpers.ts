// A plan that is executed on a real store and real data stages, with whatever workers a test gives it.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../../src/config/load.ts";
import { buildPlan, type Plan } from "../../src/plan/plan.ts";
import type { RunContext } from "../../src/run/context.ts";
import { type Executed, type ExecuteOptions, executePlan } from "../../src/run/execute.ts";
import { RunMonitor } from "../../src/run/monitor.ts";
import { Progress } from "../../src/run/progress.ts";
import { Store } from "../../src/store/store.ts";

export const environment = { flavour: "mock", dtype: "float32", device: "cpu" } as const;

/** Two arms, one policy, everything as small as can be. */
export const twoArms = `name: x
puzzle: {kind: countdown, numbers: 3, operands: [1, 20]}
data: {train: {size: 40}, test: {seen: 4, unseen: 4}}
model: {architecture: llama, width: 8, layers: 1, heads: 1}
train: {steps: 5}
decode: {greedy: {policy: greedy, maxNewTokens: 32}}
sweep: {arms: {direct: {data.train.backtrackShare: 0}}}
`;

export function planOf(config: string, set: readonly string[] = []): Plan {
  return buildPlan(parseConfig(config, "x.yaml", set), environment);
}

export const temporaryFolder = (topic: string) => mkdtempSync(join(tmpdir(), `backtrail-${topic}-`));

export interface Execution {
  readonly executed: Promise<Executed>;
  readonly context: RunContext;
  readonly monitor: RunMonitor;
  /** What was said, line by line. */
  readonly said: string[];
}

/** Begins to execute a plan in a store folder. Logs go beside the store. */
export async function execute(
  plan: Plan,
  folder: string,
  workers: RunContext["workers"],
  options: Partial<ExecuteOptions> & { readonly signal?: AbortSignal } = {},
): Promise<Execution> {
  const said: string[] = [];
  const { signal = new AbortController().signal, ...rest } = options;
  const now = () => performance.now();
  const progress = new Progress({ isTerminal: false, now, write: (text) => void said.push(...text.trimEnd().split("\n")) });
  const store = await Store.open(join(folder, "store"));
  const context: RunContext = { store, environment, workers, code: {}, machine: {}, progress, signal };
  const needs = rest.needs ?? new Map();
  const scope = rest.only === undefined ? {} : { only: rest.only };
  const monitor = new RunMonitor({ plan, progress, now, needs, workers: rest.atOnce ?? 1, ...scope });
  const notes = { logs: join(folder, "logs"), shownLogs: "logs", retry: "backtrail retry x.yaml --failed", earlier: new Map() };
  const executed = executePlan(context, plan, { atOnce: 1, monitor, needs, notes, ...rest });
  return { executed, context, monitor, said };
}
