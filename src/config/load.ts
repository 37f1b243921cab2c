// YAML text -> resolved config. Every problem is found in one go and says file:line:column. No file access.
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  parse as parseYaml,
  visit,
} from "yaml";
import { UserError } from "../lib/errors.ts";
import { dataChecks } from "./checks.ts";
import { asProblems } from "./messages.ts";
import { type ResolvedConfig, resolveArms } from "./resolve.ts";
import { configFile, type DataFile, dataFile } from "./schema.ts";
import {
  type ConfigProblem,
  type Container,
  getAt,
  isContainer,
  isKeyPath,
  listOnTheWay,
  type Path,
  setAt,
  shown,
} from "./values.ts";

interface Source {
  readonly fileName: string;
  readonly document: Document;
  readonly lines: LineCounter;
  /** Keys that --set changed: their problems are those of the command line. */
  readonly overridden: readonly Path[];
}

/**
 * Parses and resolves a config. `overrides` are "a.b=value" from --set, the value read as YAML; null removes the key.
 * Throws UserError("config") whose message lists all problems, a line each: `file:line:column key: what, expected, fix`.
 */
export function parseConfig(text: string, fileName: string, overrides: readonly string[] = []): ResolvedConfig {
  return resolveFile(readFile(text, fileName, overrides));
}

/**
 * The data that a config describes: a whole sweep's base arm, or a file that holds `name`, `seed`, `puzzle` and `data` alone.
 * Overrides and errors as in parseConfig.
 */
export function parseDataConfig(text: string, fileName: string, overrides: readonly string[] = []): DataFile {
  const file = readFile(text, fileName, overrides);
  if (sweepKeys.some((key) => Object.hasOwn(file.values, key))) {
    const { name, description, seed, puzzle, data } = resolveFile(file).file;
    return { name, description, seed, puzzle, data };
  }
  const parsed = dataFile.safeParse(file.values);
  const problems = parsed.success ? dataChecks(parsed.data) : asProblems(parsed.error, file.values, dataFile);
  failOn(file, problems);
  return parsed.data as DataFile;
}

const sweepKeys = ["model", "decode", "train", "sweep", "claims"];

interface ReadFile {
  readonly source: Source;
  readonly values: Container;
  readonly syntax: readonly Located[];
}

interface Located {
  readonly offset: number;
  readonly line: string;
}

/** The YAML with the overrides put in. Throws where the YAML cannot be read at all. */
function readFile(text: string, fileName: string, overrides: readonly string[]): ReadFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const sets = overrides.map(readOverride);
  const source: Source = { fileName, document, lines, overridden: sets.map(({ path }) => path) };
  const syntax = [...document.errors, ...document.warnings].map(({ code, message, pos }) => {
    const isDuplicate = code === "DUPLICATE_KEY";
    return {
      fatal: !isDuplicate,
      offset: pos[0],
      line: `${place(source, pos[0])} ${isDuplicate ? duplicateKey(text, pos) : `not valid YAML: ${message}`}`,
    };
  });
  visit(document, {
    Pair: (_, { key }) => {
      // The schema would leave it out without a word, and an arm or policy of that name would be lost.
      if (!isScalar(key) || key.value !== "__proto__") return;
      const offset = key.range?.[0] ?? 0;
      syntax.push({ fatal: false, offset, line: `${place(source, offset)} __proto__ cannot be a key. Choose another name` });
    },
  });
  // A key given twice can still be judged; anything else that is wrong with the YAML makes the rest guesswork.
  if (syntax.some(({ fatal }) => fatal)) fail(syntax.map(({ line }) => line));
  const values = plainValues(source);
  for (const { path, value } of sets) {
    if (value === null && getAt(values, path) === undefined)
      fail([`--set ${path.join(".")}=null removes a key that is not there`]);
    const list = listOnTheWay(values, path);
    if (list !== undefined) {
      const key = list.join(".");
      fail([`--set ${path.join(".")}: ${key} is a list in the file. Set all of it: --set ${key}=[...]`]);
    }
    setAt(values, path, value);
  }
  return { source, values, syntax };
}

function resolveFile(file: ReadFile): ResolvedConfig {
  const parsed = configFile.safeParse(file.values);
  const problems = parsed.success ? [] : asProblems(parsed.error, file.values, configFile);
  const config = resolveArms(parsed.data, file.values, problems);
  failOn(file, problems);
  if (config === undefined) throw new Error(`${file.source.fileName}: the config was refused without a reason`);
  return config;
}

/** Throws when there is anything to tell: all of it, in the order of the file, each once. */
function failOn({ source, syntax }: ReadFile, problems: readonly ConfigProblem[]): void {
  const all = [...syntax, ...problems.map((problem) => render(problem, source))].sort((a, b) => a.offset - b.offset);
  if (all.length > 0) fail([...new Set(all.map(({ line }) => line))]);
}

function plainValues({ document, fileName }: Source): Container {
  let raw: unknown;
  try {
    raw = document.toJS();
  } catch (error) {
    // Aliases to nowhere, or so many that they would fill the memory.
    fail([`${fileName}: not valid YAML: ${(error as Error).message}`]);
  }
  if (raw === null || raw === undefined) {
    fail([
      `${fileName}: the file is empty. A config needs at least name, puzzle, model and decode; see configs/quickstart.yaml.`,
    ]);
  }
  if (!isContainer(raw))
    fail([
      `${fileName}:1:1 expected a map of keys such as "name: my-sweep", found ${Array.isArray(raw) ? "a list" : shown(raw)}`,
    ]);
  return raw;
}

function readOverride(override: string): { path: Path; value: unknown } {
  const equals = override.indexOf("=");
  const path = equals < 1 ? [] : keyPath(override.slice(0, equals).trim());
  if (path.length === 0 || !isKeyPath(path)) fail([`--set ${override}: expected key=value, for example --set train.steps=100`]);
  try {
    return { path, value: parseYaml(override.slice(equals + 1)) as unknown };
  } catch (error) {
    fail([`--set ${override}: the value is not valid YAML: ${(error as Error).message}`]);
  }
}

/** Parts of a path into `sweep` after which dots belong to a key. */
const dottedAfter: ReadonlyMap<string, number> = new Map([
  ["grid", 2],
  ["zip", 2],
  ["arms", 3],
]);

/** Dots divide keys; the keys of a grid, of a zip and of a named arm have dots of their own. */
function keyPath(dotted: string): Path {
  const parts = dotted.split(".");
  const [first, second = ""] = parts;
  const whole = (first === "sweep" ? dottedAfter.get(second) : undefined) ?? parts.length;
  return parts.length <= whole ? parts : [...parts.slice(0, whole), parts.slice(whole).join(".")];
}

function duplicateKey(text: string, [from, to]: readonly [number, number]): string {
  const key = /^[^\s:]+/.exec(text.slice(from, Math.max(to, from + 80)))?.[0] ?? "";
  return `${key}: this key is given twice in the same map. Remove one`;
}

/** A problem as a line of the message, and where it sorts. */
function render(problem: ConfigProblem, source: Source): Located {
  const offset = offsetOf(source.document, problem);
  const key = problem.path.join(".");
  const fromFlag = source.overridden.some((path) => path.every((part, index) => part === problem.path[index]));
  return { offset, line: `${fromFlag ? "--set" : place(source, offset)} ${key === "" ? "" : `${key}: `}${problem.message}` };
}

/** Where a problem's key or value begins; for a missing one, where the map that lacks it begins. */
function offsetOf(document: Document, problem: ConfigProblem): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const [index, key] of problem.path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    const last = index === problem.path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
      if (pair === undefined) return start(node) ?? offset;
      if (last && problem.atKey) return start(pair.key) ?? offset;
      offset = start(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) node = node.items[Number(key)];
    else return offset;
  }
  return start(node) ?? offset;
}

function start(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function place(source: Source, offset: number): string {
  const { line, col } = source.lines.linePos(offset);
  return `${source.fileName}:${line}:${col}`;
}

function fail(lines: readonly string[]): never {
  throw new UserError("config", lines.join("\n"));
}
