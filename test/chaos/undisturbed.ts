// The runs that nothing disturbs: what every disturbed one is compared with, and the same sweep on 1, 2 and 4 workers.
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { deriveSeed64, Rng } from "../../src/lib/rng.ts";
import { findPython } from "../../src/setup/environment.ts";
import { differences } from "./compare.ts";
import { backtrail, root } from "./coordinator.ts";
import { linesOf, type PlannedStage, Records, readPlan } from "./records.ts";
import type { SweepName } from "./schedule.ts";
import { commandOf, foldersOf, makePlace, type Place } from "./sweeps.ts";

/** A statement about a run, and what speaks against it. */
export interface Check {
  readonly name: string;
  readonly faults: readonly string[];
}

/** Of an arm whose seed no other arm has (mock.yaml). */
const poisonedArm = "poisoned";
const poisonedSeed = 99;

export interface UndisturbedSweep {
  readonly stages: readonly PlannedStage[];
  /** Lines recorded in all. */
  readonly lines: number;
  readonly seconds: number;
}

export interface Undisturbed {
  readonly place: Place;
  readonly sweeps: Partial<Record<SweepName, UndisturbedSweep>>;
  /** Whether results depend on the number of workers. */
  readonly checks: readonly Check[];
}

/** Why there can be no torch sweep here, or undefined. */
export async function whyNoTorch(): Promise<string | undefined> {
  const python = findPython(process.env, root)?.python;
  if (python === undefined) return "there is no .venv and no BACKTRAIL_PYTHON";
  const code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)";
  return promisify(execFile)(python, ["-c", code]).then(
    () => undefined,
    () => `${python} has no PyTorch`,
  );
}

/** Runs the sweeps once each, undisturbed, both at once on one store; then the mock sweep with 1 and with 2 workers. */
export async function runUndisturbed(folder: string, sweeps: readonly SweepName[]): Promise<Undisturbed> {
  const place = newPlace(folder, "calm");
  const finished = await Promise.all(sweeps.map(async (sweep) => [sweep, await runOnce(place, sweep)] as const));
  const checks = sweeps.includes("mock") ? await Promise.all([1, 2].map((workers) => sameWith(folder, place, workers))) : [];
  return { place, sweeps: Object.fromEntries(finished), checks };
}

function newPlace(folder: string, name: string): Place {
  mkdirSync(join(folder, name));
  return makePlace(join(folder, name));
}

async function runOnce(place: Place, sweep: SweepName, workers?: number): Promise<UndisturbedSweep> {
  const began = performance.now();
  const { code, err } = await backtrail(commandOf(place, sweep, workers === undefined ? {} : { workers }));
  if (code !== 0) throw new Error(`the undisturbed ${sweep} sweep ended with code ${code}:\n${err}`);
  const seconds = (performance.now() - began) / 1000;
  const { store, results } = foldersOf(place, sweep);
  const stages = readPlan(results);
  return { stages, lines: new Records(store, stages).count(), seconds };
}

async function sameWith(folder: string, calm: Place, workers: number): Promise<Check> {
  const place = newPlace(folder, `calm-${workers}`);
  const { stages } = await runOnce(place, "mock", workers);
  const faults = differences(foldersOf(place, "mock"), foldersOf(calm, "mock"), stages, "mock");
  return { name: `mock: the same results with ${workers} workers as with 4`, faults };
}

export interface Poison {
  /** Id of the poisoned problem. */
  readonly problem: string;
  /** The decode stages that ask for it. */
  readonly stages: readonly PlannedStage[];
  /** Seeds of completions by which a worker knows it. */
  readonly seeds: readonly string[];
}

export const noPoison: Poison = { problem: "", stages: [], seeds: [] };

/** One problem of the poisoned arm: every decode stage of the arm has one call that asks for it. */
export function choosePoison(seed: number, { place, sweeps }: Undisturbed): Poison {
  const stages = sweeps.mock?.stages ?? [];
  const own = stages.filter(({ arms }) => arms.length === 1 && arms[0] === poisonedArm);
  const problems = own.find(({ kind }) => kind === "problems");
  if (problems === undefined) return noPoison;
  const { store } = foldersOf(place, "mock");
  const lines = ["seen", "unseen"].flatMap((split) => linesOf(join(store, "problems", problems.key, `${split}.jsonl`)));
  const line: { id: string } = JSON.parse(Rng.for(seed, "poison").pick(lines));
  const [low, high] = deriveSeed64(poisonedSeed, "decode", line.id, "", 0);
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(low, 0);
  bytes.writeUInt32LE(high, 4);
  return { problem: line.id, stages: own.filter(({ kind }) => kind === "decode"), seeds: [bytes.toString("hex")] };
}
