// The `data` section of a config: what training examples and test problems are made of. Part of config/schema.ts.
import { z } from "zod";
import {
  aStarSettings,
  beamSettings,
  bestFirstSettings,
  bfsSettings,
  dfsSettings,
  exhaustiveSettings,
  mctsSettings,
  optimalSettings,
  sudokuSettings,
  thinkSettings,
} from "../solver/settings.ts";
import { moduleInfo } from "./modules.ts";

const count = z.number().int().nonnegative();
const positive = z.number().int().positive();
const share = z.number().min(0).max(1);

const size = positive.default(500_000).describe("Training examples, of all kinds together.");
const distinct = z
  .boolean()
  .default(false)
  .describe("Whether no problem occurs twice (by canonical key). Off by default: a small space may not hold enough problems.");

/** Direct examples (D_op) and examples with one wrong action (D_back). */
export const selfBacktrackingData = z.strictObject({
  format: z.literal("self-backtracking"),
  size,
  distinct,
  backtrackShare: share
    .default(0.5)
    .describe("Share of examples that end in a wrong action and <backtrack>. 0.5 is the paper's 1:1."),
  errors: z
    .strictObject({
      exploration: z.number().nonnegative().default(1),
      arithmetic: z.number().nonnegative().default(2),
      rule: z.number().nonnegative().default(2),
    })
    .prefault({})
    .refine((weights) => weights.exploration + weights.arithmetic + weights.rule > 0, { message: "all weights are zero" })
    .describe("Weights of the three kinds of wrong action (paper: 1:2:2)."),
  depth: z
    .union([z.literal("uniform"), count])
    .default("uniform")
    .describe("Step at which the wrong action is put: drawn uniformly, or a fixed index from 0. The paper does not say."),
});
export type SelfBacktrackingData = z.infer<typeof selfBacktrackingData>;

/** Wrong answers, then a right one (Meta-CoT, variable-length revision). */
export const revisionData = z.strictObject({
  format: z.literal("revision"),
  size,
  distinct,
  wrongAnswers: z
    .tuple([count, count])
    .default([1, 7])
    .refine(([low, high]) => low <= high, { error: "the first number of a range must not exceed the second" })
    .describe("How many wrong answers stand in front of the right one: drawn uniformly, both ends included."),
});
export type RevisionData = z.infer<typeof revisionData>;

const weighted = {
  share: z.number().positive().default(1).describe("Weight of this solver where several are listed."),
};
const weightedSolver = z.discriminatedUnion("kind", [
  exhaustiveSettings.extend(weighted),
  optimalSettings.extend(weighted),
  dfsSettings.extend(weighted),
  beamSettings.extend(weighted),
  bfsSettings.extend(weighted),
  bestFirstSettings.extend(weighted),
  aStarSettings.extend(weighted),
  mctsSettings.extend(weighted),
  thinkSettings.extend(weighted),
  sudokuSettings.extend(weighted),
]);
export type WeightedSolver = z.infer<typeof weightedSolver>;

/** A name, one solver or a list of them: always a list when read. */
const solverChoice = z
  .preprocess((value) => {
    const listed = Array.isArray(value) ? value : [value];
    return listed.map((item) => (typeof item === "string" ? { kind: item } : item));
  }, z.array(weightedSolver).min(1))
  .describe("A solver, or several with shares: one is drawn for each problem. Default: the format's own.");

const traceKeys = {
  size,
  distinct,
  solver: solverChoice.optional(),
  keep: z
    .enum(["all", "solved"])
    .default("all")
    .describe("solved: a problem whose search ended without a goal is skipped and another one drawn."),
  maxTokens: positive
    .optional()
    .describe("Longest response in tokens of the format's own vocabulary; what happens beyond it: `over`."),
  over: z.enum(["cut", "drop"]).default("cut").describe("cut: the text ends there. drop: another problem is drawn."),
};

/** Traces of symbolic solvers, written in a format of the puzzle. */
export const traceData = z.strictObject({
  format: z.enum(["sos", "think", "path", "bfs", "bfs-article", "sudoku", "sudoku-path", "astar"]),
  ...traceKeys,
});
/**
 * Traces in a format of the user's own, written `format: {module: ./mine.ts}`. What is left after reading is the format's
 * name and the module's digest.
 */
const moduleData = z
  .strictObject({
    format: z.literal("module"),
    module: z.string().describe("Path of a module that exports `formats`, relative to the config."),
    name: z.string().optional().describe("Which of its formats; default: the first."),
    ...traceKeys,
  })
  .transform(({ module, name, ...rest }, context) => {
    const info = moduleInfo(module);
    const format = name ?? info?.formats[0];
    if (info === undefined || format === undefined || !info.formats.includes(format)) {
      const there = info === undefined ? "is not loaded" : `exports the formats: ${info.formats.join(", ") || "none"}`;
      context.issues.push({ code: "custom", input: module, path: ["format"], message: `the module ${module} ${there}` });
      return z.NEVER;
    }
    // To everything that reads settings, a format of the user's own is one more trace format.
    return { ...rest, format: format as z.output<typeof traceData>["format"], formatContent: info.sha256 };
  });
export type TraceData = z.output<typeof traceData> & { readonly formatContent?: string };

/** The format left out is the paper's; `{module, name}` in its place is a kind of its own. */
function withFormat(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  if (!("format" in value)) return { format: "self-backtracking", ...value };
  const { format } = value;
  return typeof format === "object" && format !== null ? { ...value, ...format, format: "module" } : value;
}

export const trainDataSettings = z.preprocess(
  withFormat,
  z.discriminatedUnion("format", [selfBacktrackingData, revisionData, traceData, moduleData]),
);
export type TrainDataSettings = SelfBacktrackingData | RevisionData | TraceData;

/** What the sets of every dataset are called: no further set can have one of these names. */
const splitNames = ["train", "seen", "unseen", "dev"];

export const testDataSettings = z.strictObject({
  seen: count
    .default(5000)
    .describe(
      "Test problems like those of training (Countdown: with targets that occur in training), none of which is trained on.",
    ),
  unseen: count
    .default(5000)
    .describe("Countdown: test problems with held-out targets. Other puzzles have none: it counts as 0."),
  dev: count.default(0).describe("Problems of the development split, for tuning; never reported as a result."),
  sets: z
    .record(
      z
        .string()
        .regex(/^[a-z0-9][a-z0-9._-]*$/i, "letters, digits, dots, dashes and underscores only")
        .refine((name) => !splitNames.includes(name), `this name is taken. Choose another than ${splitNames.join(", ")}`),
      z.strictObject({
        size: positive,
        puzzle: z.record(z.string(), z.unknown()).default({}).describe("Keys of `puzzle` that differ in this set."),
      }),
    )
    .default({})
    .describe("Further test sets of other distributions, by name: {g17: {size: 1000, puzzle: {nodes: 17}}}."),
});
export type TestDataSettings = z.infer<typeof testDataSettings>;
