// The shape of a config file: strict zod schemas with every default in one place. Knows nothing of files or text positions
// (config/load.ts) and nothing of how a stage uses its settings. The JSON Schema of editors comes from here.
import { z } from "zod";
import { countdownOptions } from "../puzzle/countdown.ts";

const count = z.number().int().nonnegative();
const positive = z.number().int().positive();
const share = z.number().min(0).max(1);

export const puzzleSettings = countdownOptions.describe("What is to be solved.");
export type PuzzleSettings = z.infer<typeof puzzleSettings>;

export const trainDataSettings = z.strictObject({
  size: positive.default(500_000).describe("Training examples, direct and backtracking ones together."),
  format: z.literal("self-backtracking").default("self-backtracking"),
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
export type TrainDataSettings = z.infer<typeof trainDataSettings>;

export const testDataSettings = z.strictObject({
  seen: count.default(5000).describe("Test problems with targets that occur in training."),
  unseen: count.default(5000).describe("Test problems with held-out targets."),
  dev: count.default(0).describe("Problems of the development split, for tuning; never reported as a result."),
});
export type TestDataSettings = z.infer<typeof testDataSettings>;

const dtypeAliases = { bf16: "bfloat16", fp32: "float32" } as const;
const dtype = z
  .enum(["auto", "float32", "bfloat16", "bf16", "fp32"])
  .default("auto")
  .transform((name) => (name === "bf16" || name === "fp32" ? dtypeAliases[name] : name))
  .describe("auto: bfloat16 on a GPU, float32 on a CPU. bf16 and fp32 are short for bfloat16 and float32.");
const tokenSettings = {
  dtype,
  backtrackToken: z
    .union([z.literal("add"), z.strictObject({ reserved: z.string() })])
    .default("add")
    .describe(
      "`add`: a token of its own (found when the tokenizer has it). `{reserved: '<|name|>'}`: take over a reserved token.",
    ),
};
export const publishedModel = z.strictObject({
  from: z.string().min(1).describe("A directory in save_pretrained layout, or a Hugging Face Hub id."),
  revision: z.string().optional().describe("Commit or tag of a Hub id."),
  ...tokenSettings,
});
export const scratchModel = z.strictObject({
  architecture: z.enum(["llama", "qwen2", "gpt_neox", "gpt2"]).describe("Shape of a model trained from scratch."),
  width: positive.describe("Hidden size."),
  layers: positive,
  heads: positive,
  keyValueHeads: positive.optional().describe("Heads of keys and values (llama, qwen2); default: as many as heads."),
  mlp: positive.optional().describe("Width of the feed-forward layer; default 4 x width."),
  context: positive.default(128).describe("Longest sequence in tokens."),
  initStd: z.number().positive().default(0.02).describe("Standard deviation of the initial weights."),
  tieEmbeddings: z.boolean().default(true),
  ...tokenSettings,
});
export const modelSettings = z.union([publishedModel, scratchModel]);
export type ModelSettings = z.infer<typeof modelSettings>;

export const trainSettings = z
  .strictObject({
    method: z.literal("sft").default("sft"),
    epochs: z.number().positive().default(3).describe("Passes over the training examples; ignored when `steps` is given."),
    steps: positive.optional().describe("Optimizer steps, in place of epochs."),
    batch: z
      .strictObject({
        examples: positive.default(64).describe("Examples of one optimizer step."),
        microBatch: positive.optional().describe("Examples of one forward pass; default: all of them."),
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
  })
  .describe("How the model is trained. Leave out to decode a published checkpoint as it is.");
export type TrainSettings = z.infer<typeof trainSettings>;

const sampling = {
  maxNewTokens: positive
    .optional()
    .describe("Tokens a completion may add; default: what is left of the model's context, at most 128."),
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
    gpus: count.optional().describe("GPUs of one worker; default: one where there is one."),
    threads: count.default(1).describe("CPU threads of one worker; 0: the library's choice."),
    deepspeed: z.string().optional().describe("DeepSpeed JSON config, for several ranks."),
  })
  .prefault({});

/** A value that --set, a grid or an arm may put at a dotted key. null removes the key. */
const override = z.record(z.string(), z.unknown());
export const sweepSettings = z.strictObject({
  base: z.string().default("base").describe("Name of the arm made by the settings as they stand."),
  grid: z
    .record(z.string(), z.array(z.unknown()).min(1))
    .default({})
    .describe("Dotted key -> values; every combination is an arm."),
  arms: z
    .record(z.string(), override)
    .default({})
    .describe("Named arms: dotted keys that differ from the base; null removes a key."),
});

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

/** A whole config file. */
export const configFile = armSettings.extend({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]*$/i, "letters, digits, dots, dashes and underscores only: it names a folder under results/"),
  description: z.string().default(""),
  sweep: sweepSettings.prefault({}),
  claims: z.record(z.string(), claimSettings).default({}),
  workers: workerSettings,
  store: z.string().default("results/.store"),
});
export type ConfigFile = z.infer<typeof configFile>;
