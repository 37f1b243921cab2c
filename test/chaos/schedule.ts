// Which fault comes when: a pure function of the seed, the form and the size of the sweeps. Times are numbers of recorded
// lines (attempts and training steps in journals and artefacts) of the sweep that is hit, so a schedule replays on a machine
// of another speed.
import { Rng } from "../../src/lib/rng.ts";
import type { StartOrder } from "./orders.ts";

export type SweepName = "mock" | "torch";

/** What is done. `pick` in [0, 1) chooses among the workers that live at that moment. */
export type Deed =
  | { readonly kind: "kill-worker"; readonly pick: number }
  /** Stopped for less than the silence after which the pool gives a worker up. */
  | { readonly kind: "pause-worker"; readonly pick: number; readonly milliseconds: number }
  /** Stopped for longer than that. */
  | { readonly kind: "hang-worker"; readonly pick: number; readonly milliseconds: number }
  | { readonly kind: "kill-coordinator" }
  | { readonly kind: "pause-coordinator"; readonly milliseconds: number }
  /** Broken messages that workers send; with torch workers broken where the coordinator receives them. */
  | { readonly kind: "corrupt-from-workers"; readonly messages: number }
  | { readonly kind: "corrupt-from-coordinator"; readonly messages: number }
  /** One worker is killed and its successor misbehaves. */
  | { readonly kind: "misbehave"; readonly pick: number; readonly how: StartOrder }
  | { readonly kind: "disk-full"; readonly milliseconds: number }
  | { readonly kind: "clock-jump"; readonly hours: number }
  /** The same sweep is run a second time while it is on. */
  | { readonly kind: "second-run" };

export type Fault = Deed & {
  readonly sweep: SweepName;
  /** Recorded lines of the sweep after which it comes. */
  readonly at: number;
};

export type Form = "short" | "long";

/** The pool's limit of silence is 10 s (src/worker/events.ts). */
const silenceMs = 10_000;
/** Faults come in this part of the sweep: later ones would find nothing to disturb. */
const window = { from: 0.04, to: 0.8 } as const;

type Maker = (rng: Rng) => Deed;

const killWorker: Maker = (rng) => ({ kind: "kill-worker", pick: rng.uniform() });
const pauseWorker: Maker = (rng) => ({ kind: "pause-worker", pick: rng.uniform(), milliseconds: rng.between(200, 2000) });
const hangWorker: Maker = (rng) => ({ kind: "hang-worker", pick: rng.uniform(), milliseconds: silenceMs + 4000 });
const killCoordinator: Maker = () => ({ kind: "kill-coordinator" });
const pauseCoordinator: Maker = (rng) => ({ kind: "pause-coordinator", milliseconds: rng.between(1000, silenceMs + 2000) });
const corruptFromWorkers: Maker = (rng) => ({ kind: "corrupt-from-workers", messages: rng.between(1, 3) });
const corruptFromCoordinator: Maker = (rng) => ({ kind: "corrupt-from-coordinator", messages: rng.between(1, 3) });
const diskFull: Maker = (rng) => ({ kind: "disk-full", milliseconds: rng.between(500, 2000) });
const clockForward: Maker = (rng) => ({ kind: "clock-jump", hours: rng.between(1, 12) });
const clockBack: Maker = (rng) => ({ kind: "clock-jump", hours: -rng.between(1, 12) });
const secondRun: Maker = () => ({ kind: "second-run" });
const misbehave =
  (how: (rng: Rng) => StartOrder): Maker =>
  (rng) => ({ kind: "misbehave", pick: rng.uniform(), how: how(rng) });
const lie = misbehave((rng) => ({ lieAboutVersion: rng.between(3, 99) }));
const answerTwice = misbehave(() => ({ answerTwice: true }));
const flood = misbehave((rng) => ({ flood: rng.between(200, 800) }));
const garbage = misbehave((rng) => ({ garbage: rng.between(1, 3) }));
const brokenHello = misbehave((rng) => ({ breakFirst: rng.between(1, 2) }));

const times = (count: number, maker: Maker): Maker[] => new Array<Maker>(count).fill(maker);

const deeds: Record<Form, Record<SweepName, readonly Maker[]>> = {
  short: {
    mock: [
      ...times(2, killWorker),
      ...times(2, killCoordinator),
      ...[pauseWorker, corruptFromWorkers, lie, answerTwice, flood, diskFull, clockForward, clockBack, secondRun],
    ],
    torch: [killWorker, pauseWorker, killCoordinator, clockForward],
  },
  long: {
    mock: [
      ...times(6, killWorker),
      ...times(4, killCoordinator),
      ...times(3, pauseWorker),
      ...times(2, corruptFromWorkers),
      ...times(2, clockForward),
      ...times(2, clockBack),
      ...times(2, diskFull),
      ...[hangWorker, pauseCoordinator, corruptFromCoordinator, lie, answerTwice, flood, garbage, brokenHello],
      secondRun,
    ],
    torch: [
      ...times(2, killWorker),
      ...times(2, killCoordinator),
      ...[pauseWorker, hangWorker, pauseCoordinator, corruptFromWorkers, corruptFromCoordinator, clockForward, clockBack],
      ...[diskFull, secondRun],
    ],
  },
};

/** The faults of a round, in order. `sizes`: how many lines each sweep records in all; absent: the sweep is not run. */
export function scheduleOf(seed: number, form: Form, sizes: Partial<Record<SweepName, number>>): Fault[] {
  const faults: Fault[] = [];
  for (const sweep of ["mock", "torch"] as const) {
    const size = sizes[sweep];
    if (size === undefined) continue;
    const rng = Rng.for(seed, "chaos", form, sweep);
    const makers = rng.shuffled(deeds[form][sweep]);
    // One fault in each of so many equal parts of the sweep: work is recorded between any two.
    const part = (size * (window.to - window.from)) / makers.length;
    for (const [index, maker] of makers.entries()) {
      const at = Math.floor(size * window.from + part * (index + 0.5 * rng.uniform()));
      faults.push({ ...maker(rng), sweep, at });
    }
  }
  return faults.sort((a, b) => a.at - b.at);
}

/** Seconds that a fault may cost on a quiet machine, at most: what it takes by itself, and the starts that follow from it. */
const allowances: Readonly<Record<Deed["kind"], number>> = {
  "kill-worker": 4,
  "pause-worker": 4,
  "hang-worker": silenceMs / 1000 + 6,
  "kill-coordinator": 8,
  "pause-coordinator": silenceMs / 1000 + 4,
  "corrupt-from-workers": 12,
  "corrupt-from-coordinator": 12,
  misbehave: 4,
  "disk-full": 10,
  "clock-jump": 1,
  "second-run": 4,
};

/** Seconds that all these faults together may cost on a quiet machine, at most. */
export function allowanceOf(faults: readonly Fault[]): number {
  return faults.reduce((sum, { kind }) => sum + allowances[kind], 0);
}

/** A fault in a few words, for the log. */
export function describeFault(fault: Fault): string {
  const { sweep, at, kind, ...details } = fault;
  const shown = Object.keys(details).length === 0 ? "" : ` ${JSON.stringify(details)}`;
  return `${sweep} at ${at}: ${kind}${shown}`;
}
