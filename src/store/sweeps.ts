// Which stages the sweeps in results folders are made of, by their plan.json: what a store keeps for them.
import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { UserError } from "../lib/errors.ts";

const plan = z.object({
  name: z.string(),
  stages: z.array(z.object({ id: z.string(), kind: z.string(), key: z.string(), arms: z.array(z.string()) })),
});

export interface SweepPlan {
  /** The folder of its plan.json. */
  readonly folder: string;
  readonly name: string;
  /** Whether it stands below earlier/: results of a configuration that was given up since. */
  readonly isEarlier: boolean;
  readonly stages: z.infer<typeof plan>["stages"];
}

/**
 * The plans of all sweeps at or below the folders, each once; hidden folders and what lies below `except` are not entered.
 * `onBroken` is told of a plan.json that cannot be read by a UserError("results"): what it needs is not known.
 */
export async function readSweeps(
  folders: readonly string[],
  except: string,
  onBroken: (error: UserError) => void,
): Promise<SweepPlan[]> {
  const seen = new Set([await realpath(except).catch(() => except)]);
  const sweeps: SweepPlan[] = [];
  const visit = async (folder: string, isEarlier: boolean): Promise<void> => {
    // Links count: results may be spread over disks. Each folder is entered once, so they cannot lead in circles.
    const real = await realpath(folder).catch(() => undefined);
    if (real === undefined || seen.has(real)) return;
    seen.add(real);
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOTDIR" || error.code === "ENOENT") return [];
      onBroken(unreadable(folder, error));
      return [];
    });
    for (const entry of entries) {
      if (entry.name === "plan.json") sweeps.push(...(await readPlan(folder, isEarlier, onBroken)));
      else if (!entry.isFile() && !entry.name.startsWith("."))
        await visit(join(folder, entry.name), isEarlier || entry.name === "earlier");
    }
  };
  for (const folder of folders) await visit(folder, basename(folder) === "earlier");
  return sweeps;
}

async function readPlan(folder: string, isEarlier: boolean, onBroken: (error: UserError) => void): Promise<SweepPlan[]> {
  const path = join(folder, "plan.json");
  try {
    return [{ folder, isEarlier, ...plan.parse(JSON.parse(await readFile(path, "utf8"))) }];
  } catch (error) {
    onBroken(unreadable(path, error));
    return [];
  }
}

function unreadable(path: string, error: unknown): UserError {
  const reason = error instanceof z.ZodError ? "it is not the plan of a sweep" : (error as Error).message;
  return new UserError(
    "results",
    `${path}: cannot be read (${reason}), so nobody can say which artefacts it needs. Nothing was deleted. Run that sweep again to ` +
      "write it anew, or move its folder away if it is not wanted.",
    { cause: error },
  );
}
