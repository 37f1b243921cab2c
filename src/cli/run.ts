// backtrail run: the sweep from config to report.
import { namedStages, withInputs } from "../run/select.ts";
import { type ExitCode, type Io, readWholeFlag } from "./io.ts";
import { type RunFlags, runSweep } from "./runSweep.ts";
import { loadSweep } from "./sweep.ts";

/** Exit code 3 when a stage failed or the disk is full, 4 when a required claim was not supported or not judged. */
export async function runCommand(
  io: Io,
  path: string,
  flags: RunFlags & { readonly only?: readonly string[]; readonly limit?: string; readonly failFast: boolean },
): Promise<ExitCode> {
  const limit = flags.limit === undefined ? {} : { limit: readWholeFlag("--limit", flags.limit, 1) };
  const sweep = await loadSweep(io, path, flags);
  const { plan } = sweep;
  const only = flags.only === undefined ? {} : { only: withInputs(plan, namedStages(plan, flags.only, "--only")) };
  return runSweep(io, { sweep, path, flags, failFast: flags.failFast, ...limit, ...only });
}
