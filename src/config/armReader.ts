// Reads the settings of arms from the file as written with overrides put in. Arms of one sweep differ in few sections (puzzle,
// data, train and so on), so each section is parsed once for all arms whose overrides in it are the same. Pure.
import { z } from "zod";
import { digest } from "../lib/hash.ts";
import { crossChecks } from "./checks.ts";
import { asProblems, hint } from "./messages.ts";
import { type ArmSettings, armKeys, armSettings } from "./schema.ts";
import type { Override, Point } from "./sweepAxes.ts";
import { asJson, type ConfigProblem, type Container, getAt, isContainer, listOnTheWay, type Path, setAt } from "./values.ts";

/** An arm as far as it could be read. */
export interface ReadArm {
  /** As written, overrides put in. */
  readonly raw: Container;
  /** The sections that are right, defaults filled in. */
  readonly parsed: Container;
  /** All sections, or undefined when something is wrong. */
  readonly settings: ArmSettings | undefined;
  /** Equal for arms with equal settings, and for no others; "" when something is wrong. */
  readonly digest: string;
  /** What the overrides broke, located where they stand. */
  readonly problems: readonly ConfigProblem[];
}

interface Section {
  readonly raw: Container;
  /** Undefined when it is wrong. */
  readonly parsed: Container | undefined;
  readonly digest: string;
  readonly problems: readonly ConfigProblem[];
}

/** Each section of the schema as a map of that one key, so that problems have the paths of the whole. */
const sectionSchemas = armKeys.map((name) => ({ name, schema: z.strictObject({ [name]: armSettings.shape[name] }) }));
type SectionSchema = (typeof sectionSchemas)[number];

/**
 * A reader of arms of the file `raw`; `told` is what the file itself has wrong, which is no news. Overrides are known by
 * identity: give the same object for the same value.
 */
export function armReader(raw: Container, told: readonly ConfigProblem[]): (overrides: Point) => ReadArm {
  const known = new Map<string, Section>();
  const numbers = new Map<Override, number>();
  const numberOf = (override: Override) => {
    const number = numbers.get(override) ?? numbers.size;
    numbers.set(override, number);
    return number;
  };
  const sectionOf = (section: SectionSchema, overrides: Point): Section => {
    const own = overrides.filter(({ key }) => key === section.name || key.startsWith(`${section.name}.`));
    const address = [section.name, ...own.map(numberOf)].join(" ");
    const found = known.get(address) ?? readSection(section, raw, own, told);
    known.set(address, found);
    return found;
  };
  return (overrides) => {
    const sections = sectionSchemas.map((section) => sectionOf(section, overrides));
    const own: Container = Object.assign({}, ...sections.map((section) => section.raw));
    const parsed: Container = Object.assign({}, ...sections.map((section) => section.parsed ?? {}));
    const problems = sections.flatMap((section) => section.problems);
    const isWhole = sections.every((section) => section.parsed !== undefined);
    if (!isWhole) return { raw: own, parsed, settings: undefined, digest: "", problems };
    // Every section passed its own part of the schema, which has no rule across sections: together they pass all of it.
    const settings = parsed as ArmSettings;
    const crossed = crossChecks(settings).map((problem) => relocate(problem, overrides));
    if (crossed.length > 0) return { raw: own, parsed, settings: undefined, digest: "", problems: crossed };
    return { raw: own, parsed, settings, digest: sections.map((section) => section.digest).join(" "), problems: [] };
  };
}

function readSection(
  { name, schema }: SectionSchema,
  raw: Container,
  overrides: Point,
  told: readonly ConfigProblem[],
): Section {
  const own: Container = Object.hasOwn(raw, name) ? { [name]: structuredClone(raw[name]) } : {};
  const refused = overrides.flatMap((override) => {
    const message = applyOverride(own, override);
    return message === undefined ? [] : [{ path: override.path, message, atKey: true }];
  });
  const result = schema.safeParse(own);
  if (result.success && refused.length === 0) {
    return { raw: own, parsed: result.data, digest: digest(asJson(result.data)), problems: [] };
  }
  // What the file itself has wrong is told already: only what the overrides broke is news.
  const news = (result.success ? [] : asProblems(result.error, own, schema)).filter(
    (problem) => causeOf(problem, overrides) !== undefined || !told.some((known) => isSame(known, problem)),
  );
  const broken = news.map((problem) => relocate(problem, overrides, overrides.at(-1)));
  return { raw: own, parsed: undefined, digest: "", problems: [...refused, ...broken] };
}

/** Puts the override in. Why it cannot be put in, or undefined. */
function applyOverride(settings: Container, { key, value }: Override): string | undefined {
  const path = key.split(".");
  const list = listOnTheWay(settings, path);
  if (list !== undefined) return `${list.join(".")} is a list: give all of it`;
  if (value === null && getAt(settings, path) === undefined) {
    const siblings = getAt(settings, path.slice(0, -1));
    return `null removes ${key}, but it is not there${hint(path.at(-1), isContainer(siblings) ? Object.keys(siblings) : [])}`;
  }
  // A copy: a later override may change a part of it, and other arms hold the same value.
  setAt(settings, path, structuredClone(value));
  return undefined;
}

function related(path: Path, key: Path): boolean {
  const shorter = Math.min(path.length, key.length);
  return path.slice(0, shorter).join(".") === key.slice(0, shorter).join(".");
}

/** The override that made a problem: one at the problem's own key first, then one at a setting that takes part. */
function causeOf(problem: ConfigProblem, overrides: Point): Override | undefined {
  for (const path of [problem.path, ...(problem.causes ?? [])]) {
    const cause = overrides.findLast(({ key }) => related(path, key.split(".")));
    if (cause !== undefined) return cause;
  }
  return undefined;
}

function isSame(a: ConfigProblem, b: ConfigProblem): boolean {
  return a.message === b.message && a.path.length === b.path.length && a.path.every((part, index) => part === b.path[index]);
}

/**
 * A problem that an override made stands where the override is written; one that none made, at `otherwise`: an override of the
 * same section may leave a key behind that no longer fits, as another kind of model does.
 */
function relocate(problem: ConfigProblem, overrides: Point, otherwise?: Override): ConfigProblem {
  const cause = causeOf(problem, overrides) ?? otherwise;
  if (cause === undefined) return problem;
  return { path: cause.path, message: `${problem.path.join(".")}: ${problem.message}`, atKey: problem.atKey ?? false };
}
