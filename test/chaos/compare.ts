// Two runs of one sweep compared: what must be equal byte for byte, and the list of what stands apart (DESIGN section 6: times,
// hosts and rates). Nothing else is left out of any comparison.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { linesOf, type PlannedStage } from "./records.ts";

/**
 * Fields of summary.json that stand apart: when it was made; versions and machine of the process that gathered it; how long each
 * stage took. `*` is any key or index. Besides them, digests of the artefacts that `digestVaries` names.
 */
const apart = ["createdAt", "provenance.machine", "provenance.code", "provenance.stages.*.seconds"] as const;
const digestOfStage = "provenance.stages.*.digest";
/** Scores of attempts: equal within rounding, where torch decodes in batches that depend on the schedule. */
const scores = new Set(["meanLogprob", "score"]);

type Flavour = "mock" | "torch";

/** Attempts whose scores differ in the last digits: those of torch outside of strict mode. */
function scoresVary({ kind, settings }: PlannedStage, flavour: Flavour): boolean {
  return kind === "decode" && flavour === "torch" && settings.policy?.strict !== true;
}

/** Beside those, metrics.jsonl of training holds tokens per second. What such artefacts hold otherwise is compared file by file. */
function digestVaries(stage: PlannedStage, flavour: Flavour): boolean {
  return stage.kind === "train" || scoresVary(stage, flavour);
}

type Value = null | boolean | number | string | readonly Value[] | { readonly [key: string]: Value };

function parse(text: string): Value {
  return JSON.parse(text);
}

/** A copy without the fields whose path or key is to be dropped. */
function without(value: Value, dropped: (path: string, holder: Value) => boolean, path = ""): Value {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item) => without(item, dropped, `${path}.*`));
  const kept = Object.entries(value).filter(([key]) => !dropped(`${path}.${key}`.slice(1), value));
  return Object.fromEntries(kept.map(([key, item]) => [key, without(item, dropped, `${path}.${key}`)]));
}

/** The id of the stage that a record of `provenance.stages` is of. */
function stageOf(record: Value): string {
  const stage = record !== null && typeof record === "object" && "stage" in record ? record.stage : "";
  return typeof stage === "string" ? stage : "";
}

const manifestFile = z.object({ files: z.record(z.string(), z.object({ sha256: z.string() })) });

/** A sweep's folders after a run. */
export interface Finished {
  readonly store: string;
  /** results/<sweep>. */
  readonly results: string;
}

/** The compared text of each file, by its name. */
function comparedFiles({ store, results }: Finished, stages: readonly PlannedStage[], flavour: Flavour): Map<string, string> {
  const files = new Map<string, string>();
  const summary = parse(readFileSync(join(results, "summary.json"), "utf8"));
  const varying = new Set(stages.filter((stage) => digestVaries(stage, flavour)).map(({ id }) => id));
  const standsApart = (path: string, holder: Value) =>
    apart.some((item) => item === path) || (path === digestOfStage && varying.has(stageOf(holder)));
  files.set("summary.json", JSON.stringify(without(summary, standsApart), null, 1));
  files.set("results.csv", readFileSync(join(results, "results.csv"), "utf8"));
  for (const stage of stages) {
    const { id, kind, key } = stage;
    const folder = join(store, kind, key);
    if (kind === "grade") files.set(`verdicts of ${id}`, readText(join(folder, "verdicts.jsonl")));
    if (kind === "decode") files.set(`attempts of ${id}`, attempts(join(folder, "attempts.jsonl"), scoresVary(stage, flavour)));
    if (kind === "train") files.set(`checkpoint of ${id}`, checkpoint(join(folder, "manifest.json")));
  }
  return files;
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "(there is no such file)";
}

function attempts(path: string, withoutScores: boolean): string {
  if (!withoutScores) return readText(path);
  const isScore = (at: string) => scores.has(at.slice(at.lastIndexOf(".") + 1));
  return linesOf(path)
    .map((line) => JSON.stringify(without(parse(line), isScore)))
    .join("\n");
}

/** The digests of a checkpoint's files: weights are equal bit by bit, however often training was resumed. */
function checkpoint(path: string): string {
  const { files } = manifestFile.parse(JSON.parse(readText(path)));
  const lines = Object.entries(files).map(([name, { sha256 }]) => `${name} ${sha256}`);
  return lines.filter((line) => !line.startsWith("metrics.jsonl ")).join("\n");
}

/** The first line in which two texts differ, shown. */
function firstDifference(found: string, wanted: string): string {
  const [lines, others] = [found.split("\n"), wanted.split("\n")];
  const at = lines.findIndex((line, index) => line !== others[index]);
  const show = (line: string | undefined) => JSON.stringify(line ?? "(nothing)").slice(0, 300);
  return at < 0
    ? `${others.length - lines.length} lines are missing`
    : `line ${at + 1}: ${show(lines[at])} where ${show(others[at])} is due`;
}

/** Which files of a run differ from those of the undisturbed one, each with the first line that differs. */
export function differences(run: Finished, undisturbed: Finished, stages: readonly PlannedStage[], flavour: Flavour): string[] {
  const found = comparedFiles(run, stages, flavour);
  return [...comparedFiles(undisturbed, stages, flavour)].flatMap(([name, wanted]) => {
    const text = found.get(name) ?? "";
    return text === wanted ? [] : [`${name}: ${firstDifference(text, wanted)}`];
  });
}
