// A plan in words: arms x kinds of stage, why stages are to do, what it will take. Pure.
import { formatBytes } from "../lib/bytes.ts";
import type { ArmPlan, Plan, Stage, StageKind } from "../plan/plan.ts";
import type { StageState } from "../plan/states.ts";
import { formatDuration } from "../run/progress.ts";
import type { StageEstimate } from "./planEstimate.ts";
import type { PlanTotals } from "./planTotals.ts";

const kinds: readonly StageKind[] = ["problems", "dataset", "train", "decode", "grade"];
/** Rows of the matrix up to which every arm has its own. */
const armsShown = 40;
const reasonsShown = 12;

/** A stage and its state in a word or two. */
export interface StageWord {
  readonly stage: Stage;
  readonly state: string;
}

/**
 * A row per arm, a column per kind. A stage that several arms use stands in the row of the first and is "shared" in the
 * others. Of more than 40 arms those with equal rows and the same name in `sweep.arms` share a row. `variants`: arm -> that name.
 */
export function matrixLines(plan: Plan, states: readonly StageWord[], variants: ReadonlyMap<string, string>): string[] {
  const byKey = new Map(states.map((state) => [state.stage.key, state]));
  const rows = plan.arms.map((arm) => ({ arm: arm.name, cells: kinds.map((kind) => cell(arm, kind, byKey)) }));
  const groups = new Map<string, { readonly arm: string; readonly cells: readonly string[]; alike: number }>();
  for (const { arm, cells } of rows) {
    const name = rows.length > armsShown ? [variants.get(arm) ?? arm, ...cells].join("\n") : arm;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { arm, cells, alike: 0 });
    else group.alike++;
  }
  const shown = [...groups.values()].slice(0, armsShown);
  const left = rows.length - shown.reduce((sum, { alike }) => sum + 1 + alike, 0);
  const lines = alignedLines([
    ["arm", ...kinds],
    ...shown.map(({ arm, cells, alike }) => [`${arm}${alike > 0 ? ` and ${alike} more alike` : ""}`, ...cells]),
  ]);
  return left > 0 ? [...lines, `and ${left} more arms (--json lists all)`] : lines;
}

function cell(arm: ArmPlan, kind: StageKind, byKey: ReadonlyMap<string, StageWord>): string {
  const states = keysOf(arm, kind).flatMap((key) => byKey.get(key) ?? []);
  const counts = new Map<string, number>();
  for (const { stage, state } of states) {
    const word = stage.arms[0] === arm.name ? state : "shared";
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  if (states.length === 0) return "-";
  return [...counts].map(([word, count]) => (states.length === 1 ? word : `${count} ${word}`)).join(", ");
}

function keysOf(arm: ArmPlan, kind: StageKind): string[] {
  if (kind === "decode" || kind === "grade") return Object.values(arm[kind]);
  const key = arm[kind];
  return key === undefined ? [] : [key];
}

/** A line per stage: state, name, beginning of its key, expected time, reason. */
export function stageLines(states: readonly StageState[], estimates: ReadonlyMap<string, StageEstimate>): string[] {
  return alignedLines(
    states.map(({ stage, state, why, nearest }) => {
      const seconds = state === "to do" || state === "begun" ? estimates.get(stage.key)?.seconds : undefined;
      const time = seconds === undefined ? "" : `~${formatDuration(seconds)}`;
      return [
        state,
        stage.id,
        stage.key.slice(0, 12),
        time,
        `${why}${nearest === undefined ? "" : ` (nearest ${nearest.slice(0, 12)})`}`,
      ];
    }),
  );
}

/** Why stages are to do, those with the same reason together; values of one setting count as one reason. */
export function reasonLines(states: readonly StageState[]): string[] {
  const groups = new Map<string, { readonly kind: StageKind; readonly why: Set<string>; count: number }>();
  for (const { stage, state, why, differences } of states) {
    if (state === "cached") continue;
    const first = differences[0];
    const cause = first?.what === "setting" ? `${first.through.join()} ${first.setting}` : why;
    const name = `${stage.kind}\n${cause}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { kind: stage.kind, why: new Set([why]), count: 1 });
    else {
      group.count++;
      group.why.add(why);
    }
  }
  const all = [...groups.values()];
  const rows = all.slice(0, reasonsShown).map(({ kind, why, count }) => {
    const [first = ""] = why;
    const others = why.size > 1 ? ` (and ${why.size - 1} other values)` : "";
    return [`${count} ${kind}`, `${first}${others}`];
  });
  const lines = alignedLines(rows);
  return all.length > reasonsShown
    ? [...lines, `and ${all.length - reasonsShown} more reasons (--stages lists every stage)`]
    : lines;
}

/** What is left, in three lines. */
export function totalLines(totals: PlanTotals, store: string): string[] {
  const { flavour, stages, states, toDo, time, memory, deviceMemoryBytes, disk } = totals;
  const kinds = (["begun", "stale"] as const).filter((state) => states[state] > 0);
  const among = kinds.length === 0 ? "" : ` (${kinds.map((state) => `${states[state]} ${state}`).join(", ")})`;
  const counts = [
    `${states.cached} of ${stages} stages cached`,
    `${toDo} to do${among}`,
    ...(states.damaged > 0 ? [`${states.damaged} damaged`] : []),
  ].join(", ");
  if (toDo === 0) return [counts];
  const device = deviceMemoryBytes === undefined ? "" : `; the device has ${formatBytes(deviceMemoryBytes)}`;
  return [
    counts,
    `time: ${timeText(time)}`,
    memory === undefined
      ? `memory: ${flavour === "mock" ? "next to none for mock workers" : `not known${device}`}`
      : `memory: about ${formatBytes(memory.usualBytes)} in one worker (${memory.stage}), at least ${formatBytes(memory.leastBytes)}${device}${memoryWarning(memory, deviceMemoryBytes)}`,
    `disk: about ${formatBytes(disk.neededBytes)} needed, ${formatBytes(disk.freeBytes)} free at ${store}${disk.neededBytes > disk.freeBytes ? ": NOT ENOUGH. Free some (`backtrail store gc`) or put `store:` on another disk" : ""}`,
  ];
}

function timeText({ seconds, workers, basis, assumptions }: PlanTotals["time"]): string {
  const earlier = basis["earlier stages"];
  const assumed = basis["assumed rate"];
  const parts = [
    ...(earlier > 0 ? [`${earlier} as long as stages like them took`] : []),
    ...(assumed > 0 ? [`${assumed} at assumed rates: ${assumptions.join("; ")}`] : []),
    ...(basis.nothing > 0 ? [`${basis.nothing} of unknown time, not counted`] : []),
  ];
  const total = earlier + assumed === 0 ? "unknown" : `about ${formatDuration(seconds)}`;
  return `${total} with ${workers} worker${workers === 1 ? "" : "s"} (${parts.join(", ")})`;
}

function memoryWarning(memory: NonNullable<PlanTotals["memory"]>, deviceMemoryBytes: number | undefined): string {
  if (deviceMemoryBytes === undefined || memory.usualBytes <= deviceMemoryBytes) return "";
  if (memory.leastBytes > deviceMemoryBytes) return ": TOO LITTLE, the stage would be refused";
  return ": less than that, so it will run in smaller passes, more slowly";
}

/** Columns as wide as their widest entry; nothing trails. */
function alignedLines(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
