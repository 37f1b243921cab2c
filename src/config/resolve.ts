// One config file -> its arms: the base, the named arms, and the grid's points of each. Pure.
import { digest, type Json } from "../lib/hash.ts";
import { claimProblems, crossChecks, type NamedArm } from "./checks.ts";
import { asProblems, hint } from "./messages.ts";
import { type ArmSettings, armSettings, type ConfigFile, claimSettings, configFile, sweepSettings } from "./schema.ts";
import { type ConfigProblem, type Container, getAt, isContainer, isKeyPath, type Path, setAt } from "./values.ts";

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
  /** Of everything resolved that may change a result: not of `store` and `workers`. */
  readonly digest: string;
}

interface Override {
  readonly key: string;
  readonly value: unknown;
  /** Where it stands in the file. */
  readonly path: Path;
}

interface Variant {
  readonly name: string;
  readonly overrides: readonly Override[];
}

interface Candidate extends NamedArm {
  readonly coordinates: Readonly<Record<string, Json>>;
  readonly settings: ArmSettings | undefined;
}

type Sweep = ConfigFile["sweep"];

const armKeys = Object.keys(armSettings.shape);
const fileKeys = Object.keys(configFile.shape);
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const maxArms = 10_000;

/**
 * The arms of a config. `raw` is the file as written (overrides apply to it, so that defaults follow them); `file` is it
 * parsed, or undefined when that failed: then arms and claims are judged all the same, as far as they can be read, and the
 * answer is undefined. Problems are added to `problems`, located at the arm's or claim's key.
 */
export function resolveArms(
  file: ConfigFile | undefined,
  raw: Container,
  problems: ConfigProblem[],
): ResolvedConfig | undefined {
  const sweep = file?.sweep ?? sweepSettings.safeParse(raw.sweep ?? {}).data;
  if (sweep === undefined) return undefined;
  problems.push(...nameProblems(sweep, raw));
  const size = Object.values(sweep.grid).reduce(
    (product, values) => product * values.length,
    1 + Object.keys(sweep.arms).length,
  );
  if (size > maxArms) {
    problems.push({
      path: ["sweep", "grid"],
      message: `the grid and the arms make ${size} combinations; at most ${maxArms} are allowed`,
    });
    return undefined;
  }
  const candidates = variantsOf(sweep).flatMap((variant) => armsOf(variant, sweep, raw, problems));
  problems.push(...claimProblems(file?.claims ?? readableClaims(raw.claims), sweep.base, candidates));
  const arms = candidates.flatMap(({ name, coordinates, settings }) =>
    settings === undefined ? [] : [{ name, coordinates, settings }],
  );
  if (file === undefined || arms.length < candidates.length) return undefined;
  // Where artefacts lie and who computes them change no result.
  const { store: _, workers: __, ...lasting } = file;
  const plain = JSON.parse(
    JSON.stringify({ ...lasting, arms: arms.map(({ name, settings }) => ({ name, settings })) }),
  ) as Json;
  return { file, arms, digest: digest(plain) };
}

function variantsOf(sweep: Sweep): Variant[] {
  const named = Object.entries(sweep.arms).map(([name, overrides]) => ({
    name,
    overrides: Object.entries(overrides).map(([key, value]) => ({ key, value, path: ["sweep", "arms", name, key] })),
  }));
  return [{ name: sweep.base, overrides: [] }, ...named];
}

/** A variant's grid points. Two that come out equal are one; a variant equal to another stays, so that claims can name it. */
function armsOf(variant: Variant, sweep: Sweep, raw: Container, problems: ConfigProblem[]): Candidate[] {
  const seen = new Set<string>();
  return gridPoints(sweep.grid, variant.overrides).flatMap((point) => {
    const parts = point.map(
      ({ key, value }) =>
        `${axisName(key, Object.keys(sweep.grid))}=${typeof value === "string" ? value : JSON.stringify(value)}`,
    );
    const name = [variant.name, ...parts].join("/");
    const coordinates = { arm: variant.name, ...Object.fromEntries(point.map(({ key, value }) => [key, value as Json])) };
    const { settings, raw: own } = settingsOf(raw, [...point, ...variant.overrides], problems);
    if (settings !== undefined) {
      const address = digest(settings as unknown as Json);
      if (seen.has(address)) return [];
      seen.add(address);
    }
    return [{ name, variant: variant.name, coordinates, settings, raw: own }];
  });
}

/** The last part of an axis's key, or all of it where two axes end alike. */
function axisName(key: string, keys: readonly string[]): string {
  const last = (text: string) => text.split(".").at(-1) as string;
  return keys.filter((other) => last(other) === last(key)).length > 1 ? key : last(key);
}

/** Every combination of the grid's axes, those apart that an arm sets itself. */
function gridPoints(grid: Sweep["grid"], own: readonly Override[]): Override[][] {
  let points: Override[][] = [[]];
  for (const [key, values] of Object.entries(grid)) {
    if (own.some((override) => key === override.key || key.startsWith(`${override.key}.`))) continue;
    const choices = values.map((value, index) => ({ key, value, path: ["sweep", "grid", key, String(index)] }));
    points = points.flatMap((point) => choices.map((choice) => [...point, choice]));
  }
  return points;
}

function settingsOf(
  raw: Container,
  overrides: readonly Override[],
  problems: ConfigProblem[],
): { settings: ArmSettings | undefined; raw: Container } {
  const own = structuredClone(Object.fromEntries(Object.entries(raw).filter(([key]) => armKeys.includes(key))));
  const refused = overrides.flatMap((override) => {
    const message = applyOverride(own, override);
    return message === undefined ? [] : [{ path: override.path, message, atKey: true }];
  });
  problems.push(...refused);
  const parsed = armSettings.safeParse(own);
  if (parsed.success) {
    problems.push(...crossChecks(parsed.data).map((problem) => relocate(problem, overrides)));
    return { settings: refused.length > 0 ? undefined : parsed.data, raw: own };
  }
  // What the file itself has wrong is told already: only what the overrides broke is news.
  const news = asProblems(parsed.error, own, armSettings).filter(
    (problem) => causeOf(problem, overrides) !== undefined || !problems.some((known) => isSame(known, problem)),
  );
  problems.push(...news.map((problem) => relocate(problem, overrides, neighbourOf(problem, overrides))));
  return { settings: undefined, raw: own };
}

/** Why an override cannot be applied, or undefined. */
function applyOverride(settings: Container, { key, value }: Override): string | undefined {
  const path = key.split(".");
  const first = path[0] as string;
  if (!isKeyPath(path)) return `${key} is not a key: expected names with single dots between them, for example data.train.size`;
  if (!armKeys.includes(first)) {
    if (fileKeys.includes(first)) return `${first} belongs to the whole file: an arm or the grid cannot change it`;
    return `${key} is not a setting of an arm${hint(first, armKeys)}`;
  }
  if (value === null && getAt(settings, path) === undefined) {
    const siblings = getAt(settings, path.slice(0, -1));
    return `null removes ${key}, but it is not there${hint(path.at(-1), isContainer(siblings) ? Object.keys(siblings) : [])}`;
  }
  setAt(settings, path, value);
  return undefined;
}

function related(path: Path, key: Path): boolean {
  const shorter = Math.min(path.length, key.length);
  return path.slice(0, shorter).join(".") === key.slice(0, shorter).join(".");
}

/** The override that made a problem: one at the problem's own key first, then one at a setting that takes part. */
function causeOf(problem: ConfigProblem, overrides: readonly Override[]): Override | undefined {
  for (const path of [problem.path, ...(problem.causes ?? [])]) {
    const cause = overrides.findLast(({ key }) => related(path, key.split(".")));
    if (cause !== undefined) return cause;
  }
  return undefined;
}

/** The override at the same section: it may leave a key behind that no longer fits, as another kind of model does. */
function neighbourOf(problem: ConfigProblem, overrides: readonly Override[]): Override | undefined {
  return overrides.findLast(({ key }) => key.split(".")[0] === problem.path[0]);
}

function isSame(a: ConfigProblem, b: ConfigProblem): boolean {
  return a.message === b.message && a.path.length === b.path.length && a.path.every((part, index) => part === b.path[index]);
}

/** A problem that an override made stands where the override is written. */
function relocate(problem: ConfigProblem, overrides: readonly Override[], otherwise?: Override): ConfigProblem {
  const cause = causeOf(problem, overrides) ?? otherwise;
  if (cause === undefined) return problem;
  return { path: cause.path, message: `${problem.path.join(".")}: ${problem.message}`, atKey: problem.atKey ?? false };
}

function nameProblems(sweep: Sweep, raw: Container): ConfigProblem[] {
  const rule = "expected letters, digits, dots, dashes and underscores only: claims name it as `arm/policy`";
  const problems: ConfigProblem[] = Object.keys(sweep.arms).flatMap((name) => {
    const path = ["sweep", "arms", name];
    if (name === sweep.base)
      return [
        {
          path,
          message: `the base arm is called ${name} too. Give one of them another name (sweep.base names the base)`,
          atKey: true,
        },
      ];
    return namePattern.test(name) ? [] : [{ path, message: `not a name for an arm: ${rule}`, atKey: true }];
  });
  if (!namePattern.test(sweep.base)) problems.push({ path: ["sweep", "base"], message: `not a name for an arm: ${rule}` });
  const policies = isContainer(raw.decode) ? Object.keys(raw.decode) : [];
  const bad = policies.filter((name) => !namePattern.test(name));
  return [
    ...problems,
    ...bad.map((name) => ({ path: ["decode", name], message: `not a name for a policy: ${rule}`, atKey: true })),
  ];
}

function readableClaims(raw: unknown): ConfigFile["claims"] {
  const parsed = Object.entries(isContainer(raw) ? raw : {}).map(
    ([name, claim]) => [name, claimSettings.safeParse(claim).data] as const,
  );
  return Object.fromEntries(parsed.filter((entry): entry is [string, ConfigFile["claims"][string]] => entry[1] !== undefined));
}
