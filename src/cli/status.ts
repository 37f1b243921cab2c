// backtrail status: how far a sweep is, what its run is doing and what failed. Reads only; safe while a run is on.
import { failureLines } from "../run/failure.ts";
import { overviewLines } from "../run/overview.ts";
import { formatRow } from "../run/progress.ts";
import { type HeldLock, ifHostIsGone, readLock } from "../store/lock.ts";
import { type RunState, readRunState } from "../store/runState.ts";
import type { ExitCode, Io } from "./io.ts";
import { readStates } from "./planStates.ts";
import { matrixLines, type StageWord } from "./planTable.ts";
import { type RunFlags, resultsFolder } from "./runSweep.ts";
import { type LoadedSweep, loadSweep } from "./sweep.ts";

/** The store says what is there, the record of the last run (progress.json) what it did and does. */
export async function statusCommand(io: Io, path: string, flags: RunFlags): Promise<ExitCode> {
  const sweep = await loadSweep(io, path, flags);
  const folder = resultsFolder(io, sweep, flags);
  const { states } = await readStates(sweep);
  const holder = await readLock(folder);
  const run = await readRunState(folder);
  const words = stageWords(states, run, holder !== undefined);
  if (flags.json) {
    const stages = words.map(({ stage: { id, kind, key }, state }) => ({ id, kind, key, state }));
    io.out(`${JSON.stringify({ name: sweep.config.file.name, running: holder ?? null, run: run ?? null, stages }, null, 2)}\n`);
  } else {
    io.out(`${statusLines(sweep, words, holder, run).join("\n")}\n`);
  }
  return 0;
}

/** In the words of the store, but for what only the run knows. What was made since the record was written is done. */
function stageWords(states: readonly StageWord[], run: RunState | undefined, isOn: boolean): StageWord[] {
  const told = new Map(run?.stages.map(({ key, state }) => [key, state]));
  return states.map(({ stage, state }) => {
    if (state === "cached") return { stage, state: "done" };
    const now = told.get(stage.key);
    if (now === "running" && isOn) return { stage, state: "running" };
    if (now === "failed") return { stage, state: "failed" };
    if (now === "skipped") return { stage, state: "left out" };
    return { stage, state };
  });
}

function statusLines(
  sweep: LoadedSweep,
  words: readonly StageWord[],
  holder: HeldLock | undefined,
  run: RunState | undefined,
): string[] {
  const { config, plan } = sweep;
  const done = words.filter(({ state }) => state === "done").length;
  const variants = new Map(config.arms.map(({ name, coordinates }) => [name, String(coordinates.arm ?? name)]));
  const lines = [
    `${config.file.name}: ${done} of ${words.length} stages done`,
    whoRuns(holder, run),
    "",
    ...matrixLines(plan, words, variants),
  ];
  if (run === undefined) return lines;
  if (run.configDigest !== config.digest) lines.push("", `That run is of another configuration than this one: ${run.command}`);
  if (holder !== undefined) lines.push("", ...overviewLines(run), ...run.running.map((row) => `  ${formatRow(row)}`));
  const open = run.failures.filter(({ key }) => !words.some(({ stage, state }) => stage.key === key && state === "done"));
  if (open.length > 0) lines.push("", ...open.flatMap((failure) => failureLines(failure)));
  return lines;
}

function whoRuns(holder: HeldLock | undefined, run: RunState | undefined): string {
  if (holder !== undefined) {
    const told = run === undefined ? "" : `; told of itself at ${run.updatedAt}`;
    return `running: process ${holder.pid} on ${holder.host} since ${holder.since}${told}${ifHostIsGone(holder)}`;
  }
  if (run === undefined) return "not running; no run on record";
  const { end, pid, host, updatedAt } = run;
  if (end === undefined)
    return `not running: process ${pid} on ${host} was running until ${updatedAt} and was killed. Nothing is lost: run again to go on`;
  const how = {
    finished: "finished",
    interrupted: "was interrupted",
    stopped: "was stopped",
    error: "ended with an error",
  }[end.how];
  const goOn = end.how === "interrupted" ? "; run again to go on" : "";
  return `not running: the last run ${how} at ${end.at}${goOn}${end.message === "" ? "" : `: ${end.message}`}`;
}
