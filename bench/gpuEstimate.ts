// What `plan` and `model show` would say of the memory of measured cells, for bench/gpu.py: a JSON list of {kind, config,
// vocabulary?, ...options} on stdin, a JSON list of bytes (null: no estimate) on stdout.
import { text } from "node:stream/consumers";
import { z } from "zod";
import { decodeMemory, trainMemory } from "../src/plan/estimate.ts";
import { modelShape } from "../src/plan/estimateModel.ts";

const common = {
  config: z.record(z.string(), z.json()),
  /** Tokens that the model has after those that were added. */
  vocabulary: z.number().optional(),
  compute: z.enum(["float32", "bfloat16"]),
};
const asked = z.array(
  z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("train"), ...common, microTokens: z.number(), checkpointing: z.boolean() }),
    z.object({ kind: z.literal("decode"), ...common, slots: z.number(), tokens: z.number() }),
  ]),
);

const totals = asked.parse(JSON.parse(await text(process.stdin))).map((one) => {
  const shape = modelShape(one.config, one.vocabulary);
  if (shape === undefined) return null;
  return (one.kind === "train" ? trainMemory(shape, one) : decodeMemory(shape, one)).total;
});
process.stdout.write(`${JSON.stringify(totals)}\n`);
