// The `sweep` section of a config: the axes whose combinations make its arms. What the axes become: sweepAxes.ts.
import { z } from "zod";

const dottedKeys = z.record(z.string(), z.unknown());
const dottedLists = z.record(z.string(), z.array(z.unknown()).min(1));

export const sweepSettings = z.strictObject({
  base: z.string().default("base").describe("Name of the arm made by the settings as they stand."),
  arms: z
    .record(z.string(), dottedKeys)
    .default({})
    .describe("Named arms: dotted keys that differ from the base; null removes a key."),
  grid: dottedLists.default({}).describe("Dotted key -> values; every combination is an arm."),
  zip: z
    .union([dottedLists, z.array(dottedLists)])
    .default([])
    .describe(
      "Dotted keys -> values of equal number that vary together: first with first, second with second. A list of such maps: several, combined with each other.",
    ),
  list: z
    .array(dottedKeys)
    .default([])
    .describe("Points one by one, each a map of dotted keys; a key that a point leaves out stays as it is; null removes it."),
  seeds: z
    .union([z.number().int().positive(), z.array(z.number().int().nonnegative()).min(1)])
    .optional()
    .describe("Seeds of every arm: a list, or a number n for n seeds that count up from the file's `seed`."),
  exclude: z
    .array(dottedKeys)
    .default([])
    .describe(
      "Drops every arm that agrees with all keys of one of these maps; `arm` stands for the name of an arm without its axes.",
    ),
});
export type SweepSettings = z.output<typeof sweepSettings>;
