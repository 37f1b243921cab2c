// Does the loss mask train what it must? Checked on the worker's counts before the first step, because a wrong mask shows
// in no loss curve. Knows counts, not texts. (Error codes of primitives that a user can mend are explained here too.)
import type { TrainSettings } from "../config/schema.ts";
import { UserError } from "../lib/errors.ts";
import type { MaskLint } from "../protocol/primitives.ts";
import type { WorkerError } from "../worker/port.ts";

/** Throws UserError "mask-lint" when an added token or the end token is never trained, or a row trains nothing. */
export function checkMask(lint: MaskLint, rows: number, addedTokens: readonly string[]): void {
  const names = addedTokens.map((token) => `\`${token}\``).join(" or ");
  if (lint.rowsWithAddedToken > 0 && lint.rowsTrainingAddedToken === 0) {
    refuse(
      `${lint.rowsWithAddedToken} of ${rows} examples hold ${names}, and no trained span covers it in any of them: ` +
        "the model would never learn to ask for a step back",
    );
  }
  if (rows > 0 && lint.rowsTrainingEnd === 0) {
    refuse(`the end token is trained in none of ${rows} examples: the model would never learn to stop`);
  }
  if (rows > 0 && lint.rowsWithoutTrainedToken === rows) refuse(`none of ${rows} examples has a trained token`);
}

function refuse(what: string): never {
  throw new UserError(
    "mask-lint",
    `training data: ${what}. Look at the spans with \`backtrail data inspect\` (trained text is coloured) and make the data again.`,
  );
}

/** A worker's error in the user's words, where the config can mend it; else the error itself. */
export function explain(error: WorkerError, settings: TrainSettings): Error {
  if (error.code === "too-long") {
    return new UserError(
      "too-long",
      `train.maxTokens is ${settings.maxTokens}: ${error.message}. Raise it, or make shorter examples.`,
      {
        cause: error,
      },
    );
  }
  if (error.code === "non-finite") {
    return new UserError(
      "diverged",
      `training: ${error.message}. Lower train.learningRate, raise train.warmupSteps or set train.clip.`,
      {
        cause: error,
      },
    );
  }
  return error;
}

/** Memory ran out where no smaller micro-batch can help: with one example in a forward pass, or before any (0). */
export function outOfMemory(error: WorkerError, examples: number): UserError {
  const where = examples === 0 ? "before the first forward pass" : "with a single example in a forward pass";
  const shorter = examples === 0 ? "Take" : "Lower train.maxTokens, set train.gradientCheckpointing: true, or take";
  return new UserError(
    "out-of-memory",
    `training: the worker ran out of memory ${where}: ${error.message}. ` +
      `${shorter} a smaller model or a device with more memory; nothing else may be using the device.`,
    { cause: error },
  );
}
