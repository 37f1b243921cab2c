// What each solver can be told, with every default: the config's `solver:` and the CLI's --solver come from here.
import { z } from "zod";

const budget = {
  maxNodes: z
    .number()
    .int()
    .positive()
    .optional()
    .describe("Most nodes generated; the search ends there without a goal. Default: none."),
};
const heuristic = (name: string) => z.string().default(name).describe("Name of a heuristic of the puzzle.");
const ties = z
  .enum(["first", "random"])
  .default("first")
  .describe("Among equal estimates: the node generated first, or one drawn by the seed.");
const childOrder = z
  .enum(["defined", "random"])
  .default("defined")
  .describe("Order in which a node's children are generated: the puzzle's, or drawn by the seed.");

export const exhaustiveSettings = z.strictObject({ kind: z.literal("exhaustive"), ...budget });
export const optimalSettings = z.strictObject({ kind: z.literal("optimal"), ...budget });
export const dfsSettings = z.strictObject({
  kind: z.literal("dfs"),
  heuristic: heuristic("sum"),
  threshold: z
    .union([z.literal("target"), z.literal("none"), z.number().nonnegative()])
    .default("target")
    .describe("Children whose estimate is above it are dropped. target: the problem's target, as in Stream of Search."),
  ...budget,
});
export const beamSettings = z.strictObject({
  kind: z.literal("beam"),
  heuristic: heuristic("sum"),
  width: z.number().int().positive().default(5).describe("Children of a node that are kept (Stream of Search's BFS: 1 to 5)."),
  ...budget,
});
export const bfsSettings = z.strictObject({ kind: z.literal("bfs"), ...budget });
export const bestFirstSettings = z.strictObject({
  kind: z.literal("best-first"),
  heuristic: heuristic("sum"),
  ties,
  childOrder,
  ...budget,
});
export const aStarSettings = z.strictObject({
  kind: z.literal("astar"),
  heuristic: heuristic("manhattan"),
  ties,
  childOrder,
  ...budget,
});
export const mctsSettings = z.strictObject({
  kind: z.literal("mcts"),
  simulations: z.number().int().positive().default(200).describe("Most simulations: selection, expansion, rollout, backup."),
  exploration: z.number().nonnegative().default(1.4).describe("c of UCT."),
  heuristic: z.string().optional().describe("Guides the rollouts; default: uniform rollouts."),
  ...budget,
});
export const thinkSettings = z.strictObject({ kind: z.literal("think"), heuristic: heuristic("mult"), ...budget });

export const sudokuStrategies = [
  "lone-single",
  "hidden-single",
  "naked-pair",
  "naked-triplet",
  "locked-candidate",
  "xy-wing",
  "unique-rectangle",
] as const;
export const sudokuSettings = z.strictObject({
  kind: z.literal("sudoku"),
  strategies: z
    .array(z.enum(sudokuStrategies))
    .default([...sudokuStrategies])
    .describe("Strategies tried in this order before a guess; [lone-single] is the published fallback."),
  ...budget,
});

export const solverSettings = z.discriminatedUnion("kind", [
  exhaustiveSettings,
  optimalSettings,
  dfsSettings,
  beamSettings,
  bfsSettings,
  bestFirstSettings,
  aStarSettings,
  mctsSettings,
  thinkSettings,
  sudokuSettings,
]);
export type SolverSettings = z.output<typeof solverSettings>;
export type SettingsOf<Kind extends SolverSettings["kind"]> = Extract<SolverSettings, { kind: Kind }>;
