// A worker of several ranks: one process per rank, started the way torchrun does (rank, number of ranks, a place to meet),
// but by the launcher itself. torchrun puts an agent between us and the ranks, which start in sessions of their own: the
// agent's death leaves them behind. Here each rank is our child, leads a process group that the reaper knows, and arms its
// own parent-death signal. Invariants: the end of any rank ends all; `exited` resolves when none is left.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  exitClause,
  failedLaunch,
  type Launch,
  type Launcher,
  outOfMemoryCode,
  type WorkerExit,
  type WorkerProcess,
} from "./launcher.ts";

export interface RankGroup {
  /** Processes of one worker; on a GPU machine each has a GPU of its own. */
  readonly ranks: number;
  /** DeepSpeed settings, checked by config/deepspeed.ts. */
  readonly deepspeed?: Readonly<Record<string, unknown>>;
}

/** Workers of several ranks, each rank launched by `single`. With one rank it is `single`. */
export function torchrunLauncher(single: Launcher, group: RankGroup): Launcher {
  if (group.ranks === 1) return single;
  return { ...single, launch: (start, logFile, slot) => launchRanks(single, group, { start, logFile, slot }) };
}

function launchRanks(single: Launcher, { ranks, deepspeed }: RankGroup, { start, logFile, slot }: Launch): WorkerProcess {
  let folder: string;
  try {
    // A file for the ranks to meet: no port to race for, and none that other users could connect to (the folder is 0700).
    folder = mkdtempSync(join(tmpdir(), "backtrail-ranks-"));
  } catch (error) {
    return failedLaunch(logFile, error);
  }
  single.removeAtDeath?.(folder);
  const rendezvous = join(folder, "rendezvous");
  const processes = Array.from({ length: ranks }, (_, rank) => {
    const group = { rank, ranks, rendezvous, ...(deepspeed ? { deepspeed: { ...deepspeed } } : {}) };
    return single.launch({ ...start, group }, rank === 0 ? logFile : logFileOf(logFile, rank), slot);
  });
  const kill = (signal: NodeJS.Signals) => {
    for (const one of processes) one.kill(signal);
  };
  let first: { readonly rank: number; readonly exit: WorkerExit } | undefined;
  const ends = processes.map(async ({ exited }, rank) => {
    const exit = await exited;
    first ??= { rank, exit };
    // After rank 0 has said goodbye the others wait for calls that never come; after a death they wait for the dead.
    kill("SIGKILL");
    return exit;
  });
  const exited = Promise.all(ends).then(([ofLeader]) => {
    rmSync(folder, { recursive: true, force: true });
    const { rank, exit } = first ?? { rank: 0, exit: ofLeader as WorkerExit };
    const memory = exit.code === outOfMemoryCode ? { outOfMemory: true } : {};
    return { ...exit, reason: `rank ${rank} of ${ranks} ${exitClause(exit)}`, ...memory };
  });
  const leader = processes[0] as WorkerProcess;
  return {
    pid: leader.pid,
    exited,
    kill,
    stderrTail: () => {
      const rank = first?.rank ?? 0;
      const tail = processes[rank]?.stderrTail() ?? "";
      return tail === "" ? "" : `[rank ${rank} of ${ranks}]\n${tail}`;
    },
    logFile,
  };
}

/** worker-1.log -> worker-1.rank1.log */
const logFileOf = (logFile: string, rank: number) => logFile.replace(/(\.log)?$/, `.rank${rank}.log`);
