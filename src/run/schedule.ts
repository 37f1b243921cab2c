// What of a plan may start next. Pure bookkeeping: no clock, no files.
// Invariants: a stage is handed out once, only after all its inputs are done, and never after one of them has failed; which
// one of several depends on nothing but the stages, their expected times and what was handed out before.
import { canonicalJson } from "../lib/hash.ts";
import type { Stage, StageKind } from "../plan/plan.ts";

export interface ScheduleOptions {
  /** Expected seconds of a stage; undefined where nobody knows. */
  readonly seconds: (stage: Stage) => number | undefined;
  /** Models that workers can be expected to hold at a time. */
  readonly warmModels: number;
}

/**
 * The order, for results that appear early and models that are decoded while they are loaded: what is nearest to a result
 * first (grade, decode, train, data); of these what works with a model used last; then the longest way still to go; then the
 * order of the plan.
 */
export class Schedule {
  readonly #entries = new Map<string, Entry>();
  readonly #ready = new Map<StageKind, Entry[]>();
  readonly #byModel = new Map<string, Entry[]>();
  readonly #warmModels: number;
  /** The model used last first. */
  #warm: string[] = [];
  #waiting = 0;

  /** `stages`: inputs before what needs them. An input that is not among them counts as done. */
  constructor(stages: readonly Stage[], options: ScheduleOptions) {
    this.#warmModels = options.warmModels;
    for (const [index, stage] of stages.entries()) {
      const inputs = [...new Set(Object.values(stage.inputs))].flatMap((key) => this.#entries.get(key) ?? []);
      const entry: Entry = {
        stage,
        index,
        model: modelOf(stage),
        dependents: [],
        missing: inputs.length,
        state: "waiting",
        height: 0,
        seconds: 0,
      };
      for (const input of inputs) input.dependents.push(entry);
      this.#entries.set(stage.key, entry);
    }
    const entries = [...this.#entries.values()];
    for (const entry of entries.toReversed()) {
      entry.height = 1 + Math.max(-1, ...entry.dependents.map(({ height }) => height));
      entry.seconds = (options.seconds(entry.stage) ?? 0) + Math.max(0, ...entry.dependents.map(({ seconds }) => seconds));
    }
    this.#waiting = entries.length;
    for (const entry of entries) if (entry.missing === 0) this.#offer(entry);
  }

  /** Stages that were neither handed out nor given up. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The next stage of these kinds, which counts as running from now on; undefined while none can start. */
  take(kinds: readonly StageKind[]): Stage | undefined {
    const heads = kinds.flatMap((kind) => this.#ready.get(kind)?.[0] ?? []);
    const first = heads.sort(before)[0];
    if (first === undefined) return undefined;
    const entry = this.#warmest(kinds, first.height) ?? first;
    this.#withdraw(entry);
    entry.state = "taken";
    this.#waiting--;
    this.#use(entry.model);
    return entry.stage;
  }

  /** A stage is finished, by us or long ago: what needs it may start. */
  done(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.state === "ended") return;
    this.#end(entry);
    if (entry.stage.kind === "train") this.#use(entry.model);
    for (const dependent of entry.dependents) {
      dependent.missing--;
      if (dependent.missing === 0 && dependent.state === "waiting") this.#offer(dependent);
    }
  }

  /** A stage has failed: returns what can not be made without it and was given up now, in the order of the plan. */
  failed(key: string): Stage[] {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.state === "ended") return [];
    this.#end(entry);
    const lost: Entry[] = [];
    const open = [...entry.dependents];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next.state !== "waiting") continue;
      this.#end(next);
      lost.push(next);
      open.push(...next.dependents);
    }
    return lost.sort((a, b) => a.index - b.index).map(({ stage }) => stage);
  }

  #end(entry: Entry): void {
    if (entry.state === "ready") this.#withdraw(entry);
    if (entry.state !== "taken") this.#waiting--;
    entry.state = "ended";
  }

  #offer(entry: Entry): void {
    entry.state = "ready";
    for (const list of this.#listsOf(entry)) list.splice(position(list, entry), 0, entry);
  }

  #withdraw(entry: Entry): void {
    for (const list of this.#listsOf(entry)) list.splice(position(list, entry), 1);
  }

  /** The sorted lists of what is ready that an entry belongs in. */
  #listsOf({ stage, model }: Entry): Entry[][] {
    return [listOf(this.#ready, stage.kind), ...(model === "" ? [] : [listOf(this.#byModel, model)])];
  }

  /** Of what is as near to a result, the first that works with a model used lately. */
  #warmest(kinds: readonly StageKind[], height: number): Entry | undefined {
    for (const model of this.#warm) {
      const ready = this.#byModel.get(model) ?? [];
      const found = ready.find((entry) => entry.height === height && kinds.includes(entry.stage.kind));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #use(model: string): void {
    if (model === "") return;
    this.#warm = [model, ...this.#warm.filter((other) => other !== model)].slice(0, this.#warmModels);
  }
}

interface Entry {
  readonly stage: Stage;
  readonly index: number;
  /** What `modelOf` says. */
  readonly model: string;
  readonly dependents: Entry[];
  missing: number;
  state: "waiting" | "ready" | "taken" | "ended";
  /** Stages on the longest way from here to a result. */
  height: number;
  /** Expected seconds of the longest way from here, itself included. */
  seconds: number;
}

/** What a worker has to hold for a stage: the key of a trained model, the settings of a published one; "" for none. */
export function modelOf({ kind, key, inputs, settings }: Stage): string {
  if (kind === "train") return key;
  if (kind !== "decode") return "";
  if (inputs.train !== undefined) return inputs.train;
  const isObject = typeof settings === "object" && settings !== null && !Array.isArray(settings);
  return isObject && "model" in settings ? canonicalJson(settings.model ?? null) : key;
}

const before = (a: Entry, b: Entry): number => a.height - b.height || b.seconds - a.seconds || a.index - b.index;

function listOf<Key>(lists: Map<Key, Entry[]>, key: Key): Entry[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}

/** Where an entry stands, or belongs, in a sorted list: lists of a thousand are changed a thousand times. */
function position(list: readonly Entry[], entry: Entry): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = list[middle];
    if (other !== undefined && before(other, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
