// One round: both sweeps at once on one store while a schedule of faults comes down on them, then the poison is taken away and
// the run is finished. What is left is checked; every check says what speaks against it.
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { differences } from "./compare.ts";
import { backtrail, Coordinator, type Ended } from "./coordinator.ts";
import { Injector } from "./inject.ts";
import { injectedLine, orderFiles } from "./orders.ts";
import { markedBy } from "./processes.ts";
import { identitiesIn, leftovers, linesOf, Records, recordFaults, unfinished } from "./records.ts";
import { allowanceOf, describeFault, type Fault, type Form, type SweepName, scheduleOf } from "./schedule.ts";
import { commandOf, foldersOf, makePlace, ordersOf, type Place, temporaryOf } from "./sweeps.ts";
import { type Check, choosePoison, noPoison, type Poison, type Undisturbed, type UndisturbedSweep } from "./undisturbed.ts";

const pollMs = 25;
/** Looking at all processes of the machine is not free. */
const noticeMs = 250;
/** What finding the poison may cost: it kills its worker again and again. */
const poisonSeconds = 30;
/** The time that a sweep has is so many times what it should need at most: other work may be on the machine. */
const patience = 4;
/** Runs of a sweep that end by themselves with failed stages before the round gives up: a full disk takes one. */
const endsAllowed = 6;

export interface RoundOptions {
  readonly seed: number;
  readonly form: Form;
  readonly folder: string;
  readonly undisturbed: Undisturbed;
  readonly say: (text: string) => void;
}

export interface SweepReport {
  readonly seconds: number;
  readonly undisturbedSeconds: number;
  /** What the faults may cost on a quiet machine. `seconds` is at most 4 times the sum of this and the undisturbed run. */
  readonly allowedSeconds: number;
  readonly starts: number;
  readonly workersLost: number;
  /** Stages that failed in any of the runs, with how often. */
  readonly failures: Readonly<Record<string, number>>;
  /** Faults by kind: what the schedule held and was done. */
  readonly faults: Readonly<Record<string, number>>;
  /** Scheduled, but the sweep was over before. */
  readonly lapsed: readonly string[];
  /** What took effect inside processes, by kind. */
  readonly injected: Readonly<Record<string, number>>;
}

export interface RoundReport {
  readonly seed: number;
  readonly form: Form;
  readonly ok: boolean;
  readonly checks: readonly Check[];
  readonly sweeps: Partial<Record<SweepName, SweepReport>>;
}

/** Runs a round and checks it. Rejects only when the harness itself fails. */
export async function runRound(options: RoundOptions): Promise<RoundReport> {
  const { seed, form, undisturbed } = options;
  mkdirSync(options.folder, { recursive: true });
  const place = makePlace(options.folder);
  const poison = choosePoison(seed, undisturbed);
  const sizes = Object.fromEntries(entriesOf(undisturbed).map(([name, sweep]) => [name, sweep.lines]));
  const schedule = scheduleOf(seed, form, sizes);
  const runs = await Promise.all(
    entriesOf(undisturbed).map(([name, calm]) => {
      const faults = schedule.filter(({ sweep }) => sweep === name);
      return new Disturbed(options, place, name, calm, faults, name === "mock" ? poison : noPoison).run();
    }),
  );
  const checks = [...runs.flatMap((run) => run.checks), ...leftBehind(place)];
  const sweeps = Object.fromEntries(runs.map(({ name, report }) => [name, report]));
  return { seed, form, ok: checks.every(({ faults }) => faults.length === 0), checks, sweeps };
}

function entriesOf({ sweeps }: Undisturbed): [SweepName, UndisturbedSweep][] {
  return (["mock", "torch"] as const).flatMap((name) => {
    const sweep = sweeps[name];
    return sweep === undefined ? [] : [[name, sweep]];
  });
}

/** What outlived both sweeps. */
function leftBehind({ folder, mark }: Place): Check[] {
  const processes = markedBy(mark).map(({ pid, command }) => `process ${pid}: ${command.slice(0, 120)}`);
  const sockets = readdirSync(temporaryOf(folder)).filter((name) => name.startsWith("backtrail-"));
  return [
    { name: "no process is left", faults: processes },
    { name: "no socket is left", faults: sockets },
    { name: "nothing is left of stages in progress", faults: leftovers(folder) },
  ];
}

const summaryFile = z.object({ failures: z.array(z.object({ stage: z.string(), cause: z.string() })) });
const manifestFile = z.object({ seconds: z.number() });

/** One sweep of a round. */
class Disturbed {
  readonly #options: RoundOptions;
  readonly #place: Place;
  readonly #name: SweepName;
  readonly #calm: UndisturbedSweep;
  readonly #faults: Fault[];
  readonly #poison: Poison;
  readonly #coordinator: Coordinator;
  readonly #injector: Injector;
  readonly #done: Record<string, number> = {};
  readonly #allowedSeconds: number;
  #seconds = 0;

  constructor(options: RoundOptions, place: Place, name: SweepName, calm: UndisturbedSweep, faults: Fault[], poison: Poison) {
    this.#options = options;
    this.#place = place;
    this.#name = name;
    this.#calm = calm;
    this.#faults = [...faults];
    this.#allowedSeconds = allowanceOf(faults) + (poison.stages.length > 0 ? poisonSeconds : 0);
    this.#poison = poison;
    this.#coordinator = new Coordinator(commandOf(place, name, { seed: options.seed }));
    const target = {
      coordinator: this.#coordinator,
      orders: ordersOf(place, name),
      flavour: name,
      command: commandOf(place, name),
    };
    this.#injector = new Injector(target, poison.seeds);
  }

  async run(): Promise<{ readonly name: SweepName; readonly checks: Check[]; readonly report: SweepReport }> {
    const began = performance.now();
    const inTime = await this.#disturb(began + 1000 * this.#limitSeconds);
    await this.#injector.settle();
    this.#seconds = (performance.now() - began) / 1000;
    const poisoned = this.#poisonCheck();
    this.#injector.lift();
    const last = inTime ? await backtrail(commandOf(this.#place, this.#name)) : undefined;
    const checks = [this.#endCheck(inTime, last), poisoned, ...this.#resultChecks()];
    return {
      name: this.#name,
      checks: checks.map((check) => ({ ...check, name: `${this.#name}: ${check.name}` })),
      report: this.#report(),
    };
  }

  get #limitSeconds(): number {
    return patience * (this.#allowedSeconds + this.#calm.seconds);
  }

  /** Runs the sweep under its faults until it has ended well or with nothing but poison left. False: it did not within the time. */
  async #disturb(until: number): Promise<boolean> {
    const records = new Records(foldersOf(this.#place, this.#name).store, this.#calm.stages);
    let noticed = 0;
    let byItself = 0;
    this.#coordinator.start();
    while (performance.now() < until) {
      if (performance.now() - noticed > noticeMs) {
        this.#coordinator.notice();
        noticed = performance.now();
      }
      if (this.#coordinator.pid === 0 && !this.#injector.diskFull) {
        const end = this.#coordinator.ends.at(-1);
        if (end?.signal !== "SIGKILL" && (this.#isOver(end) || ++byItself === endsAllowed)) return true;
        this.#coordinator.start();
      }
      await this.#injectDue(records.count());
      await sleep(pollMs);
    }
    this.#options.say(
      `${this.#name}: not over in time; its last lines:\n${this.#coordinator.ends.at(-1)?.err.slice(-2000) ?? ""}`,
    );
    this.#coordinator.signal("SIGKILL");
    return false;
  }

  async #injectDue(recorded: number): Promise<void> {
    const [fault] = this.#faults;
    if (fault === undefined || recorded < fault.at || !this.#injector.ready(fault)) return;
    this.#faults.shift();
    this.#options.say(`${describeFault(fault)} (at ${recorded})`);
    this.#done[fault.kind] = (this.#done[fault.kind] ?? 0) + 1;
    await this.#injector.inject(fault);
  }

  /** Whether a run that ended by itself leaves nothing to do but what is poisoned. */
  #isOver(end: Ended | undefined): boolean {
    if (end?.code === 0) return true;
    const { store } = foldersOf(this.#place, this.#name);
    const { stages } = this.#calm;
    const poisoned = new Set(this.#poison.stages.map(({ key }) => key));
    const open = unfinished(store, stages).filter(
      ({ key, inputs }) => !poisoned.has(key) && !poisoned.has(inputs.decode ?? ""),
    );
    return end?.code === 3 && open.length === 0;
  }

  /** What the last finished run says of its failed stages. */
  #failures(): { stage: string; cause: string }[] {
    const path = join(foldersOf(this.#place, this.#name).results, "summary.json");
    return existsSync(path) ? summaryFile.parse(JSON.parse(readFileSync(path, "utf8"))).failures : [];
  }

  /** Stages that failed in any run, as they were told on stderr, with the cause. */
  #told(): { stage: string; cause: string }[] {
    const lines = this.#coordinator.ends.flatMap(({ err }) => [...err.matchAll(/^(.+): FAILED: (.*)$/gm)]);
    return lines.map(([, stage = "", cause = ""]) => ({ stage: stage.trim(), cause }));
  }

  #poisonCheck(): Check {
    const { problem, stages } = this.#poison;
    const failed = this.#failures();
    const isQuarantine = (cause: string) => /lose their worker each time|quarantined/.test(cause);
    const names = (stage: string) =>
      failed.some((failure) => failure.stage === stage && failure.cause.includes(`time (${problem})`));
    return {
      name: "the planted poison is quarantined, and nothing else",
      faults: [
        ...stages
          .filter(({ id }) => !names(id))
          .map(({ id }) => `${id}: failed without naming the poisoned problem ${problem}`),
        ...this.#lostBesidePoison(),
        ...[...failed, ...this.#told()]
          .filter(({ stage, cause }) => isQuarantine(cause) && !stages.some(({ id }) => id === stage))
          .map(({ stage, cause }) => `${stage} holds no poison: ${cause.slice(0, 200)}`),
      ],
    };
  }

  /** Poisoned stages whose journal lacks more than the poisoned problem. */
  #lostBesidePoison(): string[] {
    const { problem, stages } = this.#poison;
    const own = foldersOf(this.#place, this.#name).store;
    const calm = foldersOf(this.#options.undisturbed.place, this.#name).store;
    return stages.flatMap(({ id, key }) => {
      const found = identitiesIn(join(own, "work", `decode-${key}`, "attempts.jsonl"));
      const wanted = identitiesIn(join(calm, "decode", key, "attempts.jsonl"));
      const missing = wanted.filter((identity) => identity !== problem && !found.includes(identity));
      return missing.length === 0 ? [] : [`${id}: attempts that hold no poison were not kept: ${missing.join(", ")}`];
    });
  }

  #endCheck(inTime: boolean, last: Ended | undefined): Check {
    const failed = inTime ? [] : [`did not end within ${this.#limitSeconds.toFixed(0)} s`];
    if (last !== undefined && last.code !== 0)
      failed.push(`without poison it ended with code ${last.code}: ${last.err.slice(-1000)}`);
    return { name: "ends well within the time allowed", faults: failed };
  }

  #resultChecks(): Check[] {
    const [own, calm] = [foldersOf(this.#place, this.#name), foldersOf(this.#options.undisturbed.place, this.#name)];
    const { stages } = this.#calm;
    const recorded = recordFaults(own.store, calm.store, stages);
    const survivors = this.#coordinator.survivors().map(({ pid, command }) => `process ${pid}: ${command.slice(0, 120)}`);
    return [
      { name: "every job is recorded once", faults: recorded },
      // Comparing what is not there only repeats the line above.
      {
        name: "results are those of the undisturbed run",
        faults: recorded.length > 0 ? [] : differences(own, calm, stages, this.#name),
      },
      { name: "no process outlives its coordinator", faults: [...this.#injector.complaints, ...survivors] },
      { name: "durations are sane though the clock jumps", faults: this.#oddDurations(own.store) },
    ];
  }

  /** Stages whose recorded duration is negative or longer than the round. */
  #oddDurations(store: string): string[] {
    return this.#calm.stages.flatMap(({ id, kind, key }) => {
      const path = join(store, kind, key, "manifest.json");
      if (!existsSync(path)) return [];
      const { seconds } = manifestFile.parse(JSON.parse(readFileSync(path, "utf8")));
      return seconds >= 0 && seconds <= this.#seconds + 1 ? [] : [`${id}: ${seconds} s`];
    });
  }

  #report(): SweepReport {
    const orders = ordersOf(this.#place, this.#name);
    const injected = linesOf(join(orders, orderFiles.injected)).map((line) => injectedLine.parse(JSON.parse(line)).kind);
    return {
      seconds: this.#seconds,
      undisturbedSeconds: this.#calm.seconds,
      allowedSeconds: this.#allowedSeconds,
      starts: this.#coordinator.starts,
      workersLost: this.#coordinator.ends.reduce((sum, { err }) => sum + [...err.matchAll(/was lost:/g)].length, 0),
      failures: tally(this.#told().map(({ stage }) => stage)),
      faults: this.#done,
      lapsed: this.#faults.map(describeFault),
      injected: tally(injected),
    };
  }
}

function tally(items: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[item] = (counts[item] ?? 0) + 1;
  return counts;
}
