// The shape of a config file: strict zod schemas with every default in one place. Knows nothing of files or text positions
// (config/load.ts) and nothing of how a stage uses its settings. The JSON Schema of editors comes from here.
import { z } from "zod";
import { UserError } from "../lib/errors.ts";
import { countdownOptions } from "../puzzle/countdown.ts";
import { graphOptions } from "../puzzle/graph.ts";
import { mazeOptions } from "../puzzle/maze.ts";
import { sudokuOptions } from "../puzzle/sudoku.ts";
import { testDataSettings, trainDataSettings } from "./dataSettings.ts";
import { modelSettings } from "./modelSettings.ts";
import { moduleInfo } from "./modules.ts";
import { sweepSettings } from "./sweepSettings.ts";

const count = z.number().int().nonnegative();
const positive = z.number().int().positive();
const share = z.number().min(0).max(1);

/** A puzzle of the user's own, written `puzzle: {module: ./mine.ts, ...its options}`: read by the module, keyed by its digest. */
const modulePuzzle = z
  .looseObject({
    kind: z.literal("module"),
    module: z.string().describe("Path of a module that exports `puzzle`, relative to the config."),
  })
  .transform(({ kind: _, module, ...options }, context) => {
    const info = moduleInfo(module);
    try {
      if (info?.puzzle === undefined)
        throw new UserError("module", `${module} ${info === undefined ? "is not loaded" : "exports no `puzzle`"}`);
      // To everything that reads settings its name is one more kind.
      return { ...(info.readOptions(options) as object), kind: info.puzzle as "own", content: info.sha256 };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      context.issues.push({ code: "custom", input: module, path: ["module"], message: error.message });
      return z.NEVER;
    }
  });

export const puzzleSettings = z
  .preprocess(
    (value) => (typeof value === "object" && value !== null && "module" in value ? { ...value, kind: "module" } : value),
    z.discriminatedUnion("kind", [countdownOptions, sudokuOptions, graphOptions, mazeOptions, modulePuzzle]),
  )
  .describe("What is to be solved.");
export type PuzzleSettings = z.output<typeof puzzleSettings>;

export type ModelSettings = z.infer<typeof modelSettings>;

export const trainSettings = z
  .strictObject({
    method: z.literal("sft").default("sft"),
    epochs: z.number().positive().default(3).describe("Passes over the training examples; ignored when `steps` is given."),
    steps: positive.optional().describe("Optimizer steps, in place of epochs."),
    batch: z
      .strictObject({
        examples: positive.default(64).describe("Examples of one optimizer step."),
        microBatch: positive.optional().describe("Examples of one forward pass, at most; default: all of them."),
        microTokens: positive
          .optional()
          .describe("Tokens of one forward pass, padding included, at most; a longer example goes alone. Default: no bound."),
        packing: z
          .union([z.boolean(), z.literal("auto")])
          .default("auto")
          .describe(
            "Lay examples end to end in place of padding them, none seeing another. auto: on a GPU, for models where it was verified.",
          ),
      })
      .prefault({}),
    learningRate: z.number().positive().default(1e-5),
    schedule: z.enum(["cosine", "linear", "constant"]).default("cosine"),
    finalLearningRate: share.default(0).describe("Learning rate at the end of the schedule, as a share of the peak."),
    warmupSteps: count.default(1),
    betas: z.tuple([share, share]).default([0.9, 0.999]),
    epsilon: z.number().positive().default(1e-8),
    weightDecay: z.number().nonnegative().default(0.01),
    clip: z.number().nonnegative().default(1).describe("Largest gradient norm; 0 turns clipping off."),
    maxTokens: positive.default(128).describe("Longest example in tokens; a longer one is refused, not cut."),
    checkpointEvery: positive.default(1000).describe("Steps between checkpoints for resume."),
    gradientCheckpointing: z
      .boolean()
      .default(false)
      .describe("Compute activations again in the backward pass: less memory, about a third more time, the same gradients."),
    compile: z
      .boolean()
      .default(false)
      .describe(
        "torch.compile the model: a minute or so at the start, faster steps on a GPU, the same gradients up to rounding.",
      ),
    lora: z
      .strictObject({
        rank: positive.describe("Rank of the adapters."),
        alpha: z.number().positive().optional().describe("Their scale times the rank; default 2 x rank."),
        dropout: z.number().min(0).lt(1).optional(),
        targets: z
          .array(z.string())
          .min(1)
          .optional()
          .describe("Last parts of the names of adapted layers; default: every matrix but embeddings and head."),
      })
      .optional()
      .describe(
        "Train low-rank adapters in place of all weights (needs peft). Rows of added tokens are trained too; checkpoints are merged.",
      ),
  })
  .describe("How the model is trained. Leave out to decode a published checkpoint as it is.");
export type TrainSettings = z.infer<typeof trainSettings>;

/** What leaves a stage's bytes as they are when not given must be absent then, also from its key. */
const sampling = {
  engine: z
    .enum(["auto", "reference", "continuous"])
    .optional()
    .transform((engine) => (engine === "auto" ? undefined : engine))
    .describe(
      "What decodes. auto: ours; reference: the published decoder's way, one problem at a time; continuous: transformers' batching (greedy only). The last two are slow and there to be compared with.",
    ),
  strict: z
    .boolean()
    .optional()
    .transform((strict) => strict || undefined)
    .describe(
      "One completion at a time on workers.threads threads: log-probabilities too are the same bytes whatever else is decoded. Slow. Without it the same tokens are promised, and log-probabilities up to rounding.",
    ),
  maxNewTokens: positive
    .optional()
    .describe(
      "Tokens a completion may add; default: what is left of the model's context, at most 128 or train.maxTokens, whichever is more.",
    ),
};
const temperature = z.number().positive().default(0.7);
export const greedyPolicy = z.strictObject({ policy: z.literal("greedy"), ...sampling });
export const bestOfNPolicy = z.strictObject({
  policy: z.literal("best-of-n"),
  samples: positive.default(16),
  temperature,
  select: z
    .enum(["likelihood", "vote", "oracle"])
    .default("likelihood")
    .describe("likelihood: highest mean log-probability; vote: most frequent; oracle: any that is right (an upper bound)."),
  ...sampling,
});
export const selfBacktrackPolicy = z.strictObject({
  policy: z.literal("self-backtrack"),
  samples: positive.default(32).describe("N: completions of each expanded state."),
  rounds: count.default(1).describe("b: rounds after a rollback. 0 = expand and select only."),
  temperature,
  rollbackSteps: positive.default(1).describe("Steps that a rollback cuts, the wrong one included."),
  keep: z
    .union([z.literal("sqrt"), positive])
    .default("sqrt")
    .describe("States rolled back per round: floor(sqrt(N)), or a number."),
  dedupe: z.boolean().default(true).describe("Skip states that were expanded before."),
  quirks: z
    .strictObject({
      expansion: z
        .enum(["independent", "beam-sample"])
        .default("independent")
        .describe("beam-sample: the published decoder's correlated samples."),
      duplicates: z
        .enum(["keep-best", "add-scores"])
        .default("keep-best")
        .describe("add-scores: the published decoder adds the (negative) scores of equal answers, which punishes them."),
      divisor: z
        .enum(["tokens", "padded"])
        .default("tokens")
        .describe("padded: divide by the longest completion of the call, as the published decoder does."),
      bothMarkers: z
        .enum(["reject", "accept"])
        .default("reject")
        .describe("accept: a text with <backtrack> and Goal Reached! is a candidate too."),
    })
    .prefault({})
    .describe("Switches that restate the published decoder; the defaults are the sound choices."),
  ...sampling,
});
export const policySettings = z.discriminatedUnion("policy", [greedyPolicy, bestOfNPolicy, selfBacktrackPolicy]);
export type PolicySettings = z.infer<typeof policySettings>;
export type SelfBacktrackSettings = z.infer<typeof selfBacktrackPolicy>;
export type BestOfNSettings = z.infer<typeof bestOfNPolicy>;

export const gradeSettings = z
  .strictObject({
    useAllNumbers: z
      .boolean()
      .default(false)
      .describe(
        "Whether an answer must use every number. Off by default, as in the published evaluator; both counts are in the summary.",
      ),
  })
  .prefault({});
export type GradeSettings = z.infer<typeof gradeSettings>;

export const claimSettings = z.strictObject({
  compare: z
    .tuple([z.string(), z.string()])
    .describe("Two references `arm/policy` (or `policy` of the base arm): is the first better than the second?"),
  on: z.string().default("unseen").describe("The split: seen, unseen or dev."),
  metric: z.literal("accuracy").default("accuracy"),
  expect: z
    .strictObject({
      greater: z.literal(true).default(true),
      margin: z.number().default(0).describe("The first must exceed the second by more than this."),
      effect: z
        .number()
        .positive()
        .default(0.05)
        .describe("Smallest excess over the margin worth detecting; decides when a claim is underpowered."),
    })
    .prefault({}),
  required: z.boolean().default(false).describe("true: exit code 4 unless the claim is supported."),
});
export type ClaimSettings = z.infer<typeof claimSettings>;

export const workerSettings = z
  .strictObject({
    python: z.string().default("auto").describe("Python of the torch worker; auto: BACKTRAIL_PYTHON, else .venv."),
    count: positive.default(1),
    gpus: count.optional().describe("GPUs of one worker; default: one where there is one. Several: one rank on each."),
    ranks: positive.optional().describe("Processes of one worker that train together; default: one per GPU in `gpus`."),
    threads: count.default(1).describe("CPU threads of one worker; 0: the library's choice."),
    deepspeed: z.string().optional().describe("DeepSpeed JSON config, for several ranks."),
  })
  .prefault({});

/** One arm's settings, fully resolved. */
export const armSettings = z.strictObject({
  seed: count.default(42),
  puzzle: puzzleSettings,
  data: z.strictObject({ train: trainDataSettings.prefault({}), test: testDataSettings.prefault({}) }).prefault({}),
  model: modelSettings,
  train: trainSettings.optional(),
  decode: z.record(z.string(), policySettings).refine((policies) => Object.keys(policies).length > 0, {
    message: "no policy: give at least one, for example greedy: {policy: greedy}",
  }),
  grade: gradeSettings,
});
export type ArmSettings = z.infer<typeof armSettings>;
/** The sections of an arm: what a sweep may vary. */
export const armKeys = armSettings.keyof().options;

const named = {
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]*$/i, "letters, digits, dots, dashes and underscores only: it names a folder under results/"),
  description: z.string().default(""),
};

/** A file that describes data alone, as `data make` reads it. */
export const dataFile = z.strictObject({
  ...named,
  seed: armSettings.shape.seed,
  puzzle: armSettings.shape.puzzle,
  data: armSettings.shape.data,
});
export type DataFile = z.infer<typeof dataFile>;

/** A whole config file. */
export const configFile = armSettings.extend({
  ...named,
  sweep: sweepSettings.prefault({}),
  claims: z.record(z.string(), claimSettings).default({}),
  workers: workerSettings,
  store: z.string().default("results/.store"),
});
export type ConfigFile = z.infer<typeof configFile>;
