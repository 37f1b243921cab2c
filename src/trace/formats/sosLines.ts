// The lines of Stream of Search text, one by one: what each says, and how it is written. Knows nothing of their order.
import { type CountdownAction, equation, type Operator } from "../../puzzle/countdown.ts";

/** The literal parts of the lines. */
export const words = {
  state: "Current State: ",
  exploring: "Exploring Operation: ",
  generated: "Generated Node #",
  moving: "Moving to Node #",
  unequal: " unequal: No Solution",
  equal: " equal: Goal Reached",
  lostPair: " No Solution",
  ending: "No solution found.",
} as const;

/** What a state line says. `operations` are the equations from the root. */
interface StateLine {
  readonly target: number;
  readonly pool: readonly number[];
  readonly operations: readonly string[];
}

export function stateLine({ target, pool, operations }: StateLine): string {
  const quoted = operations.length === 0 ? "" : `'${operations.join("', '")}'`;
  return `${words.state}${target}:[${pool.join(", ")}], Operations: [${quoted}]`;
}

export function exploringLine(action: CountdownAction, pool: readonly number[]): string {
  return `${words.exploring}${equation(action)}, Resulting Numbers: [${pool.join(", ")}]`;
}

export function generatedLine(label: string, target: number, pool: readonly number[], operation: string): string {
  return `${words.generated}${label}: ${target}:[${pool.join(", ")}] Operation: ${operation}`;
}

/** The node line of a solution path, which counts its nodes from 2. */
export function pathNodeLine(count: number, pool: readonly number[], operation: string): string {
  return `${words.generated}${count}: [${pool.join(", ")}] from Operation: ${operation}`;
}

export function movingLine(label: string): string {
  return words.moving + label;
}

export function verdictLine(value: number, target: number, goal: boolean): string {
  return `${value},${target}${goal ? words.equal : words.unequal}`;
}

export function lostPairLine(pool: readonly number[]): string {
  return `[${pool.join(", ")}]${words.lostPair}`;
}

// No leading zeros and no -0, so that every number has one spelling and writing restores the text.
const number = "(?:0|-?[1-9][0-9]*)";
const list = `\\[(${number}(?:, ${number})*)\\]`;
const step = `${number}[-+*/]${number}=${number}`;
const whole = (pattern: string) => new RegExp(`^${pattern}$`);
const patterns = {
  state: whole(`${words.state}(${number}):${list}, Operations: \\[(?:'(${step}(?:', '${step})*)')?\\]`),
  exploring: whole(`${words.exploring}(${number})([-+*/])(${number})=(${number}), Resulting Numbers: ${list}`),
  generated: whole(`${words.generated}([0-9]+(?:,[0-9]+)*): (${number}):${list} Operation: (${step})`),
  pathNode: whole(`${words.generated}[0-9]+: ${list} from Operation: ${step}`),
  moving: whole(`${words.moving}([0-9]+(?:,[0-9]+)*)`),
  verdict: whole(`(${number}),(${number})(${words.unequal}|${words.equal})`),
  lostPair: whole(`${list}${words.lostPair}`),
};

/** The groups of a line, or undefined where it is none of its kind or holds a number beyond 2^53 - 1. */
function groupsOf(pattern: RegExp, line: string): readonly (string | undefined)[] | undefined {
  // Sixteen digits come before every number that is too large; only then is it worth a look.
  if (/[0-9]{16}/.test(line) && (line.match(/[0-9]+/g) ?? []).some((digits) => !Number.isSafeInteger(Number(digits)))) {
    return undefined;
  }
  return pattern.exec(line) ?? undefined;
}

function numbersOf(text: string | undefined): number[] {
  return (text ?? "").split(", ").map(Number);
}

export function readState(line: string): StateLine | undefined {
  const groups = groupsOf(patterns.state, line);
  if (!groups) return undefined;
  return { target: Number(groups[1]), pool: numbersOf(groups[2]), operations: groups[3]?.split("', '") ?? [] };
}

export function readExploring(line: string): { action: CountdownAction; pool: number[] } | undefined {
  const groups = groupsOf(patterns.exploring, line);
  if (!groups) return undefined;
  const [, left, op, right, result, pool] = groups;
  return {
    action: { left: Number(left), op: op as Operator, right: Number(right), result: Number(result) },
    pool: numbersOf(pool),
  };
}

/** Whether a line is the node line of a solution path. */
export function isPathNode(line: string): boolean {
  return groupsOf(patterns.pathNode, line) !== undefined;
}

interface Verdict {
  readonly kind: "verdict";
  readonly value: number;
  readonly target: number;
  readonly goal: boolean;
}

export function readVerdict(line: string): Verdict | undefined {
  const groups = groupsOf(patterns.verdict, line);
  if (!groups) return undefined;
  return { kind: "verdict", value: Number(groups[1]), target: Number(groups[2]), goal: groups[3] === words.equal };
}

/** What stands behind an "Exploring Operation" line. */
export type Outcome =
  | Verdict
  | {
      readonly kind: "generated";
      readonly label: string;
      readonly target: number;
      readonly pool: readonly number[];
      readonly operation: string;
    }
  | { readonly kind: "lostPair"; readonly pool: readonly number[] };

export function readOutcome(line: string): Outcome | undefined {
  const generated = groupsOf(patterns.generated, line);
  if (generated) {
    const [, label = "", target, pool, operation = ""] = generated;
    return { kind: "generated", label, target: Number(target), pool: numbersOf(pool), operation };
  }
  const verdict = readVerdict(line);
  if (verdict) return verdict;
  const pair = groupsOf(patterns.lostPair, line);
  return pair && { kind: "lostPair", pool: numbersOf(pair[1]) };
}

/** The label of a "Moving to Node" line. */
export function readMoving(line: string): string | undefined {
  return groupsOf(patterns.moving, line)?.[1];
}
