// What no single key's schema can see: settings of one arm that cannot go together, and claims that name what is not there. Pure.

import { UserError } from "../lib/errors.ts";
import { type CountdownOptions, countdown } from "../puzzle/countdown.ts";
import { allPuzzles, findPuzzle } from "../puzzle/registry.ts";
import { checkSolver } from "../solver/registry.ts";
import { keepsDiscipline } from "../trace/discipline.ts";
import type { AnyFormat } from "../trace/format.ts";
import { formatsOf } from "../trace/registry.ts";
import { type TrainDataSettings, testDataSettings } from "./dataSettings.ts";
import { hint } from "./messages.ts";
import type { ArmSettings, ClaimSettings } from "./schema.ts";
import { type ConfigProblem, type Container, getAt, isContainer } from "./values.ts";

/** Settings of one arm that contradict each other. */
export function crossChecks(settings: ArmSettings): ConfigProblem[] {
  return [
    ...modelProblems(settings),
    ...trainProblems(settings),
    ...dataChecks(settings),
    ...policyProblems(settings),
    ...engineProblems(settings),
  ];
}

function modelProblems({ model, train }: ArmSettings): ConfigProblem[] {
  if ("from" in model) return [];
  const problems: ConfigProblem[] = [];
  const { width, heads, keyValueHeads = heads, context } = model;
  if (train === undefined) {
    const message =
      "a model from scratch needs training: add a `train` section, or give `from` to decode a published checkpoint";
    problems.push({ path: ["model"], message, causes: [["train"]] });
  }
  if (width % heads !== 0)
    problems.push({
      path: ["model", "heads"],
      message: `width ${width} is not a multiple of heads ${heads}`,
      causes: [["model", "width"]],
    });
  if (heads % keyValueHeads !== 0) {
    const message = `heads ${heads} is not a multiple of keyValueHeads ${keyValueHeads}`;
    problems.push({ path: ["model", "keyValueHeads"], message, causes: [["model", "heads"]] });
  }
  if (train !== undefined && train.maxTokens > context) {
    const message = `expected at most the model's context of ${context}, found ${train.maxTokens}`;
    problems.push({ path: ["train", "maxTokens"], message, causes: [["model", "context"]] });
  }
  return problems;
}

function trainProblems({ train, data }: ArmSettings): ConfigProblem[] {
  if (train === undefined) return [];
  const problems: ConfigProblem[] = [];
  const { examples, microBatch = examples } = train.batch;
  const steps = train.steps ?? Math.ceil((train.epochs * data.train.size) / examples);
  if (train.warmupSteps > steps) {
    const message = `expected at most the ${steps} steps of the training, found ${train.warmupSteps}`;
    const causes = [
      ["train", "steps"],
      ["train", "epochs"],
      ["train", "batch"],
      ["data", "train", "size"],
    ];
    problems.push({ path: ["train", "warmupSteps"], message, causes });
  }
  if (microBatch > examples) {
    const message = `expected at most the ${examples} examples of a step, found ${microBatch}`;
    problems.push({ path: ["train", "batch", "microBatch"], message, causes: [["train", "batch", "examples"]] });
  }
  return problems;
}

/** Settings of puzzle and data that contradict each other. */
export function dataChecks({ puzzle, data }: Pick<ArmSettings, "puzzle" | "data">): ConfigProblem[] {
  return [...formatProblems(puzzle.kind, data.train), ...(puzzle.kind === "countdown" ? countdownProblems(puzzle, data) : [])];
}

/** A format that the puzzle has not, a solver that does not take it, a heuristic that it lacks. */
function formatProblems(kind: string, train: TrainDataSettings): ConfigProblem[] {
  const causes = [["puzzle"]];
  const names = formatsOf(kind).map(({ name }) => name);
  if (!names.includes(train.format)) {
    const message = `puzzle ${kind} has no format ${train.format}. It has: ${names.join(", ")}${hint(train.format, names)}`;
    return [{ path: ["data", "train", "format"], message, causes }];
  }
  if (!("solver" in train)) return [];
  const format = formatsOf(kind).find(({ name }) => name === train.format) as AnyFormat;
  return (train.solver ?? []).flatMap((solver, index) => {
    try {
      checkSolver(findPuzzle(kind), solver);
      const message = keepsDiscipline(format, solver);
      return message === undefined ? [] : [{ path: ["data", "train", "solver", String(index)], message, causes }];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return [{ path: ["data", "train", "solver", String(index)], message: error.message, causes }];
    }
  });
}

/** Policies that roll back need a format in which the model can ask for it. */
function policyProblems({ puzzle, data, decode }: ArmSettings): ConfigProblem[] {
  const format = formatsOf(puzzle.kind).find(({ name }) => name === data.train.format);
  if (format === undefined || format.markers.backtrack !== undefined) return [];
  return Object.entries(decode).flatMap(([name, policy]) => {
    if (policy.policy !== "self-backtrack" || policy.rounds === 0) return [];
    const message = `format ${format.name} has no backtrack mark, so nothing can be rolled back. Use rounds: 0 or policy: best-of-n`;
    return [{ path: ["decode", name, "rounds"], message, causes: [["data", "train", "format"]] }];
  });
}

/** Engines to compare with cannot do all that ours does. */
function engineProblems({ decode }: ArmSettings): ConfigProblem[] {
  return Object.entries(decode).flatMap(([name, policy]) => {
    const { engine, strict } = policy;
    if (engine === "continuous" && policy.policy !== "greedy") {
      const message = `expected auto or reference for policy ${policy.policy}, found continuous: transformers' continuous batching has one seed for a whole batch, so samples would not be a function of their own seeds. Use it with policy: greedy`;
      return [{ path: ["decode", name, "engine"], message, causes: [["decode", name, "policy"]] }];
    }
    if (engine === undefined || !strict) return [];
    const message = `strict is a mode of the engine auto, found engine ${engine}. Remove one of the two`;
    return [{ path: ["decode", name, "strict"], message, causes: [["decode", name, "engine"]] }];
  });
}

function countdownProblems(puzzle: CountdownOptions, data: ArmSettings["data"]): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const { numbers, operands, targets, holdOutTargets } = puzzle;
  const [low, high] = targets;
  const reach = largestValue(numbers, operands[1]);
  if (reach < low) {
    const message = `no problem satisfies this: ${numbers} numbers of ${operands.join(" to ")} reach at most ${reach}, the targets start at ${low}. Widen operands or lower targets`;
    problems.push({ path: ["puzzle", "targets"], message, causes: [["puzzle"]] });
  }
  const values = high - low + 1;
  const held = Math.round(holdOutTargets * values);
  const causes = [
    ["puzzle", "targets"],
    ["data", "test"],
  ];
  const path = ["puzzle", "holdOutTargets"];
  if (held === 0 && data.test.unseen > 0) {
    problems.push({
      path,
      causes,
      message: `${holdOutTargets} of ${values} target values holds none out, but data.test.unseen asks for ${data.test.unseen} problems. Raise it, or set data.test.unseen to 0`,
    });
  }
  if (held === values)
    problems.push({ path, causes, message: `${holdOutTargets} of ${values} target values leaves none to train on. Lower it` });
  const depth = data.train.format === "self-backtracking" ? data.train.depth : "uniform";
  if (depth !== "uniform" && depth >= numbers - 1) {
    const message = `expected a step from 0 to ${numbers - 2} (a solution with ${numbers} numbers has ${numbers - 1} steps), found ${depth}`;
    problems.push({ path: ["data", "train", "depth"], message, causes: [["puzzle", "numbers"]] });
  }
  return problems;
}

/** The largest number that `count` numbers up to `high` can make with + - * /: the best sum or product of two parts. */
function largestValue(count: number, high: number): number {
  const best = [0, high];
  for (let size = 2; size <= count; size++) {
    best[size] = 0;
    for (let part = 1; part < size; part++) {
      const [a, b] = [best[part] as number, best[size - part] as number];
      best[size] = Math.max(best[size] as number, a + b, a * b);
    }
  }
  return best[count] as number;
}

/** An arm as far as claims ask about it: also one whose other settings are wrong. */
export interface NamedArm {
  readonly name: string;
  /** Name in the file, without the values of the axes. */
  readonly variant: string;
  readonly raw: Container;
}

/**
 * References `arm/policy` (or `policy` of the base arm; an arm's name stands for all of its points) and splits that are not
 * there. `excluded` holds the names that `sweep.exclude` left no arm for.
 */
export function claimProblems(
  claims: Readonly<Record<string, ClaimSettings>>,
  base: string,
  arms: readonly NamedArm[],
  excluded: ReadonlySet<string>,
): ConfigProblem[] {
  return Object.entries(claims).flatMap(([name, claim]) => {
    const problems: ConfigProblem[] = [];
    const named: NamedArm[] = [];
    for (const [index, reference] of claim.compare.entries()) {
      const found = resolveReference(reference, base, arms, excluded);
      if (typeof found === "string") problems.push({ path: ["claims", name, "compare", String(index)], message: found });
      else named.push(...found);
    }
    const [first, second] = claim.compare.map((reference) => (reference.includes("/") ? reference : `${base}/${reference}`));
    if (first === second) problems.push({ path: ["claims", name, "compare"], message: `${first} is compared with itself` });
    return [...problems, ...splitProblems(name, claim.on, named)];
  });
}

/** The arms that a reference names, or one sentence on why there is none. */
function resolveReference(
  reference: string,
  base: string,
  arms: readonly NamedArm[],
  excluded: ReadonlySet<string>,
): readonly NamedArm[] | string {
  const slash = reference.lastIndexOf("/");
  const armName = slash < 0 ? base : reference.slice(0, slash);
  const policy = reference.slice(slash + 1);
  const named = arms.filter((arm) => arm.name === armName || arm.variant === armName);
  if (named.length === 0 && excluded.has(armName)) return `sweep.exclude drops arm ${armName}`;
  if (named.length === 0) {
    const names = [...new Set(arms.map((arm) => arm.variant))];
    return `unknown arm ${armName}. There is: ${names.join(", ")}${hint(armName, [...names, ...arms.map((arm) => arm.name)])}`;
  }
  for (const { name, raw } of named) {
    // A `decode` that is missing or no map is a problem of its own, told elsewhere.
    if (!isContainer(raw.decode) || Object.hasOwn(raw.decode, policy)) continue;
    const policies = Object.keys(raw.decode);
    return `arm ${name} has no policy ${policy}. It has: ${policies.join(", ")}${hint(policy, policies)}`;
  }
  return named;
}

/** Whether a puzzle as written is a right one, but not Countdown. */
function isOtherPuzzle(puzzle: unknown): boolean {
  if (!isContainer(puzzle)) return false;
  return puzzle.module !== undefined || allPuzzles().some(({ name }) => name !== countdown.name && name === puzzle.kind);
}

function splitProblems(claim: string, split: string, arms: readonly NamedArm[]): ConfigProblem[] {
  const path = ["claims", claim, "on"];
  const sets = arms.flatMap(({ raw }) => Object.keys((getAt(raw, ["data", "test", "sets"]) as Container | undefined) ?? {}));
  const splits = [...Object.keys(testDataSettings.shape).filter((key) => key !== "sets"), ...new Set(sets)];
  if (!splits.includes(split))
    return [{ path, message: `unknown split ${split}. There is: ${splits.join(", ")}${hint(split, splits)}` }];
  if (split === "unseen" && arms.some(({ raw }) => isOtherPuzzle(raw.puzzle))) {
    const message = "split unseen has no problems: only countdown holds targets out. Use on: seen, or a set of data.test.sets";
    return [{ path, message }];
  }
  // Arms of one sweep share most of their sections.
  const tests = new Set(arms.map(({ raw }) => getAt(raw, ["data", "test"]) ?? {}));
  const isEmpty = [...tests].some((found) => {
    const test = testDataSettings.safeParse(found);
    return test.success && split in test.data && test.data[split as "seen" | "unseen" | "dev"] === 0;
  });
  return isEmpty ? [{ path, message: `split ${split} has no problems: set data.test.${split}` }] : [];
}
