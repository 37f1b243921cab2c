// What one stage will take from the machine. Pure; filled in by cli/planEstimate.ts, read by the scheduler and by `plan`.

/** Estimates, not promises: what decides whether a worker and a disk can take a stage, and in which order stages start. */
export interface StageNeeds {
  /**
   * Bytes of a worker's device that are the least with which the stage can run: one example or one row at a time, as it
   * goes on after running out of memory. 0 for a stage that needs no worker, or where nothing is known.
   */
  readonly memoryBytes: number;
  /** Bytes of the store's disk: what the stage leaves, or what it needs at its peak where that is more. */
  readonly diskBytes: number;
  /** Undefined where neither earlier stages nor the device tell. */
  readonly seconds: number | undefined;
}
