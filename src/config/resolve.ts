// One config file -> its arms: the base, the named arms, and the grid's points of each. Pure.
import { digest, type Json } from "../lib/hash.ts";
import { nearest } from "../lib/text.ts";
import { type ArmSettings, armSettings, type ConfigFile } from "./schema.ts";
import { asProblems, type ConfigProblem, getAt, type Path, setAt } from "./values.ts";

/** One fully resolved experiment. */
export interface Arm {
  readonly name: string;
  /** Its place in the sweep: `arm` and the grid's keys. */
  readonly coordinates: Readonly<Record<string, Json>>;
  readonly settings: ArmSettings;
}

export interface ResolvedConfig {
  /** The file with all defaults filled in; its own settings are those of the base arm. */
  readonly file: ConfigFile;
  readonly arms: readonly Arm[];
  /** Of everything resolved. */
  readonly digest: string;
}

interface Variant {
  readonly name: string;
  readonly overrides: Readonly<Record<string, unknown>>;
  /** Where the overrides stand in the file. */
  readonly path: Path;
}

/**
 * The arms of a config. `raw` is the file as written (overrides apply to it, so that defaults follow them). Problems of
 * arms and claims are added to `problems`, located at the arm's or claim's key.
 */
export function resolveArms(file: ConfigFile, raw: Readonly<Record<string, unknown>>, problems: ConfigProblem[]): ResolvedConfig {
  const { sweep } = file;
  if (Object.hasOwn(sweep.arms, sweep.base)) {
    problems.push({ path: ["sweep", "arms", sweep.base], message: `the base arm is called ${sweep.base} too. Give one of them another name (sweep.base names the base)` });
  }
  const variants: Variant[] = [
    { name: sweep.base, overrides: {}, path: ["sweep"] },
    ...Object.entries(sweep.arms).map(([name, overrides]) => ({ name, overrides, path: ["sweep", "arms", name] })),
  ];
  const arms: Arm[] = [];
  const seen = new Set<string>();
  for (const variant of variants) {
    for (const point of gridPoints(sweep.grid, Object.keys(variant.overrides))) {
      const settings = settingsOf(raw, variant, point, problems);
      if (settings === undefined) continue;
      const address = digest(settings as unknown as Json);
      if (seen.has(address)) continue;
      seen.add(address);
      const suffix = Object.entries(point).map(([key, value]) => `${key.split(".").at(-1)}=${typeof value === "string" ? value : JSON.stringify(value)}`);
      arms.push({ name: [variant.name, ...suffix].join("/"), coordinates: { arm: variant.name, ...(point as Record<string, Json>) }, settings });
    }
  }
  checkClaims(file, arms, problems);
  const plain = { ...file, arms: arms.map(({ name, settings }) => ({ name, settings })) };
  return { file, arms, digest: digest(JSON.parse(JSON.stringify(plain)) as Json) };
}

/** Every combination of the grid's axes, those apart that an arm sets itself. */
function gridPoints(grid: Readonly<Record<string, readonly unknown[]>>, own: readonly string[]): Record<string, unknown>[] {
  let points: Record<string, unknown>[] = [{}];
  for (const [key, values] of Object.entries(grid)) {
    if (own.includes(key)) continue;
    points = points.flatMap((point) => values.map((value) => ({ ...point, [key]: value })));
  }
  return points;
}

const armKeys = Object.keys(armSettings.shape);

function settingsOf(raw: Readonly<Record<string, unknown>>, variant: Variant, point: Readonly<Record<string, unknown>>, problems: ConfigProblem[]): ArmSettings | undefined {
  const settings = structuredClone(Object.fromEntries(Object.entries(raw).filter(([key]) => armKeys.includes(key))));
  const before = problems.length;
  const overrides: [string, unknown, Path][] = [
    ...Object.entries(point).map(([key, value]): [string, unknown, Path] => [key, value, ["sweep", "grid", key]]),
    ...Object.entries(variant.overrides).map(([key, value]): [string, unknown, Path] => [key, value, [...variant.path, key]]),
  ];
  for (const [key, value, path] of overrides) {
    if (!armKeys.includes(key.split(".")[0] as string)) {
      const near = nearest(key.split(".")[0] as string, armKeys);
      problems.push({ path, message: `${key} is not a setting of an arm${near === undefined ? "" : `. Did you mean ${[near, ...key.split(".").slice(1)].join(".")}?`}` });
    } else if (value === null && getAt(settings, key.split(".")) === undefined) {
      problems.push({ path, message: `null removes ${key}, but it is not there` });
    } else setAt(settings, key.split("."), value);
  }
  if (problems.length > before) return undefined;
  const parsed = armSettings.safeParse(settings);
  if (parsed.success) {
    problems.push(...crossChecks(parsed.data).map((problem) => relocate(problem, overrides)));
    return parsed.data;
  }
  // The base was checked as a whole file already: only what the overrides broke is news.
  const found = asProblems(parsed.error, settings, armSettings).filter((problem) => overrides.some(([key]) => related(problem.path, key.split("."))));
  problems.push(...found.map((problem) => relocate(problem, overrides)));
  return undefined;
}

function related(path: Path, key: Path): boolean {
  const shorter = Math.min(path.length, key.length);
  return path.slice(0, shorter).join(".") === key.slice(0, shorter).join(".");
}

/** A problem at a setting that an override made stands where the override is written. */
function relocate(problem: ConfigProblem, overrides: readonly (readonly [string, unknown, Path])[]): ConfigProblem {
  const cause = overrides.find(([key]) => related(problem.path, key.split(".")));
  return cause === undefined ? problem : { path: cause[2], message: `${problem.path.join(".")}: ${problem.message}` };
}

/** What no single key's schema can see. */
export function crossChecks(settings: ArmSettings): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const { model, train, puzzle, data } = settings;
  if (!("from" in model)) {
    if (train === undefined) problems.push({ path: ["model"], message: "a model from scratch needs training: add a `train` section, or give `from` to decode a published checkpoint" });
    if (model.width % model.heads !== 0) problems.push({ path: ["model", "heads"], message: `width ${model.width} is not a multiple of heads ${model.heads}` });
    if (model.heads % (model.keyValueHeads ?? model.heads) !== 0) {
      problems.push({ path: ["model", "keyValueHeads"], message: `heads ${model.heads} is not a multiple of keyValueHeads ${model.keyValueHeads}` });
    }
    if (train !== undefined && train.maxTokens > model.context) {
      problems.push({ path: ["train", "maxTokens"], message: `expected at most the model's context of ${model.context}, found ${train.maxTokens}` });
    }
  }
  const steps = train === undefined ? undefined : (train.steps ?? Math.ceil((train.epochs * data.train.size) / train.batch.examples));
  if (train !== undefined && steps !== undefined && train.warmupSteps >= steps) {
    problems.push({ path: ["train", "warmupSteps"], message: `expected fewer than the ${steps} steps of the training, found ${train.warmupSteps}` });
  }
  const [low, high] = puzzle.operands;
  // All numbers are used and results stay non-negative integers, so nothing above the product of the largest numbers can be reached.
  if (high ** puzzle.numbers < puzzle.targets[0]) {
    problems.push({ path: ["puzzle", "targets"], message: `no problem satisfies this: ${puzzle.numbers} numbers of ${low} to ${high} reach at most ${high ** puzzle.numbers}, the targets start at ${puzzle.targets[0]}` });
  }
  return problems;
}

function checkClaims(file: ConfigFile, arms: readonly Arm[], problems: ConfigProblem[]): void {
  const names = [...new Set(arms.map((arm) => String(arm.coordinates.arm)))];
  for (const [name, claim] of Object.entries(file.claims)) {
    for (const [index, reference] of claim.compare.entries()) {
      const path = ["claims", name, "compare", String(index)];
      const slash = reference.lastIndexOf("/");
      const armName = slash < 0 ? file.sweep.base : reference.slice(0, slash);
      const policy = reference.slice(slash + 1);
      const named = arms.filter((arm) => arm.name === armName || arm.coordinates.arm === armName);
      if (named.length === 0) {
        problems.push({ path, message: `unknown arm ${armName}; there is: ${names.join(", ")}${hint(armName, names)}` });
        continue;
      }
      const policies = [...new Set(named.flatMap((arm) => Object.keys(arm.settings.decode)))];
      if (!policies.includes(policy)) problems.push({ path, message: `arm ${armName} has no policy ${policy}; it has: ${policies.join(", ")}${hint(policy, policies)}` });
      const test = named[0]?.settings.data.test as Readonly<Record<string, number>> | undefined;
      if (!(claim.on in (test ?? {}))) problems.push({ path: ["claims", name, "on"], message: `unknown split ${claim.on}; there is: ${Object.keys(test ?? {}).join(", ")}` });
      else if (test?.[claim.on] === 0) problems.push({ path: ["claims", name, "on"], message: `split ${claim.on} has no problems: set data.test.${claim.on}` });
    }
  }
}

function hint(word: string, words: readonly string[]): string {
  const near = nearest(word, words);
  return near === undefined ? "" : `. Did you mean ${near}?`;
}
