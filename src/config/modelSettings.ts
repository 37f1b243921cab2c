// The `model` section of a config: a published checkpoint, a shape trained from scratch, or a named shape. Defaults in one place.
import { z } from "zod";
import { modelPresets, presetNames } from "./modelPresets.ts";

const positive = z.number().int().positive();
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
const publishedModel = z.strictObject({
  from: z.string().min(1).describe("A directory in save_pretrained layout, or a Hugging Face Hub id."),
  revision: z.string().optional().describe("Commit or tag of a Hub id."),
  ...tokenSettings,
});
const scratchShape = {
  width: positive.describe("Hidden size."),
  layers: positive,
  heads: positive,
  keyValueHeads: positive.optional().describe("Heads of keys and values (llama, qwen2); default: as many as heads."),
  mlp: positive.optional().describe("Width of the feed-forward layer; default 4 x width."),
  ropeTheta: z.number().positive().optional().describe("Base of the rotary positions (not gpt2); default 10000."),
  rotaryShare: z.number().positive().max(1).optional().describe("Share of a head that is rotated (gpt_neox); default 0.25."),
  parallelResidual: z.boolean().optional().describe("Attention and feed-forward side by side (gpt_neox); default true."),
};
const scratchRest = {
  context: positive.default(128).describe("Longest sequence in tokens."),
  initStd: z.number().positive().default(0.02).describe("Standard deviation of the initial weights."),
  tieEmbeddings: z.boolean().default(true),
  ...tokenSettings,
};
/** Keys that not every architecture has. */
const ownKeys = {
  keyValueHeads: ["llama", "qwen2"],
  ropeTheta: ["llama", "qwen2", "gpt_neox"],
  rotaryShare: ["gpt_neox"],
  parallelResidual: ["gpt_neox"],
} as const;
const scratchModel = z
  .strictObject({
    architecture: z.enum(["llama", "qwen2", "gpt_neox", "gpt2"]).describe("Shape of a model trained from scratch."),
    ...scratchShape,
    ...scratchRest,
  })
  .superRefine((model, context) => {
    if (model.backtrackToken !== "add") {
      const message =
        "a model from scratch has <backtrack> from its format: a reserved token is one of a published model (model.from)";
      context.addIssue({ code: "custom", path: ["backtrackToken"], message });
    }
    for (const [key, families] of Object.entries(ownKeys)) {
      const isOwn = (families as readonly string[]).includes(model.architecture);
      if (isOwn || model[key as keyof typeof ownKeys] === undefined) continue;
      const message = `${model.architecture} has no such setting: it belongs to ${families.join(", ")}`;
      context.addIssue({ code: "custom", path: [key], message });
    }
  });
/** A named shape whose keys may be overridden; it becomes a scratch model, and no name of a preset enters a stage's key. */
const presetModel = z
  .strictObject({
    preset: z.enum(presetNames).describe("A published or ready-made shape trained from scratch; other keys override it."),
    ...z.strictObject(scratchShape).partial().shape,
    ...scratchRest,
  })
  .transform(({ preset, ...own }) => {
    const given = Object.entries(own).filter(([, value]) => value !== undefined);
    return { ...modelPresets[preset], ...Object.fromEntries(given) } as z.input<typeof scratchModel>;
  })
  .pipe(scratchModel);
export const modelSettings = z.union([publishedModel, scratchModel, presetModel]);
export type ScratchModel = z.infer<typeof scratchModel>;
