// How long a stage will take, from how long stages like it took before. Pure: what was made earlier is passed in.
import { digest, type Json } from "../lib/hash.ts";
import { codeVersions } from "./codeVersions.ts";
import type { EarlierStage } from "./difference.ts";
import { isObject, numberAt, valueAt } from "./json.ts";
import { type Stage, stageKey } from "./plan.ts";

/** A stage that was made, with the time that it took. */
export interface TimedStage extends EarlierStage {
  readonly seconds: number;
  readonly machine: Json;
}

/** Where a stage runs, as manifests record it: times of another processor or device say nothing. */
export interface TimedMachine {
  readonly cpu: string;
  readonly device: string;
}

/** What a planned stage and one that was made have in common. */
type Described = Pick<EarlierStage, "kind" | "key" | "settings" | "inputs">;

/** Settings that change what is drawn or learned, or the size, which is counted apart; hardly the time of one unit. */
const sizes = ["steps", "epochs", "size", "test"];
const schedules = ["learningRate", "finalLearningRate", "schedule", "warmupSteps", "weightDecay", "betas", "epsilon", "clip"];
const draws = ["seed", "initStd", "temperature", "select", "backtrackShare"];
const timeless = new Set([...sizes, ...schedules, ...draws]);

export class PastTimes {
  readonly #stages: ReadonlyMap<string, Described>;
  readonly #likeness = new Map<string, string>();
  /** Seconds per unit of work of the stages that are alike. */
  readonly #rates = new Map<string, number[]>();

  constructor(planned: readonly Stage[], earlier: readonly TimedStage[], machine: TimedMachine) {
    this.#stages = new Map<string, Described>([...earlier, ...planned].map((stage) => [stage.key, stage]));
    for (const stage of earlier) {
      if (valueAt(stage.machine, "cpu") !== machine.cpu || valueAt(stage.machine, "device") !== machine.device) continue;
      // Other code takes other times.
      if (!isOfThisCode(stage)) continue;
      const units = this.#units(stage);
      // A clock that was set back while the stage ran leaves a time that is none.
      if (units === undefined || !(stage.seconds > 0)) continue;
      const likeness = this.#likenessOf(stage);
      const rates = this.#rates.get(likeness) ?? [];
      rates.push(stage.seconds / units);
      this.#rates.set(likeness, rates);
    }
    for (const rates of this.#rates.values()) rates.sort((a, b) => a - b);
  }

  /**
   * Expected seconds: the median of the stages that are alike in all but seed, size and schedule, in proportion to the size;
   * undefined when there is none.
   */
  seconds(stage: Stage): number | undefined {
    const units = this.#units(stage);
    const rates = this.#rates.get(this.#likenessOf(stage)) ?? [];
    const median = rates[Math.floor(rates.length / 2)];
    return units === undefined || median === undefined ? undefined : median * units;
  }

  /** Equal for stages whose times are in proportion to their sizes. */
  #likenessOf(stage: Described): string {
    const known = this.#likeness.get(stage.key);
    if (known !== undefined) return known;
    const inputs = Object.entries(stage.inputs).flatMap(([role, key]) => {
      const input = this.#stages.get(key);
      // A grade has its problems through its decoding; not every manifest names them apart.
      return input === undefined || (stage.kind === "grade" && role === "problems") ? [] : [[role, this.#likenessOf(input)]];
    });
    const likeness = digest({ kind: stage.kind, settings: lasting(stage.settings), inputs });
    this.#likeness.set(stage.key, likeness);
    return likeness;
  }

  /** Examples that are made or trained on; problems that are made, decoded or graded. Undefined for none. */
  #units(stage: Described): number | undefined {
    const units = this.#count(stage);
    return units !== undefined && units > 0 ? units : undefined;
  }

  #count({ kind, settings, inputs }: Described): number | undefined {
    switch (kind) {
      case "dataset":
        return numberAt(settings, "train", "size");
      case "problems":
        return problemCount(valueAt(settings, "test"));
      case "train": {
        const batch = numberAt(settings, "train", "batch", "examples");
        const steps = numberAt(settings, "train", "steps");
        if (steps !== undefined) return batch === undefined ? undefined : steps * batch;
        const epochs = numberAt(settings, "train", "epochs");
        const examples = this.#countOf(inputs.dataset);
        return epochs === undefined || examples === undefined ? undefined : epochs * examples;
      }
      case "decode":
        return this.#countOf(inputs.problems);
      case "grade":
        return this.#countOf(inputs.decode);
      default:
        return undefined;
    }
  }

  #countOf(key: string | undefined): number | undefined {
    const input = key === undefined ? undefined : this.#stages.get(key);
    return input === undefined ? undefined : this.#count(input);
  }
}

function isOfThisCode(stage: TimedStage): boolean {
  const versions: Readonly<Record<string, number>> = codeVersions;
  const version = versions[stage.kind];
  return version !== undefined && stageKey(stage, version) === stage.key;
}

/** Problems of all splits and further sets. */
function problemCount(test: Json | undefined): number {
  const sets = valueAt(test, "sets");
  const further = isObject(sets) ? Object.values(sets).map((set) => numberAt(set, "size")) : [];
  const splits = ["seen", "unseen", "dev"].map((split) => numberAt(test, split));
  return [...splits, ...further].reduce<number>((sum, size = 0) => sum + size, 0);
}

function lasting(settings: Json): Json {
  if (!isObject(settings)) return settings;
  const kept = Object.entries(settings).filter(([name]) => !timeless.has(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, value === undefined ? value : lasting(value)]));
}
