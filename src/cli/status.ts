// backtrail status: finished, in progress, to do; who holds the sweep. Reads only; safe while a run is on.
import { resolve } from "node:path";
import { readLock } from "../store/lock.ts";
import { Store } from "../store/store.ts";
import type { ExitCode, Io } from "./io.ts";
import { loadSweep, type SweepFlags } from "./sweep.ts";

export async function statusCommand(io: Io, path: string, flags: SweepFlags & { results: string }): Promise<ExitCode> {
  const sweep = await loadSweep(io, path, flags);
  const store = await Store.openExisting(sweep.storeRoot);
  const holder = await readLock(resolve(io.cwd, flags.results, sweep.folder));
  const stages = [];
  for (const stage of sweep.plan.stages) {
    const finished = (await store?.find(stage.kind, stage.key)) !== undefined;
    const begun = !finished && ((await store?.hasWork(stage.kind, stage.key)) ?? false);
    stages.push({ id: stage.id, kind: stage.kind, key: stage.key, state: finished ? "done" : begun ? "in progress" : "to do" });
  }
  if (flags.json) {
    io.out(`${JSON.stringify({ name: sweep.config.file.name, running: holder ?? null, stages }, null, 2)}\n`);
    return 0;
  }
  const done = stages.filter((stage) => stage.state === "done").length;
  io.out(`${sweep.config.file.name}: ${done} of ${stages.length} stages done\n`);
  io.out(holder === undefined ? "not running\n" : `running: process ${holder.pid} on ${holder.host} since ${holder.since}\n`);
  for (const stage of stages) io.out(`  ${stage.state.padEnd(11)}  ${stage.id}\n`);
  return 0;
}
