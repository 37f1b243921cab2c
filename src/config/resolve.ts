// One config file -> its arms: the base and the named arms, each at every combination of the sweep's axes. Pure.
import { digest, type Json } from "../lib/hash.ts";
import { armReader, type ReadArm } from "./armReader.ts";
import { claimProblems, type NamedArm } from "./checks.ts";
import { type ArmSettings, armSettings, type ConfigFile, claimSettings } from "./schema.ts";
import {
  type Axis,
  armName,
  axesFor,
  axesOf,
  axisNames,
  axisProblems,
  combine,
  keyProblem,
  type Point,
  sizeProblem,
} from "./sweepAxes.ts";
import { keptArms } from "./sweepExclude.ts";
import { type SweepSettings, sweepSettings } from "./sweepSettings.ts";
import { asJson, type ConfigProblem, type Container, getAt, isContainer } from "./values.ts";

/** One fully resolved experiment. */
export interface Arm {
  readonly name: string;
  /**
   * Its place in the sweep: `arm` and the keys of all axes but those that the arm sets itself. A key that its point of a list
   * leaves out has the value in the file, null if there is none.
   */
  readonly coordinates: Readonly<Record<string, Json>>;
  readonly settings: ArmSettings;
}

export interface ResolvedConfig {
  /** The file with all defaults filled in; its own settings are those of the base arm. */
  readonly file: ConfigFile;
  readonly arms: readonly Arm[];
  /** Of everything resolved that may change a result: not of `store` and `workers`, nor of how the sweep's axes are written. */
  readonly digest: string;
}

/** An arm of the file, before the axes vary it. */
interface Variant {
  readonly name: string;
  readonly overrides: Point;
}

interface Candidate extends NamedArm {
  readonly coordinates: Readonly<Record<string, Json>>;
  readonly read: ReadArm;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/**
 * The arms of a config. `raw` is the file as written (overrides apply to it, so that defaults follow them); `file` is it
 * parsed, or undefined when that failed: then arms and claims are judged all the same, as far as they can be read, and the
 * answer is undefined. Problems are added to `problems`, located at the arm's, axis's or claim's key.
 */
export function resolveArms(
  file: ConfigFile | undefined,
  raw: Container,
  problems: ConfigProblem[],
): ResolvedConfig | undefined {
  const sweep = file?.sweep ?? sweepSettings.safeParse(raw.sweep ?? {}).data;
  if (sweep === undefined) return undefined;
  const read = armReader(raw, [...problems]);
  problems.push(...nameProblems(sweep, raw));
  const tooLarge = sizeProblem(sweep);
  if (tooLarge !== undefined) {
    problems.push(tooLarge);
    return undefined;
  }
  const axes = axesOf(sweep, armSettings.shape.seed.safeParse(raw.seed).data ?? 0);
  problems.push(...axisProblems(sweep, axes));
  const variants = variantsOf(sweep, problems);
  const all = variants.flatMap((variant) => candidatesOf(variant, axes, read));
  const kept = keptArms(
    all,
    sweep.exclude,
    variants.map(({ name }) => name),
    problems,
  );
  problems.push(...new Set(kept.flatMap((candidate) => candidate.read.problems)));
  const candidates = distinct(kept);
  const claims = file?.claims ?? readableClaims(raw.claims);
  problems.push(...claimProblems(claims, sweep.base, candidates, excludedNames(all, kept)));
  if (file === undefined || problems.length > 0) return undefined;
  const arms = candidates.flatMap(({ name, coordinates, read: { settings } }) =>
    settings === undefined ? [] : [{ name, coordinates, settings }],
  );
  return { file, arms, digest: configDigest(file, candidates) };
}

function variantsOf(sweep: SweepSettings, problems: ConfigProblem[]): Variant[] {
  const named = Object.entries(sweep.arms).map(([name, keys]) => {
    const overrides = Object.entries(keys).flatMap(([key, value]) => {
      const path = ["sweep", "arms", name, key];
      const message = keyProblem(key);
      if (message === undefined) return [{ key, value, path }];
      problems.push({ path, message, atKey: true });
      return [];
    });
    return { name, overrides };
  });
  return [{ name: sweep.base, overrides: [] }, ...named];
}

function candidatesOf(variant: Variant, all: readonly Axis[], reader: (overrides: Point) => ReadArm): Candidate[] {
  const names = axisNames(all);
  const axes = axesFor(all, variant.overrides);
  const keys = axes.flatMap((axis) => axis.keys.map(({ key }) => key));
  return combine(axes).map((point) => {
    const read = reader([...point, ...variant.overrides]);
    const given = new Map(point.map(({ key, value }) => [key, value]));
    const valueAt = (key: string) => (given.has(key) ? given.get(key) : (getAt(read.raw, key.split(".")) ?? null));
    return {
      name: armName(variant.name, point, names),
      variant: variant.name,
      raw: read.raw,
      coordinates: { arm: variant.name, ...Object.fromEntries(keys.map((key) => [key, asJson(valueAt(key))])) },
      read,
    };
  });
}

/** Points of one variant that come out equal are one arm; variants that do stay apart, so that claims can name them. */
function distinct(candidates: readonly Candidate[]): Candidate[] {
  const seen = new Set<string>();
  return candidates.filter(({ variant, read }) => {
    const address = `${variant} ${read.digest}`;
    if (read.digest !== "" && seen.has(address)) return false;
    seen.add(address);
    return true;
  });
}

/** Names of the points that were dropped, and of the variants that lost all of theirs. */
function excludedNames(all: readonly Candidate[], kept: readonly Candidate[]): ReadonlySet<string> {
  const left = new Set(kept);
  const variants = new Set(kept.map(({ variant }) => variant));
  const dropped = all.filter((candidate) => !left.has(candidate));
  return new Set(dropped.flatMap(({ name, variant }) => (variants.has(variant) ? [name] : [name, variant])));
}

function configDigest(file: ConfigFile, candidates: readonly Candidate[]): string {
  // Where artefacts lie and who computes them change no result; what the axes come to is in the arms.
  const { store: _, workers: __, sweep, ...lasting } = file;
  const arms = candidates.map(({ name, read }) => ({ name, settings: read.digest }));
  return digest(asJson({ ...lasting, base: sweep.base, arms }));
}

function nameProblems(sweep: SweepSettings, raw: Container): ConfigProblem[] {
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
