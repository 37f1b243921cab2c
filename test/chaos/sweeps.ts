// The two sweeps of the suite and how they are run: folders, arguments, environment.
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildSync } from "esbuild";
import type { Finished } from "./compare.ts";
import type { Command } from "./coordinator.ts";
import { environmentNames } from "./orders.ts";
import type { SweepName } from "./schedule.ts";

/** Where a run of one or both sweeps lives: one store, one folder of temporary files, one mark for all processes. */
export interface Place {
  readonly folder: string;
  /** In the environment of every process of the place. */
  readonly mark: string;
}

export function makePlace(folder: string): Place {
  const temporary = temporaryOf(folder);
  mkdirSync(temporary, { recursive: true });
  // The compiled sources of tsx are no leftovers of ours, and making them anew costs seconds.
  const cache = `tsx-${userInfo().uid}`;
  if (existsSync(join(tmpdir(), cache))) symlinkSync(join(tmpdir(), cache), join(temporary, cache));
  // One file that Node loads as it is: hundreds of processes start with it.
  const source = fileURLToPath(new URL("preload.ts", import.meta.url));
  buildSync({
    entryPoints: [source],
    outfile: preloadOf(folder),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
  });
  return { folder, mark: `${environmentNames.mark}=${folder}` };
}

/** TMPDIR of all processes: short, because sockets lie in it. */
export function temporaryOf(folder: string): string {
  return join(folder, "t");
}

function preloadOf(folder: string): string {
  return join(folder, "preload.mjs");
}

export function foldersOf({ folder }: Place, sweep: SweepName): Finished {
  const name = sweep === "mock" ? "chaos-mock-mock" : "chaos-torch";
  return { store: join(folder, "store"), results: join(folder, "results", name) };
}

export function ordersOf({ folder }: Place, sweep: SweepName): string {
  return join(folder, `orders-${sweep}`);
}

/** `backtrail run` of a sweep. With `seed` its processes obey the orders in `ordersOf`. */
export function commandOf(place: Place, sweep: SweepName, options: { workers?: number; seed?: number } = {}): Command {
  const { folder } = place;
  const config = fileURLToPath(new URL(`${sweep}.yaml`, import.meta.url));
  const sets = [`store=${join(folder, "store")}`];
  if (options.workers !== undefined) sets.push(`workers.count=${options.workers}`);
  const disturbed = {
    NODE_OPTIONS: `--import ${pathToFileURL(preloadOf(folder))}`,
    [environmentNames.folder]: ordersOf(place, sweep),
    [environmentNames.seed]: String(options.seed),
  };
  return {
    args: [
      ...["run", config, "--results", join(folder, "results")],
      ...(sweep === "mock" ? ["--mock"] : []),
      ...sets.flatMap((set) => ["--set", set]),
    ],
    env: {
      TMPDIR: temporaryOf(folder),
      [environmentNames.mark]: folder,
      CI: "1",
      // Bits are compared, so no GPU; and a test runner's own options are not for these processes.
      CUDA_VISIBLE_DEVICES: "",
      NODE_OPTIONS: "",
      ...(options.seed === undefined ? {} : disturbed),
    },
    log: join(folder, `${sweep}.log`),
  };
}
