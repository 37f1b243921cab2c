// What an arm will need, in words. Pure.

import type { ArmSettings } from "../config/schema.ts";
import { testCount } from "../config/testSizes.ts";
import { formatBytes } from "../lib/bytes.ts";
import type { RunEnvironment } from "../run/context.ts";
import { formatDuration } from "../run/progress.ts";
import { stepsOf } from "../train/schedule.ts";
import type { ArmEstimate } from "./planArmEstimate.ts";
import type { SweepEstimates } from "./planEstimate.ts";

/** Arms that are told of; the others are in `plan --json`. */
const armsShown = 12;

/** For each kind of arm its budget and, unless workers are mock ones, which need next to nothing, what it will need. */
export function armLines(arms: SweepEstimates["arms"], { flavour, device }: RunEnvironment): string[] {
  const lines = arms.slice(0, armsShown).flatMap(({ arm, alike, estimate }) => {
    const more = alike.length > 1 ? ` (and ${alike.length - 1} more that differ in their seed alone)` : "";
    const needs = flavour === "mock" ? [] : [`  ${estimateLine(estimate, device)}`];
    return [`arm ${arm.name}${more}: ${budget(arm.settings)}`, ...needs];
  });
  return arms.length > armsShown ? [...lines, `and ${arms.length - armsShown} more kinds of arm (--json tells of all)`] : lines;
}

function budget({ puzzle, train, data }: ArmSettings): string {
  const problems = `${testCount(puzzle, data.test)} test problems`;
  if (train === undefined) return `no training; ${problems}`;
  const steps = stepsOf(train, data.train.size);
  const epochs = ((steps * train.batch.examples) / data.train.size).toFixed(2);
  return `${steps} steps of ${train.batch.examples} examples (${epochs} epochs of ${data.train.size}); ${problems}`;
}

/** Undefined: a model of which nothing is known yet. */
export function estimateLine(estimate: ArmEstimate | undefined, device: string): string {
  if (estimate === undefined) return "memory unknown until the model is here (`backtrail model show` fetches its config)";
  const { decode, train, parameters } = estimate;
  const decoding = `decoding about ${formatBytes(decode.total)} (${decode.slots} rows: weights ${formatBytes(decode.weights)}, cache ${formatBytes(decode.cache)})`;
  const model = `${big(parameters)} parameters`;
  if (train === undefined) return `${model}; ${decoding}`;
  const { memory, shards } = train;
  const states = memory.weights + memory.gradients + memory.optimizer;
  const training = `training about ${formatBytes(memory.total)} (weights, gradients, Adam ${formatBytes(states)}${ifSharded(memory.optimizer, shards)}; activations ${formatBytes(memory.activations)} for ${Math.round(train.microTokens)} tokens at once; logits ${formatBytes(memory.logits)})`;
  const length = `${train.meanTokens.toFixed(0)} an example${train.counted ? "" : ", the most there can be"}`;
  const time =
    train.seconds === undefined
      ? `time unknown: no rate is known for ${device}`
      : `about ${formatDuration(train.seconds)} on ${device} (assumed ${train.assumption})`;
  return `${model}; ${training}; ${decoding}; ${big(train.tokens)} tokens (${length}), ${train.flops.toExponential(1)} FLOP, ${time}`;
}

/** DeepSpeed is asked of the workers alone: a plan starts none. `optimizer`: a rank's share of Adam's state. */
function ifSharded(optimizer: number, shards: number): string {
  if (shards === 1) return "";
  return ` if DeepSpeed shares Adam out to ${shards} ranks, ${formatBytes(optimizer * (shards - 1))} more if it is not there (see doctor)`;
}

function big(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(2)}B`;
  return count >= 1e6 ? `${(count / 1e6).toFixed(1)}M` : `${Math.round(count / 1e3)}k`;
}
