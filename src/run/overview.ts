// A run in a few lines, for the board of the run itself and for `status` in another terminal. Pure.
import { formatBytes } from "../lib/bytes.ts";
import type { RunState } from "../store/runState.ts";
import { formatDuration } from "./progress.ts";

type Counted = Pick<
  RunState,
  "name" | "totals" | "kinds" | "stagesPerMinute" | "etaSeconds" | "workers" | "workersLost" | "callsRetried"
>;

const workersShown = 8;

/** "smoke: 1/3 arms, 7/12 stages (2 cached, 1 failed), 14 stages/min, 2 min 05 s left", then kinds, then a line per worker. */
export function overviewLines(state: Counted): string[] {
  return [headline(state), kindsLine(state), ...workerLines(state)];
}

function headline({ name, totals, stagesPerMinute, etaSeconds }: Counted): string {
  const { stages, cached, done, failed, skipped, arms, armsDone } = totals;
  const apart = [
    [cached, "cached"],
    [failed, "failed"],
    [skipped, "left out"],
  ] as const;
  const counts = apart.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  const parts = [
    `${armsDone}/${arms} arms`,
    `${cached + done}/${stages} stages${counts.length > 0 ? ` (${counts.join(", ")})` : ""}`,
  ];
  if (stagesPerMinute !== undefined) parts.push(`${stagesPerMinute.toFixed(stagesPerMinute < 10 ? 1 : 0)} stages/min`);
  if (etaSeconds !== undefined) parts.push(`${formatDuration(etaSeconds)} left`);
  return `${name}: ${parts.join(", ")}`;
}

function kindsLine({ kinds, workersLost, callsRetried }: Counted): string {
  const parts = Object.entries(kinds).map(([kind, { done, total }]) => `${kind} ${done}/${total}`);
  if (workersLost > 0) parts.push(`${workersLost} worker${workersLost === 1 ? "" : "s"} lost`);
  if (callsRetried > 0) parts.push(`${callsRetried} call${callsRetried === 1 ? "" : "s"} retried`);
  return `  ${parts.join(" · ")}`;
}

function workerLines({ workers }: Counted): string[] {
  const shown = workers.slice(0, workers.length > workersShown ? workersShown - 1 : workersShown);
  const width = Math.max(0, ...shown.map(({ name }) => name.length));
  const lines = shown.map(
    (worker) => `  ${worker.name.padEnd(width)}  ${worker.device.padEnd(4)}  ${memoryOf(worker)}  ${jobOf(worker)}`,
  );
  return workers.length > shown.length ? [...lines, `  and ${workers.length - shown.length} more workers`] : lines;
}

function memoryOf({ memoryBytes, deviceMemoryBytes }: RunState["workers"][number]): string {
  if (memoryBytes === 0) return "memory ?";
  return deviceMemoryBytes === 0
    ? formatBytes(memoryBytes)
    : `${formatBytes(memoryBytes)} of ${formatBytes(deviceMemoryBytes)}`;
}

function jobOf({ phase, call, calls, session }: RunState["workers"][number]): string {
  if (phase !== "ready") return phase;
  if (call !== "") return session !== "" ? `${call} (training)` : calls > 1 ? `${call}, ${calls - 1} more waiting` : call;
  return session !== "" ? "training" : "idle";
}
