// Which of the stages made earlier has most settings in common with a planned one, inputs counted. Thousands of pairs are
// compared while a person waits, so settings become sets of numbers, and a stage's distances one row of numbers. Pure.
import { canonicalJson, type Json } from "../lib/hash.ts";
import type { EarlierStage } from "./difference.ts";
import { leavesOf } from "./json.ts";
import type { Stage } from "./plan.ts";

export class Nearest {
  readonly #planned: ReadonlyMap<string, Stage>;
  /** The latest first, so that of equally near ones it is found first. */
  readonly #byKind = new Map<string, Entry[]>();
  /** Key of an earlier stage -> its place in the list of its kind. */
  readonly #places = new Map<string, number>();
  readonly #settings = new SettingSets();
  /** Key of a planned stage -> its distance to each earlier stage of its kind. */
  readonly #rows = new Map<string, Int32Array>();

  constructor(planned: readonly Stage[], earlier: readonly EarlierStage[]) {
    this.#planned = new Map(planned.map((stage) => [stage.key, stage]));
    const latestFirst = [...earlier].sort((a, b) => order(b.startedAt, a.startedAt) || order(a.key, b.key));
    for (const stage of latestFirst) {
      const same = this.#byKind.get(stage.kind) ?? [];
      this.#byKind.set(stage.kind, same);
      this.#places.set(stage.key, same.length);
      same.push({ stage, settings: this.#settings.numberOf(stage.settings) });
    }
  }

  /** The other stage of the kind with the fewest settings that differ; of several the latest; undefined when there is none. */
  to(stage: Stage): EarlierStage | undefined {
    let best: EarlierStage | undefined;
    let bestDistance = Number.POSITIVE_INFINITY;
    const row = this.#row(stage);
    for (const [place, { stage: candidate }] of this.#of(stage.kind).entries()) {
      const distance = row[place] ?? Number.POSITIVE_INFINITY;
      if (distance < bestDistance && candidate.key !== stage.key) [best, bestDistance] = [candidate, distance];
    }
    return best;
  }

  #of(kind: string): readonly Entry[] {
    return this.#byKind.get(kind) ?? [];
  }

  #row(stage: Stage): Int32Array {
    const known = this.#rows.get(stage.key);
    if (known !== undefined) return known;
    const own = this.#settings.distances(this.#settings.numberOf(stage.settings));
    const entries = this.#of(stage.kind);
    const row = Int32Array.from(entries, ({ settings }) => own(settings));
    for (const [role, key] of Object.entries(stage.inputs)) {
      const input = this.#planned.get(key);
      const below = input === undefined ? undefined : this.#row(input);
      for (const [at, entry] of entries.entries()) {
        const from = entry.stage.inputs[role];
        if (from === key) continue;
        // An input that is missing, or in the store no more, differs in something at least.
        const place = from === undefined ? undefined : this.#places.get(from);
        row[at] = (row[at] ?? 0) + ((place === undefined ? undefined : below?.[place]) ?? 1);
      }
    }
    this.#rows.set(stage.key, row);
    return row;
  }
}

interface Entry {
  readonly stage: EarlierStage;
  /** Number of its settings: equal ones have the same. */
  readonly settings: number;
}

class SettingSets {
  readonly #leaves = new Map<string, number>();
  readonly #numbers = new Map<string, number>();
  readonly #sets: ReadonlySet<number>[] = [];
  readonly #distances = new Map<number, number[]>();

  /** The number of a stage's settings. */
  numberOf(settings: Json): number {
    const leaves = leavesOf(settings).map(([path, value]) => this.#leaf(`${path.join(".")}=${canonicalJson(value)}`));
    const name = leaves.sort((a, b) => a - b).join();
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#sets.push(new Set(leaves)) - 1;
    this.#numbers.set(name, number);
    return number;
  }

  /** From one: to another, the (key, value) pairs that only one of the two has. */
  distances(from: number): (to: number) => number {
    const known = this.#distances.get(from) ?? [];
    this.#distances.set(from, known);
    return (to) => {
      known[to] ??= this.#distance(from, to);
      return known[to];
    };
  }

  #distance(from: number, to: number): number {
    const [first, second] = [this.#sets[from] ?? new Set<number>(), this.#sets[to] ?? new Set<number>()];
    let shared = 0;
    for (const leaf of first) if (second.has(leaf)) shared++;
    return first.size + second.size - 2 * shared;
  }

  #leaf(text: string): number {
    const known = this.#leaves.get(text);
    if (known !== undefined) return known;
    this.#leaves.set(text, this.#leaves.size);
    return this.#leaves.size - 1;
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
