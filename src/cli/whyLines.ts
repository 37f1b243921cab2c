// The story of one stage, in words and as JSON. Pure.
import { formatBytes } from "../lib/bytes.ts";
import { codeVersions } from "../plan/codeVersions.ts";
import { type Difference, differenceText, settingName, shownValue } from "../plan/difference.ts";
import { leavesOf, valueAt } from "../plan/json.ts";
import type { StageState } from "../plan/states.ts";
import { formatDuration } from "../run/progress.ts";
import type { LockHolder } from "../store/lock.ts";
import type { RunState } from "../store/runState.ts";
import type { Manifest } from "../store/store.ts";
import type { StageEstimate } from "./planEstimate.ts";

export interface StageStory {
  readonly state: StageState;
  /** Of its artefact, where there is one. */
  readonly made: Manifest | undefined;
  /** What a stage to do is compared with. */
  readonly nearest: Manifest | undefined;
  readonly estimate: StageEstimate | undefined;
  /** Who works on it now. */
  readonly holder: LockHolder | undefined;
  /** How it ended in the last run, where it failed. */
  readonly failure: RunState["failures"][number] | undefined;
  /** All stages of the plan by key. */
  readonly states: ReadonlyMap<string, StageState>;
}

const armsShown = 8;

export function storyLines(story: StageStory): string[] {
  const { stage, state, why } = story.state;
  const lines: (readonly [string, string])[] = [];
  if (story.holder !== undefined)
    lines.push(["in progress", `by process ${story.holder.pid} on ${story.holder.host} since ${story.holder.since}`]);
  if (story.failure !== undefined) lines.push(...failureRows(story.failure));
  if (why !== "") lines.push(["because", why]);
  lines.push(["key", stage.key], ["kind", `${stage.kind}, code version ${codeVersions[stage.kind]}`]);
  const settings = leavesOf(stage.settings).map(
    ([path, value]) => `${settingName(stage, path.join("."))}: ${shownValue(value)}`,
  );
  lines.push(...rows("settings", settings));
  const inputs = Object.entries(stage.inputs).map(([role, key]) => {
    const input = story.states.get(key);
    return `${role}: ${input?.stage.id ?? "?"}, ${key.slice(0, 12)}, ${input?.state ?? "?"}`;
  });
  lines.push(...rows("inputs", inputs));
  lines.push(["used by", armsText(stage.arms)]);
  if (story.made !== undefined) lines.push(...madeRows(story.made));
  if (story.nearest !== undefined) lines.push(...nearestRows(story.nearest, story.state.differences));
  const isLeft = state === "to do" || state === "begun";
  if (isLeft && story.estimate !== undefined) lines.push(...rows("expected", [expectation(story.estimate)]));
  const width = Math.max(...lines.map(([label]) => label.length));
  return [`${stage.id}: ${state}`, ...lines.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`)];
}

/** The label stands before the first line alone. */
function rows(label: string, texts: readonly string[]): (readonly [string, string])[] {
  return texts.map((text, index) => [index === 0 ? label : "", text]);
}

function failureRows({ cause, log, retry, times }: RunState["failures"][number]): (readonly [string, string])[] {
  const often = times > 1 ? ` (in ${times} runs in a row)` : "";
  return rows("failed last", [`${cause}${often}`, `log: ${log}`, `retry: ${retry}`]);
}

function armsText(arms: readonly string[]): string {
  const more = arms.length > armsShown ? ` and ${arms.length - armsShown} more` : "";
  return `${arms.length} arm${arms.length === 1 ? "" : "s"}: ${arms.slice(0, armsShown).join(", ")}${more}`;
}

function madeRows(made: Manifest): (readonly [string, string])[] {
  const { startedAt, seconds, host, commit, files, bytes } = record(made);
  return rows("made", [
    `${startedAt} on ${host}, in ${formatDuration(seconds)}, by the code of commit ${commit}`,
    `${files} file${files === 1 ? "" : "s"}, ${formatBytes(bytes)}, contents ${made.digest.slice(0, 12)}`,
  ]);
}

function nearestRows(nearest: Manifest, differences: readonly Difference[]): (readonly [string, string])[] {
  const texts = new Set(differences.map((difference) => `  ${differenceText(difference)}${way(difference)}`));
  return rows("compared", [`with the nearest made before: ${nearest.key.slice(0, 12)}, of ${nearest.startedAt}`, ...texts]);
}

/** `(decode > train > dataset)` where the difference lies further off than in an input of the stage itself. */
function way({ through }: Difference): string {
  return through.length > 1 ? ` (${through.join(" > ")})` : "";
}

function expectation({ seconds, basis, assumption, usualMemoryBytes, diskBytes }: StageEstimate): string {
  const from = basis === "assumed rate" ? `assumed ${assumption}` : "as stages like it took";
  const time = seconds === undefined ? "time not known" : `about ${formatDuration(seconds)} (${from})`;
  const memory = usualMemoryBytes > 0 ? `, ${formatBytes(usualMemoryBytes)} of a worker's memory` : "";
  return `${time}${memory}, ${formatBytes(diskBytes)} of disk`;
}

/** What a manifest says of the making. */
function record({ startedAt, seconds, machine, code, files }: Manifest) {
  const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, 0);
  const host = String(valueAt(machine, "host") ?? "an unknown machine");
  return { startedAt, seconds, host, commit: code.commit ?? "unknown", files: Object.keys(files).length, bytes };
}

/** The same for programs. */
export function storyJson({ state: { stage, ...state }, made, nearest, estimate, holder, failure, states }: StageStory) {
  return {
    ...stage,
    codeVersion: codeVersions[stage.kind],
    ...state,
    differences: state.differences.map((difference) => ({ ...difference, text: differenceText(difference) })),
    inputs: Object.entries(stage.inputs).map(([role, key]) => {
      const input = states.get(key);
      return { role, key, id: input?.stage.id, state: input?.state };
    }),
    ...(made === undefined ? {} : { made: { ...record(made), digest: made.digest, inputDigests: made.inputDigests } }),
    ...(nearest === undefined ? {} : { nearest: { key: nearest.key, ...record(nearest) } }),
    ...(estimate === undefined ? {} : { expected: estimate }),
    ...(holder === undefined ? {} : { inProgress: holder }),
    ...(failure === undefined ? {} : { failedLast: failure }),
  };
}
