// Why a stage has to be made: how it differs from the nearest one that was made earlier, followed through inputs to the
// setting at the root. Pure: what was made earlier is passed in.
import { canonicalJson, type Json } from "../lib/hash.ts";
import { codeVersions } from "./codeVersions.ts";
import { isObject } from "./json.ts";
import { Nearest } from "./nearest.ts";
import { type Stage, stageKey } from "./plan.ts";

/** A stage that was made, as its manifest tells it. */
export interface EarlierStage {
  readonly kind: string;
  readonly key: string;
  readonly settings: Json;
  /** Role -> key. */
  readonly inputs: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly startedAt: string;
}

/** A difference between two stages themselves, from the earlier to the planned one. */
type OwnDifference =
  | { readonly what: "setting"; readonly setting: string; readonly from: Json | undefined; readonly to: Json | undefined }
  /** Undefined: a version that is not known any more. */
  | { readonly what: "code"; readonly from: number | undefined; readonly to: number };

/** What differs between two stages or their inputs. `through`: roles of inputs from the stage to where it differs. */
export type Difference = { readonly through: readonly string[] } & (
  | OwnDifference
  /** The input that one of them has alone, or whose earlier artefact is in the store no more. */
  | { readonly what: "input"; readonly role: string; readonly from: string | undefined; readonly to: string | undefined }
);

/** What was made earlier, compared with the stages of a plan. */
export class History {
  readonly #planned: ReadonlyMap<string, Stage>;
  readonly #earlier: ReadonlyMap<string, EarlierStage>;
  readonly #nearest: Nearest;
  /** Of pairs of stages, without what lies in their inputs: arms that share a stage share it. */
  readonly #own = new Map<string, readonly OwnDifference[]>();

  constructor(planned: readonly Stage[], earlier: readonly EarlierStage[]) {
    this.#planned = new Map(planned.map((stage) => [stage.key, stage]));
    this.#earlier = new Map(earlier.map((stage) => [stage.key, stage]));
    this.#nearest = new Nearest(planned, earlier);
  }

  /** The other stage of the kind with the fewest settings that differ, inputs included; undefined when there is none. */
  nearest(stage: Stage): EarlierStage | undefined {
    return this.#nearest.to(stage);
  }

  /** All that differs: the stage's own settings first, then those of its inputs, the nearest inputs first; each once. */
  differences(stage: Stage, earlier: EarlierStage): Difference[] {
    const found: Difference[] = [];
    const seen = new Set<string>();
    let level: Pair[] = [{ stage, earlier, through: [] }];
    while (level.length > 0) {
      const next: Pair[] = [];
      for (const pair of level) {
        const { through } = pair;
        for (const difference of this.#ownDifferences(pair)) found.push({ through, ...difference });
        for (const role of rolesOf(pair)) {
          const [from, to] = [pair.earlier.inputs[role], pair.stage.inputs[role]];
          if (from === to || seen.has(`${from} ${to}`)) continue;
          seen.add(`${from} ${to}`);
          const before = from === undefined ? undefined : this.#earlier.get(from);
          const now = to === undefined ? undefined : this.#planned.get(to);
          if (before === undefined || now === undefined) found.push({ through, what: "input", role, from, to });
          else next.push({ stage: now, earlier: before, through: [...through, role] });
        }
      }
      level = next;
    }
    if (found.length > 0) return found;
    // The same settings and inputs under another key: nothing but the code is left.
    return [{ through: [], what: "code", from: undefined, to: codeVersions[stage.kind] }];
  }

  #ownDifferences({ stage, earlier }: Pair): readonly OwnDifference[] {
    const name = `${stage.key} ${earlier.key}`;
    const known = this.#own.get(name) ?? ownDifferences(stage, earlier);
    this.#own.set(name, known);
    return known;
  }
}

interface Pair {
  readonly stage: Stage;
  readonly earlier: EarlierStage;
  readonly through: readonly string[];
}

/** Roles of both. A grade made before its problems were recorded as an input has them through its decoding alone. */
function rolesOf({ stage, earlier }: Pick<Pair, "stage" | "earlier">): string[] {
  const roles = new Set([...Object.keys(stage.inputs), ...Object.keys(earlier.inputs)]);
  if (stage.kind === "grade" && earlier.inputs.problems === undefined) roles.delete("problems");
  return [...roles];
}

function ownDifferences(stage: Stage, earlier: EarlierStage): OwnDifference[] {
  const settings = settingDifferences(earlier.settings, stage.settings, "").map(
    ({ path, from, to }) => ({ what: "setting", setting: settingName(stage, path), from, to }) as const,
  );
  const to = codeVersions[stage.kind];
  const from = codeVersionOf(earlier, to);
  return from === undefined || from === to ? settings : [...settings, { what: "code", from, to }];
}

/** The code version that gives an earlier stage its key, if it is one up to `current`. */
function codeVersionOf(earlier: EarlierStage, current: number): number | undefined {
  for (let version = current; version >= 1; version--) if (stageKey(earlier, version) === earlier.key) return version;
  return undefined;
}

function settingDifferences(
  from: Json | undefined,
  to: Json | undefined,
  path: string,
): { readonly path: string; readonly from: Json | undefined; readonly to: Json | undefined }[] {
  if (isObject(from) && isObject(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort();
    // A test set or a policy may be called as what every object inherits.
    const own = (of: { readonly [key: string]: Json | undefined }, key: string) =>
      Object.hasOwn(of, key) ? of[key] : undefined;
    return keys.flatMap((key) => settingDifferences(own(from, key), own(to, key), path === "" ? key : `${path}.${key}`));
  }
  const isSame = from === undefined || to === undefined ? from === to : canonicalJson(from) === canonicalJson(to);
  return isSame ? [] : [{ path, from, to }];
}

/** The name that a setting of a stage has in a config. `path`: its place in the stage's settings, dotted. */
export function settingName({ kind, policy }: Pick<Stage, "kind" | "policy">, path: string): string {
  const [first = "", ...rest] = path.split(".");
  const below = (name: string) => [name, ...rest].join(".");
  if (kind === "problems" && first === "test") return below("data.test");
  if (kind === "problems" && first === "format") return below("data.train.format");
  if (kind === "dataset" && first === "train") return below("data.train");
  if (kind === "decode" && first === "policy") return below(`decode.${policy}`);
  if (kind === "decode" && first === "dtype") return "model.dtype";
  // A published model is known by its content.
  return path === "model.content" ? "model.from" : path;
}

/** One line: `its dataset differs: data.train.size 1000 -> 2000`. */
export function differenceText(difference: Difference): string {
  const at = difference.through.at(-1);
  const where = at === undefined ? "" : `its ${at} ${at === "problems" ? "differ" : "differs"}: `;
  switch (difference.what) {
    case "setting":
      return `${where}${difference.setting} ${shownValue(difference.from)} -> ${shownValue(difference.to)}`;
    case "code":
      return `${where}code version ${difference.from ?? "of an earlier release"} -> ${difference.to}`;
    case "input": {
      const { role, from, to } = difference;
      if (from === undefined) return `${where}input ${role} absent -> ${to?.slice(0, 12)}`;
      if (to === undefined) return `${where}input ${role} ${from.slice(0, 12)} -> absent`;
      return `${where}input ${role} differs, and the earlier one (${from.slice(0, 12)}) is in the store no more`;
    }
  }
}

/** Longer values are cut in the middle: a line has to stay a line. */
const longestShown = 60;

/** A setting's value for a line of text. */
export function shownValue(value: Json | undefined): string {
  if (value === undefined) return "absent";
  const text = canonicalJson(value);
  return text.length <= longestShown ? text : `${text.slice(0, longestShown - 20)}...${text.slice(-17)}`;
}
