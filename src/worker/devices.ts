// Which GPUs each worker of this machine gets. Pure: the environment and what was found come from the caller.
import { UserError } from "../lib/errors.ts";

export interface GpuQuestion {
  /** Number of workers (`workers.count`). */
  readonly workers: number;
  /** GPUs of one worker as configured (`workers.gpus`); 0 = none. */
  readonly gpus: number | undefined;
  /** Processes of one worker. */
  readonly ranks: number;
  /** The user's own CUDA_VISIBLE_DEVICES: numbers, UUIDs or MIG names. */
  readonly visible: string | undefined;
  /** GPUs that PyTorch can use here, under that variable. */
  readonly found: number;
}

/**
 * For each worker the entries of its CUDA_VISIBLE_DEVICES, or undefined where there is no GPU to give. Each gets GPUs of its
 * own; only when `gpus` is not set may several workers of one rank share one. The ranks of a group see all GPUs of the group
 * and take the one of their number. Throws UserError("workers") when there are too few.
 */
export function assignGpus({ workers, gpus, ranks, visible, found }: GpuQuestion): string[][] | undefined {
  // PyTorch sees one instance of a MIG device, however many are listed: each process is given its own.
  const offered = found > 0 && visible?.includes("MIG-") ? visible.split(",").length : found;
  const each = gpus ?? (found === 0 ? 0 : ranks);
  if (each === 0) return found === 0 ? undefined : Array.from({ length: workers }, () => []);
  const shared = gpus === undefined && ranks === 1;
  if (workers * each > offered && !shared) throw tooFew(workers, each, gpus === undefined ? "ranks" : "gpus", offered);
  const names = namesOf(visible, offered);
  return Array.from({ length: workers }, (_, worker) =>
    Array.from({ length: each }, (_, index) => names[(worker * each + index) % names.length] ?? String(index)),
  );
}

/** As CUDA counts: the variable's entries in their order, else the numbers from 0. */
function namesOf(visible: string | undefined, found: number): string[] {
  if (visible === undefined) return Array.from({ length: found }, (_, index) => String(index));
  return visible
    .split(",")
    .map((name) => name.trim())
    .slice(0, found);
}

function tooFew(workers: number, each: number, key: "gpus" | "ranks", found: number): UserError {
  const fewer = [
    ...(found >= each ? [`workers.count to ${Math.floor(found / each)}`] : []),
    ...(found >= workers ? [`workers.${key} to ${Math.floor(found / workers)}`] : []),
  ];
  const mend = fewer.length > 0 ? `Set ${fewer.join(" or ")}.` : `Set workers.${key} to 0 to compute on the CPU.`;
  return new UserError(
    "workers",
    `workers.count is ${workers} and workers.${key} ${each}: together ${workers * each}, but this machine offers ${found} ${found === 1 ? "GPU" : "GPUs"}. ${mend}`,
  );
}
