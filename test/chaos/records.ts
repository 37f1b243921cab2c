// What a sweep has recorded, read from its store: how far it is, and whether everything is there exactly once.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** results/<sweep>/plan.json, as far as it is needed here. */
const planFile = z.object({
  stages: z.array(
    z.object({
      id: z.string(),
      kind: z.string(),
      key: z.string(),
      inputs: z.record(z.string(), z.string()),
      arms: z.array(z.string()),
      settings: z.object({ policy: z.object({ strict: z.boolean().default(false) }).optional() }),
    }),
  ),
});
export type PlannedStage = z.infer<typeof planFile>["stages"][number];

export function readPlan(folder: string): PlannedStage[] {
  return planFile.parse(JSON.parse(readFileSync(join(folder, "plan.json"), "utf8"))).stages;
}

/** The file with one line per job, by kind of stage: the same name in the stage's work folder and in its artefact. */
const journals: Readonly<Record<string, string>> = { decode: "attempts.jsonl", train: "metrics.jsonl" };

export function linesOf(path: string): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

function isFinished(store: string, { kind, key }: PlannedStage): boolean {
  return existsSync(join(store, kind, key, "manifest.json"));
}

/** Stages without an artefact. */
export function unfinished(store: string, stages: readonly PlannedStage[]): PlannedStage[] {
  return stages.filter((stage) => !isFinished(store, stage));
}

/** Counts the recorded lines of a sweep while it runs. */
export class Records {
  readonly #store: string;
  readonly #open: PlannedStage[];
  readonly #most = new Map<string, number>();
  #closed = 0;

  constructor(store: string, stages: readonly PlannedStage[]) {
    this.#store = store;
    this.#open = stages.filter(({ kind }) => journals[kind] !== undefined);
  }

  /** Lines recorded so far. Never falls: what training cuts back after a kill was recorded once already. */
  count(): number {
    for (const stage of [...this.#open]) {
      const { kind, key } = stage;
      const name = journals[kind] ?? "";
      if (isFinished(this.#store, stage)) {
        this.#closed += linesOf(join(this.#store, kind, key, name)).length;
        this.#open.splice(this.#open.indexOf(stage), 1);
        this.#most.delete(key);
      } else {
        const lines = linesOf(join(this.#store, "work", `${kind}-${key}`, name)).length;
        this.#most.set(key, Math.max(lines, this.#most.get(key) ?? 0));
      }
    }
    return this.#closed + [...this.#most.values()].reduce((sum, lines) => sum + lines, 0);
  }
}

/** Identity of a recorded line: a problem's attempt, or a training step. */
const recorded = z.union([
  z.object({ problemId: z.string() }).transform(({ problemId }) => problemId),
  z.object({ step: z.number() }).transform(({ step }) => String(step)),
]);

/** The identities of a file's lines, in order. */
export function identitiesIn(path: string): string[] {
  return linesOf(path).map((line) => recorded.parse(JSON.parse(line)));
}

/**
 * What is not recorded exactly once: stages without an artefact, problems without an attempt or with two, steps missing or
 * double, stages whose lines differ in number from those of the undisturbed run. Empty when all is well.
 */
export function recordFaults(store: string, undisturbed: string, stages: readonly PlannedStage[]): string[] {
  return stages.flatMap((stage) => {
    const { id, kind, key } = stage;
    if (!isFinished(store, stage)) return [`${id}: has no artefact`];
    const name = journals[kind];
    if (name === undefined) return [];
    const [found, wanted] = [identitiesIn(join(store, kind, key, name)), identitiesIn(join(undisturbed, kind, key, name))];
    const double = found.filter((identity, index) => found.indexOf(identity) !== index);
    const missing = wanted.filter((identity) => !found.includes(identity));
    return [
      ...(double.length === 0 ? [] : [`${id}: recorded twice: ${double.slice(0, 5).join(", ")}`]),
      ...(missing.length === 0 ? [] : [`${id}: not recorded: ${missing.slice(0, 5).join(", ")}`]),
      ...(found.length === wanted.length ? [] : [`${id}: ${found.length} lines, expected ${wanted.length}`]),
    ];
  });
}

/**
 * What the dead have left in the store and the results below a folder, and the next run would meet: work of stages, drafts, locks.
 * Torn `*.tmp` files of a killed writer and its `using-*` mark in the store are not meant: they hold up no run, and `store gc`
 * clears them away.
 */
export function leftovers(folder: string): string[] {
  const names = (name: string) => readdirSync(join(folder, name), { recursive: true, encoding: "utf8" });
  return [
    ...readdirSync(join(folder, "store", "work")).map((name) => `store/work/${name}`),
    ...["store", "results"].flatMap((name) => names(name).filter((path) => /(^|\/)running-[^/]+\.lock$/.test(path))),
  ];
}
