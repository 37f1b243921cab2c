// YAML text -> resolved config. Every problem is found in one go and says file:line:column. No file access.
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument, parse as parseYaml } from "yaml";
import { UserError } from "../lib/errors.ts";
import { type ResolvedConfig, resolveArms } from "./resolve.ts";
import { configFile } from "./schema.ts";
import { asProblems, type ConfigProblem, setAt } from "./values.ts";

interface Source {
  readonly fileName: string;
  readonly document: Document;
  readonly lines: LineCounter;
  /** Dotted keys that --set changed: their problems are those of the command line. */
  readonly overridden: readonly string[];
}

/**
 * Parses and resolves a config. `overrides` are "a.b=value" from --set, the value read as YAML.
 * Throws UserError("config") whose message lists all problems, a line each: `file:line:column key: what, expected, fix`.
 */
export function parseConfig(text: string, fileName: string, overrides: readonly string[] = []): ResolvedConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const source: Source = { fileName, document, lines, overridden: overrides.map((item) => item.split("=")[0] as string) };
  if (document.errors.length > 0) {
    fail(document.errors.map((error) => `${place(source, error.pos[0])} not valid YAML: ${error.message}`));
  }
  const raw: unknown = document.toJS();
  if (raw === null || raw === undefined) fail([`${fileName}: the file is empty. A config needs at least name, puzzle, model and decode; see configs/quickstart.yaml.`]);
  if (typeof raw !== "object" || Array.isArray(raw)) fail([`${fileName}:1:1 expected a map of keys such as "name: my-sweep", found ${Array.isArray(raw) ? "a list" : JSON.stringify(raw)}`]);
  const values = raw as Record<string, unknown>;
  for (const override of overrides) applyOverride(values, override);
  const parsed = configFile.safeParse(values);
  if (!parsed.success) fail(render(asProblems(parsed.error, values, configFile), source));
  const problems: ConfigProblem[] = [];
  const config = resolveArms(parsed.data, values, problems);
  if (problems.length > 0) fail(render(problems, source));
  return config;
}

function applyOverride(values: Record<string, unknown>, override: string): void {
  const equals = override.indexOf("=");
  if (equals < 1) throw new UserError("config", `--set ${override}: expected key=value, for example --set train.steps=100`);
  let value: unknown;
  try {
    value = parseYaml(override.slice(equals + 1));
  } catch (error) {
    throw new UserError("config", `--set ${override}: the value is not valid YAML: ${(error as Error).message}`);
  }
  setAt(values, override.slice(0, equals).split("."), value);
}

/** In the order of the file, each line once. */
function render(problems: readonly ConfigProblem[], source: Source): string[] {
  const located = problems.map((problem) => ({ problem, offset: offsetOf(source.document, problem) }));
  located.sort((a, b) => a.offset - b.offset);
  const rendered = located.map(({ problem, offset }) => {
    const key = problem.path.join(".");
    const fromFlag = source.overridden.some((name) => key === name || key.startsWith(`${name}.`));
    return `${fromFlag ? "--set" : place(source, offset)} ${key === "" ? "" : `${key}: `}${problem.message}`;
  });
  return [...new Set(rendered)];
}

/** Where a problem's key or value begins; for a missing one, where the map that lacks it begins. */
function offsetOf(document: Document, problem: ConfigProblem): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const [index, key] of problem.path.entries()) {
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
  return (isNode(node) ? start(node) : undefined) ?? offset;
}

function start(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}

function place(source: Source, offset: number): string {
  const { line, col } = source.lines.linePos(offset);
  return `${source.fileName}:${line}:${col}`;
}

function fail(lines: readonly string[]): never {
  throw new UserError("config", lines.join("\n"));
}

