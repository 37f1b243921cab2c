// A worker as the pool shows it to people and to `status`.
import type { WorkerDescription } from "./poolTypes.ts";
import type { WorkerState } from "./workerState.ts";

export function describeWorker(worker: WorkerState): WorkerDescription {
  const { name, pid, phase, hello, leasedCount, session, memoryBytes, call, models, malformedByWorker } = worker;
  return {
    name,
    pid,
    phase,
    flavour: hello?.flavour ?? "",
    device: hello?.device ?? "",
    versions: hello?.versions ?? {},
    capabilities: hello?.capabilities ?? [],
    calls: leasedCount,
    session,
    memoryBytes,
    deviceMemoryBytes: hello?.deviceMemoryBytes ?? 0,
    gpus: hello?.gpus ?? 0,
    call,
    models: models.versions,
    malformedByWorker,
  };
}
