// A puzzle of letters and arrows, and a format whose text is one character an event: the grader's rules without a grammar.
import type { Puzzle } from "../../src/puzzle/puzzle.ts";
import type { SearchEvent } from "../../src/solver/events.ts";
import type { Discipline, Format, Parsed } from "../../src/trace/format.ts";
import { type GradeOptions, grade } from "../../src/trace/grader.ts";
import type { Verdict } from "../../src/trace/verdict.ts";

/** S leads to A and B, and so on; G is the goal. The shortest way S B G has two steps; D and E lead nowhere. */
export const arrows: Readonly<Record<string, string>> = { S: "AB", A: "CD", B: "CG", C: "G", D: "E", E: "", G: "" };
/** Never more than the distance to G. */
const estimates: Readonly<Record<string, number>> = { S: 2, A: 2, B: 1, C: 1, D: 3, E: 3, G: 0 };

export type Event = SearchEvent<string, string>;

const leads = (state: string) => arrows[state] ?? "";
const reaches = (state: string): boolean => state === "G" || [...leads(state)].some(reaches);

export const toy: Puzzle<unknown, null, string, string> = {
  name: "toy",
  readOptions: (value) => value,
  generate: () => null,
  canonicalKey: () => "toy",
  root: () => "S",
  actions: (_problem, state) => [...leads(state)],
  apply: (_problem, state, to) =>
    leads(state).includes(to)
      ? { ok: true, state: to }
      : { ok: false, violation: { kind: "neighbours", message: `no arrow from ${state} to ${to}` } },
  applyAsClaimed: (_problem, _state, to) => to,
  isGoal: (_problem, state) => state === "G",
  stateKey: (state) => state,
  heuristics: { table: { estimate: (_problem, state) => estimates[state] ?? 9 } },
  readProblem: () => null,
  writeProblem: () => null,
  canSolve: (_problem, state) => reaches(state),
  shortestLength: () => 2,
};

interface Asked {
  readonly discipline?: Discipline;
  readonly puzzle?: Partial<typeof toy>;
  readonly complaints?: Parsed<string>["errors"];
  readonly options?: GradeOptions;
}

export function verdictOf(events: readonly Event[], { discipline, puzzle, complaints, options }: Asked = {}): Verdict {
  const format: Format<null, string, string> = {
    name: "toy",
    puzzle: "toy",
    vocabulary: { pieces: ["."], special: [] },
    markers: { goal: "!", stepDelimiter: "." },
    ...(discipline ? { discipline } : {}),
    prompt: () => "",
    readPrompt: () => undefined,
    project: (_problem, trace) => trace,
    render: () => ({ text: "", eventSpans: [] }),
    parse: () => ({ events, eventSpans: events.map((_, at) => [at, at + 1] as const), errors: complaints ?? [] }),
  };
  return grade(format, { ...toy, ...puzzle }, null, ".".repeat(events.length), options);
}

/** Each error as kind@step, and the index of the event that it points at. */
export function errorsOf(events: readonly Event[], asked: Asked = {}): string[] {
  return verdictOf(events, asked).errors.map(({ kind, step, span }) => `${kind}@${step} event ${span[0]}`);
}

const all: Record<string, (text: string) => Event> = {
  x: (text) => ({ kind: "expand", node: Number(text) }),
  g: (text) => {
    const [parent, node, action] = text.split(/[>:]/) as [string, string, string];
    return { kind: "generate", parent: Number(parent), node: Number(node), action };
  },
  v: (text) => ({ kind: "visit", node: Number(text) }),
  j: (text) => ({ kind: "jump", node: Number(text.slice(0, -1)), state: text.slice(-1) }),
  d: (text) => ({ kind: "deadEnd", node: Number(text) }),
  b: (text) => ({ kind: "backtrack", from: Number(text.split(">")[0]), to: Number(text.split(">")[1]) }),
  "!": (text) => ({ kind: "goal", node: Number(text) }),
  "<": (text) => ({ kind: "traceback", path: [...text] }),
  "=": (text) => ({ kind: "answer", path: [...text] }),
};

/** Events from a short script: "x0 g0>1:A g0>2:B !2 <GBS =SBG" (expand, generate parent>node:state, goal, traceback, answer). */
export function script(text: string): Event[] {
  return text.split(" ").map((word) => (all[word[0] as string] as (rest: string) => Event)(word.slice(1)));
}
