// What the chaos harness asks of the processes it disturbs, and what they answer: files in one folder per sweep. Shared by
// the harness (which writes the orders) and by preload.ts (which runs inside coordinators and mock workers).
import { z } from "zod";

/** Environment variables by which a disturbed process finds its orders. */
export const environmentNames = {
  /** The folder with the sweep's orders. Absent: nothing is broken. */
  folder: "BACKTRAIL_CHAOS_ORDERS",
  seed: "BACKTRAIL_CHAOS_SEED",
  /** In the environment of every process of a round: what is left behind is found by it. */
  mark: "BACKTRAIL_CHAOS_MARK",
} as const;

/** Breaks the next messages that a process sends, each with probability `share`, until `messages` are broken. */
const corruption = z.strictObject({
  /** Raised with each order. A process obeys each once, and none that was given before it started. */
  serial: z.number().int(),
  share: z.number(),
  messages: z.number().int(),
});

/** Faults that last until the next orders. Absent keys: nothing of the kind. */
export const standingOrders = z.strictObject({
  /** How far the wall clock is off. */
  clockHours: z.number().optional(),
  /** Every write to a file is refused. */
  diskFull: z.boolean().optional(),
  /** What this process sends. */
  corrupt: corruption.optional(),
  /** What this process receives; the coordinator's way to damage what torch workers send. */
  corruptReceived: corruption.optional(),
  /** Hexadecimal seeds of completions: a worker that is sent a job with one of them dies. */
  poison: z.array(z.string()).optional(),
});
export type StandingOrders = z.infer<typeof standingOrders>;

/** Misbehaviour (src/worker/mock/misbehave.ts) that the next mock worker to start takes upon itself. */
export const startOrder = z.strictObject({
  lieAboutVersion: z.number().int().optional(),
  answerTwice: z.boolean().optional(),
  flood: z.number().int().optional(),
  garbage: z.number().int().optional(),
  /** Not the mock's own: so many of its first messages, its hello among them, are broken on their way. */
  breakFirst: z.number().int().optional(),
});
export type StartOrder = z.infer<typeof startOrder>;

export type Role = "coordinator" | "worker";

/** Names of the files in the orders' folder. */
export const orderFiles = {
  standing: (role: Role) => `${role}.json`,
  start: (serial: number) => `start-${serial}.json`,
  startPattern: /^start-\d+\.json$/,
  /** One JSON line per fault that took effect inside a process. */
  injected: "injected.jsonl",
} as const;

/** A line of `injected.jsonl`. */
export const injectedLine = z.object({ role: z.string(), kind: z.string(), detail: z.string() });
export type InjectedLine = z.infer<typeof injectedLine>;
