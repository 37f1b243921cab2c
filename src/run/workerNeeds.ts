// Workers as one stage sees them.
import type { WorkerNeeds, Workers } from "../worker/port.ts";

/** The same workers, asked for what a stage needs with each session and each call. */
export function withNeeds(workers: Workers, needs: WorkerNeeds): Workers {
  return {
    get size() {
      return workers.size;
    },
    get gpus() {
      return workers.gpus;
    },
    session: (options) => workers.session({ ...options, needs }),
    free: (name, params, bins, options) => workers.free(name, params, bins, { ...options, needs }),
  };
}
