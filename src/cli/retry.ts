// backtrail retry: what failed in the last run, and what depends on it; nothing else.
import { UserError } from "../lib/errors.ts";
import { namedStages, withDependents, withInputs } from "../run/select.ts";
import { readRunState } from "../store/runState.ts";
import type { ExitCode, Io } from "./io.ts";
import { type RunFlags, resultsFolder, runSweep } from "./runSweep.ts";
import { loadSweep } from "./sweep.ts";

/** Without `--stage`: the stages that failed in the last run. Exit codes as those of `run`; 0 when nothing failed. */
export async function retryCommand(
  io: Io,
  path: string,
  flags: RunFlags & { readonly stage: readonly string[]; readonly failed: boolean },
): Promise<ExitCode> {
  const sweep = await loadSweep(io, path, flags);
  const { plan } = sweep;
  const named = namedStages(plan, flags.stage, "--stage");
  if (flags.failed || flags.stage.length === 0) {
    const last = await readRunState(resultsFolder(io, sweep, flags));
    if (last === undefined) {
      throw new UserError(
        "no-run",
        `${path}: no run of this sweep is on record in ${flags.results}/${sweep.folder}, so nothing is known to have failed. Start one with \`backtrail run\`, or name a stage with --stage.`,
      );
    }
    const present = new Set(plan.stages.map(({ key }) => key));
    const failed = last.failures.filter(({ key }) => present.has(key));
    const gone = last.failures.length - failed.length;
    if (gone > 0)
      io.err(
        `${gone} of ${last.failures.length} failed stages are not in this plan: its config differs from that of the last run.\n`,
      );
    for (const { key } of failed) named.add(key);
    if (named.size === 0) {
      io.err("Nothing failed in the last run: there is nothing to retry. `backtrail run` goes on with what is left.\n");
      return 0;
    }
  }
  return runSweep(io, { sweep, path, flags, only: withInputs(plan, withDependents(plan, named)) });
}
