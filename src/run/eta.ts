// How long a run still takes: what stages of a kind took in this run, before that what was estimated. Pure; seconds.
import type { StageNeeds } from "../plan/needs.ts";
import type { Stage, StageKind } from "../plan/plan.ts";

/** Kinds that keep workers busy: their time divides by the number of workers, that of the others is small beside it. */
const onWorkers: readonly StageKind[] = ["train", "decode"];

interface Taken {
  count: number;
  seconds: number;
  /** Of the stages with an estimate: what they took, and what had been expected. */
  estimated: number;
  expected: number;
}

export class Eta {
  readonly #needs: ReadonlyMap<string, StageNeeds>;
  readonly #workers: number;
  readonly #taken = new Map<StageKind, Taken>();

  constructor(needs: ReadonlyMap<string, StageNeeds>, workers: number) {
    this.#needs = needs;
    this.#workers = Math.max(1, workers);
  }

  /** A stage has ended well. */
  took({ key, kind }: Stage, seconds: number): void {
    const taken = this.#taken.get(kind) ?? { count: 0, seconds: 0, estimated: 0, expected: 0 };
    taken.count++;
    taken.seconds += seconds;
    const expected = this.#needs.get(key)?.seconds;
    if (expected !== undefined && expected > 0) {
      taken.estimated += seconds;
      taken.expected += expected;
    }
    this.#taken.set(kind, taken);
  }

  /** Expected seconds of a stage: its estimate, corrected by how far off those of its kind were; else the mean of its kind. */
  of({ key, kind }: Stage): number | undefined {
    const taken = this.#taken.get(kind);
    const expected = this.#needs.get(key)?.seconds;
    if (expected !== undefined) {
      return taken !== undefined && taken.expected > 0 ? (expected * taken.estimated) / taken.expected : expected;
    }
    return taken === undefined ? undefined : taken.seconds / taken.count;
  }

  /**
   * Seconds to the end of the run: the work shared among the workers, or the longest way through the stages where that is
   * longer. `left` says what a running stage still needs (undefined: unknown) and which stages are still to come, inputs
   * first. Undefined while nothing is known of a stage that needs workers.
   */
  remaining(left: Iterable<{ readonly stage: Stage; readonly seconds: number | undefined }>): number | undefined {
    let work = 0;
    let longest = 0;
    const ways = new Map<string, number>();
    for (const { stage, seconds } of left) {
      const isOnWorkers = onWorkers.includes(stage.kind);
      if (seconds === undefined && isOnWorkers) return undefined;
      const own = seconds ?? 0;
      if (isOnWorkers) work += own;
      const way = own + Math.max(0, ...Object.values(stage.inputs).map((key) => ways.get(key) ?? 0));
      ways.set(stage.key, way);
      longest = Math.max(longest, way);
    }
    return Math.max(work / this.#workers, longest);
  }
}
