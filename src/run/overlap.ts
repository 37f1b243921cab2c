// How many problems the training set of an arm shares with its test splits, and these with each other: 0 by construction,
// measured all the same.
import { join } from "node:path";
import type { Plan } from "../plan/plan.ts";
import { readProblem } from "../puzzle/registry.ts";
import { readJsonl } from "../store/files.ts";
import type { Artefact } from "../store/store.ts";
import { readProblems } from "./stages/decode.ts";

type Keys = ReadonlyMap<string, ReadonlySet<string>>;

/** Shared canonical keys by pair of splits. What several arms share is read once. */
export async function splitOverlaps(plan: Plan, artefacts: ReadonlyMap<string, Artefact>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const keysOf = new Map<string, Keys>();
  const trained = new Map<string, ReadonlyMap<string, number>>();
  for (const arm of plan.arms) {
    const problems = artefacts.get(arm.problems);
    if (problems === undefined) continue;
    const keys = keysOf.get(arm.problems) ?? (await canonicalKeys(problems));
    keysOf.set(arm.problems, keys);
    const splits = [...keys];
    for (const [index, [a, first]] of splits.entries())
      for (const [b, second] of splits.slice(index + 1)) counts[`${a} / ${b} of ${arm.name}`] = shared(first, second);
    const dataset = arm.dataset === undefined ? undefined : artefacts.get(arm.dataset);
    if (dataset === undefined) continue;
    const pair = `${dataset.key} ${arm.problems}`;
    const found = trained.get(pair) ?? (await trainedKeys(dataset, keys));
    trained.set(pair, found);
    for (const [split, count] of found) counts[`train of ${arm.name} / ${split}`] = count;
  }
  return counts;
}

async function canonicalKeys(problems: Artefact): Promise<Keys> {
  const keys = new Map<string, Set<string>>();
  for (const problem of await readProblems(problems)) {
    const { puzzle, problem: read } = readProblem(problem.problem);
    const own = keys.get(problem.split) ?? new Set();
    keys.set(problem.split, own.add(puzzle.canonicalKey(read)));
  }
  return keys;
}

/** Per split: how many of its keys the dataset has. The dataset's keys are read as a stream: there may be millions. */
async function trainedKeys(dataset: Artefact, keys: Keys): Promise<Map<string, number>> {
  const found = new Map([...keys.keys()].map((split) => [split, new Set<string>()]));
  for await (const key of readJsonl<string>(join(dataset.directory, "keys.jsonl"))) {
    for (const [split, own] of keys) if (own.has(key)) found.get(split)?.add(key);
  }
  return new Map([...found].map(([split, own]) => [split, own.size]));
}

function shared(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let count = 0;
  for (const key of b) if (a.has(key)) count++;
  return count;
}
