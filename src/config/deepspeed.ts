// DeepSpeed JSON settings: which parts are DeepSpeed's to decide, and which are not. The coordinator sends the learning
// rate, clipping and rows with every step, and the model's dtype with its spec, so keys for these must be absent or "auto"
// (as in files written for Hugging Face's trainer): a second value somewhere else would be a silent contradiction.
import { z } from "zod";
import { UserError } from "../lib/errors.ts";
import { asProblems } from "./messages.ts";

/** Key -> where it is decided instead. */
const decidedElsewhere: Readonly<Record<string, string>> = {
  optimizer: "train.learningRate, train.betas, train.epsilon and train.weightDecay",
  scheduler: "train.schedule, train.warmupSteps and train.learningRate",
  gradient_clipping: "train.clip",
  gradient_accumulation_steps: "train.batch",
  train_batch_size: "train.batch.examples",
  train_micro_batch_size_per_gpu: "train.batch.microBatch",
  managed_gradient_accumulation: "train.batch",
  bf16: "model.dtype",
  fp16: "model.dtype",
  torch_autocast: "model.dtype",
  activation_checkpointing: "train.gradientCheckpointing",
};

const size = z.union([z.number().positive(), z.literal("auto")]);
const flag = z.union([z.boolean(), z.literal("auto")]);

/** What this version passes on. Offloading would need DeepSpeed's own optimizers, which change the numbers. */
const zeroOptimization = z.strictObject({
  stage: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  allgather_partitions: flag.optional(),
  allgather_bucket_size: size.optional(),
  overlap_comm: flag.optional(),
  reduce_scatter: flag.optional(),
  reduce_bucket_size: size.optional(),
  contiguous_gradients: flag.optional(),
  round_robin_gradients: flag.optional(),
  sub_group_size: size.optional(),
  stage3_max_live_parameters: size.optional(),
  stage3_max_reuse_distance: size.optional(),
  stage3_prefetch_bucket_size: size.optional(),
  stage3_param_persistence_threshold: size.optional(),
});

const deepspeedFile = z.strictObject({
  zero_optimization: zeroOptimization,
  zero_allow_untested_optimizer: z.boolean().optional(),
  communication_data_type: z.enum(["fp32", "auto"]).optional(),
  wall_clock_breakdown: z.boolean().optional(),
  dump_state: z.boolean().optional(),
});
export type DeepspeedSettings = z.infer<typeof deepspeedFile>;

/** Checks the text of a DeepSpeed settings file. `name` is for messages. Throws UserError("deepspeed"). */
export function parseDeepspeed(text: string, name: string): DeepspeedSettings {
  const refuse = (message: string): never => {
    throw new UserError("deepspeed", `${name}: ${message}`);
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refuse(`not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return refuse("must be a JSON object");
  const own: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const instead = decidedElsewhere[key];
    if (instead === undefined) own[key] = item;
    else if (!isAuto(item))
      refuse(`${key} is decided by ${instead}, and sent to the worker with every call. Remove it here, or write "auto".`);
  }
  const checked = deepspeedFile.safeParse(own);
  if (checked.success) return checked.data;
  const problems = asProblems(checked.error, own, deepspeedFile);
  return refuse(problems.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
}

/** "auto", or an object of nothing but "auto" (as `"bf16": {"enabled": "auto"}`). */
function isAuto(value: unknown): boolean {
  if (value === "auto") return true;
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(isAuto);
}
