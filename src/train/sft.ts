import { abortError } from "../lib/abort.ts";
import { UserError } from "../lib/errors.ts";
import type { SessionLost, WorkerError } from "../worker/port.ts";
import type { ResumePoint } from "./journal.ts";
import { explain, outOfMemory } from "./lint.ts";
import { half, type MicroLimit } from "./microBatches.ts";
import { stepsOf } from "./schedule.ts";
import { runSession } from "./sftSession.ts";
import type { SftInputs, SftResult } from "./sftTypes.ts";

export type { SftInputs, SftProgress, SftResult } from "./sftTypes.ts";

/** Lost sessions that are borne without a new checkpoint in between. */
const maxLosses = 5;

/**
 * Trains and leaves the final checkpoint in `outputDirectory`. Resumes from the journal's latest point. Throws UserError
 * ("mask-lint", "too-long", "out-of-memory", "diverged", "training-lost"), WorkerError for what a worker refuses, and
 * AbortError after `signal`.
 */
export async function trainSft(given: SftInputs): Promise<SftResult> {
  const inputs = withNoticesOnce(given);
  const { journal, settings, signal } = inputs;
  const steps = stepsOf(settings, inputs.examples);
  let point = await journal.latest();
  if (point && point.step > steps) throw new Error(`${point.path} stands at step ${point.step} of a run of ${steps} steps`);
  let restarts = 0;
  let losses = 0;
  const asSet: MicroLimit = { rows: settings.batch.microBatch ?? settings.batch.examples, tokens: settings.batch.microTokens };
  let halved = point?.halved;
  let notice = halved && `memory ran out before: ${halved.rows} examples in a forward pass at most`;
  const recorded = (next: ResumePoint): void => {
    point = next;
    losses = 0;
  };
  for (;;) {
    if (signal?.aborted) throw abortError(signal);
    await journal.cutAfter(point?.step ?? 0);
    let largest = 0;
    const sending = (examples: number): void => {
      largest = Math.max(largest, examples);
    };
    const session = await inputs.workers.session(signal ? { signal } : {});
    try {
      const result = await runSession({ inputs, session, steps, point, recorded, asSet, halved, notice, sending });
      return { ...result, restarts };
    } catch (error) {
      if (isWorkerError(error) && error.code === "out-of-memory") {
        // The global batch stays: a step is dealt into more forward passes, from the last checkpoint on.
        halved = half(halved ?? asSet, largest);
        if (halved === undefined) throw outOfMemory(error, largest);
        notice = `out of memory with ${largest} examples in a forward pass: now ${halved.rows} at most`;
        if (point) {
          // A run that goes on from here begins with what fits.
          point = { ...point, halved };
          await journal.setLatest(point);
        }
        continue;
      }
      if (!isSessionLost(error)) throw isWorkerError(error) ? explain(error, settings) : error;
      restarts++;
      losses++;
      if (losses > maxLosses) throw lostTooOften(error, losses, point);
    } finally {
      await session.close();
    }
  }
}

/** A session that takes over from a lost one has the same to tell. */
function withNoticesOnce(inputs: SftInputs): SftInputs {
  const told = new Set<string>();
  const onNotice = (text: string): void => {
    if (!told.has(text)) inputs.onNotice?.(text);
    told.add(text);
  };
  return { ...inputs, onNotice };
}

function lostTooOften(error: SessionLost, losses: number, point: ResumePoint | undefined): UserError {
  const where = point ? `the last is of step ${point.step}` : "there is none yet";
  return new UserError(
    "training-lost",
    `training: the worker was lost ${losses} times without a new checkpoint (${where}). The last time: ${error.message}. ` +
      "If it was killed for memory, lower train.batch.microBatch; if it is lost between checkpoints, lower train.checkpointEvery. " +
      "A new run goes on from the last checkpoint.",
    { cause: error },
  );
}

// By name: a stage imports only the types of another stage.
function isSessionLost(error: unknown): error is SessionLost {
  return error instanceof Error && error.name === "SessionLost";
}

function isWorkerError(error: unknown): error is WorkerError {
  return error instanceof Error && error.name === "WorkerError";
}
