// Whether a worker has what a call needs. Pure. What a worker has not told counts as enough: only what can never fit is
// refused, and memory that runs out after all is the worker's to report.
import { formatBytes } from "../lib/bytes.ts";
import { WorkerError, type WorkerNeeds } from "./port.ts";

/** What a worker has told of its device; undefined = unknown. */
export interface DeviceFacts {
  readonly deviceMemoryBytes?: number | undefined;
  readonly gpus?: number | undefined;
}

/** Whether the needs can be met; a worker that has not said hello yet (undefined) may turn out to fit. */
export function fits(needs: WorkerNeeds | undefined, device: DeviceFacts | undefined): boolean {
  const { memoryBytes = 0, gpus = 0 } = needs ?? {};
  return (
    memoryBytes <= (device?.deviceMemoryBytes ?? Number.POSITIVE_INFINITY) && gpus <= (device?.gpus ?? Number.POSITIVE_INFINITY)
  );
}

function amounts(memoryBytes: number | undefined, gpus: number | undefined): string {
  const parts = [
    ...(memoryBytes === undefined ? [] : [`${formatBytes(memoryBytes)} of device memory`]),
    ...(gpus === undefined ? [] : [`${gpus} ${gpus === 1 ? "GPU" : "GPUs"}`]),
  ];
  return parts.length === 0 ? "an unknown device" : parts.join(" and ");
}

/** The refusal of a call that no worker can ever run; names what it needs and what each worker has. */
export function noFittingWorker(
  what: string,
  needs: WorkerNeeds,
  workers: readonly (readonly [name: string, device: DeviceFacts])[],
): WorkerError {
  const has = workers.map(([name, device]) => `${name} has ${amounts(device.deviceMemoryBytes, device.gpus)}`);
  const message = `no worker can run ${what}: it needs ${amounts(needs.memoryBytes, needs.gpus)}; ${has.join("; ")}`;
  return new WorkerError("no-fitting-worker", message);
}
