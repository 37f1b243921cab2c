// The Generator over real workers: requests of many problems are merged into few free calls and spread over the pool.
// Invariants: a request belongs to one call; a completion comes from one attempt of it; every request is settled once.
// Knows chunks and bins, no policy.
import { abortError } from "../lib/abort.ts";
import type { ModelSpec, Params } from "../protocol/primitives.ts";
import type { Workers } from "../worker/port.ts";
import { readChunk } from "./chunks.ts";
import { type Completion, type GenerateRequest, type Generator, isQuarantined } from "./generator.ts";

export interface GeneratorOptions {
  /** Completions of one free call, at most (a single larger request goes alone). */
  readonly completionsPerCall?: number;
  /** Rows a worker decodes at a time; 0 (default) = the worker chooses. */
  readonly slots?: number;
  /** Default: the worker's own. */
  readonly engine?: "reference" | "continuous";
  readonly signal?: AbortSignal;
}

/**
 * Completions of one call, and problems under way. A GPU decodes hundreds of rows at a time and some ten thousand completions a
 * second: a call must be long beside its tail, in which rows run empty. On a CPU the same sizes would only put more work at risk.
 */
const completionsPerCall = { cpu: 1024, gpu: 8192 };
const problemsAtOnce = { cpu: 512, gpu: 4096 };
/** Below this a call is not split to spread it over workers: a batch that small does not fill one. */
const leastPerCall = 64;
/** Calls under way per worker: the next one waits at the worker while one is decoded. */
const callsPerWorker = 2;
/**
 * Quarantined calls without a completion in between, after which no request is sought any more: what kills every worker is the
 * model or the machine. Seven poison requests of one call are told apart before that, wherever they stand (1 + 2 + 4 + 7 calls).
 */
const mostInVain = 16;
/** Texts of one tokenize call. */
const promptsPerCall = 4096;

/** A request waiting for its call, or in one. */
interface Pending {
  readonly request: GenerateRequest;
  readonly sampling: Sampling;
  readonly key: string;
  readonly resolve: (completions: Completion[]) => void;
  readonly reject: (error: unknown) => void;
  /** By sample index, as they come. */
  completions: (Completion | undefined)[];
  missing: number;
  settled: boolean;
}

type Sampling = Pick<Params<"generate">, "temperature" | "stops" | "beams">;

/** A generator on a pool, for one model. Requests of equal temperature, stops and beams share calls. */
export function createGenerator(workers: Workers, model: ModelSpec, options: GeneratorOptions = {}): Generator {
  const batches = new Batches(workers, model, options);
  return {
    get problemsAtOnce() {
      return problemsAtOnce[deviceOf(workers)];
    },
    generate: (request) => batches.add(request),
    tokenizePrompts: (texts) => tokenizePrompts(workers, model, texts, options.signal),
  };
}

const deviceOf = ({ gpus }: Workers): "cpu" | "gpu" => (gpus > 0 ? "gpu" : "cpu");

class Batches {
  readonly #workers: Workers;
  readonly #model: ModelSpec;
  readonly #options: GeneratorOptions;
  readonly #waiting: Pending[] = [];
  #running = 0;
  #scheduled = false;
  /** Calls quarantined since the last completion. */
  #inVain = 0;

  constructor(workers: Workers, model: ModelSpec, options: GeneratorOptions) {
    this.#workers = workers;
    this.#model = model;
    this.#options = options;
    options.signal?.addEventListener("abort", () => this.#abandon(options.signal as AbortSignal), { once: true });
  }

  add(request: GenerateRequest): Promise<Completion[]> {
    const { signal } = this.#options;
    if (signal?.aborted) return Promise.reject(abortError(signal));
    if (request.seeds.length === 0) return Promise.resolve([]);
    const sampling: Sampling = {
      temperature: request.temperature,
      stops: [...request.stops],
      beams: request.beams ?? "independent",
    };
    return new Promise((resolve, reject) => {
      const completions = new Array<undefined>(request.seeds.length).fill(undefined);
      const key = JSON.stringify(sampling);
      this.#waiting.push({ request, sampling, key, resolve, reject, completions, missing: completions.length, settled: false });
      this.#schedule();
    });
  }

  /** After this turn of the event loop, so that all problems of a burst are in before the first call is cut. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#waiting.length > 0 && this.#running < callsPerWorker * Math.max(1, this.#workers.size)) {
        const batch = this.#nextBatch();
        this.#running++;
        void this.#call(batch).finally(() => {
          this.#running--;
          this.#schedule();
        });
      }
    });
  }

  /** The requests of the next call: of the settings of the oldest one, in the order in which they came. */
  #nextBatch(): Pending[] {
    const first = this.#waiting[0] as Pending;
    const alike = this.#waiting.filter(({ key }) => key === first.key);
    const total = alike.reduce((sum, { completions }) => sum + completions.length, 0);
    const largest = this.#options.completionsPerCall ?? completionsPerCall[deviceOf(this.#workers)];
    const share = Math.ceil(total / Math.max(1, this.#workers.size));
    const size = Math.min(largest, Math.max(share, Math.min(largest, leastPerCall)));
    const batch: Pending[] = [];
    let count = 0;
    for (const pending of alike) {
      if (batch.length > 0 && count + pending.completions.length > size) break;
      batch.push(pending);
      count += pending.completions.length;
    }
    const taken = new Set(batch);
    this.#waiting.splice(0, this.#waiting.length, ...this.#waiting.filter((pending) => !taken.has(pending)));
    return batch;
  }

  async #call(batch: readonly Pending[], suspect = false): Promise<void> {
    const { signal, slots = 0, engine } = this.#options;
    const owners = batch.flatMap((pending) => pending.completions.map((_, sample) => ({ pending, sample })));
    let broken: unknown;
    try {
      await this.#workers.free(
        "generate",
        { model: this.#model, ...(batch[0] as Pending).sampling, topK: 0, topP: 1, slots, ...(engine ? { engine } : {}) },
        binsOf(batch.map(({ request }) => request)),
        {
          ...(signal ? { signal } : {}),
          suspect,
          recorded: Promise.allSettled(batch.map(({ request }) => request.recorded)),
          onRestart: () => batch.forEach(restart),
          onChunk: (chunk) => {
            if (broken !== undefined) return;
            // The pool must not pay for an answer that cannot be read: the error belongs to this call.
            try {
              for (const { index, completion } of readChunk(chunk)) {
                const owner = owners[index];
                if (!owner) throw new Error(`generate: completion ${index} of ${owners.length}`);
                take(owner.pending, owner.sample, completion);
                this.#inVain = 0;
              }
            } catch (error) {
              broken = error;
            }
          },
        },
      );
      if (broken !== undefined) throw broken;
      const open = batch.find(({ settled }) => !settled);
      if (open)
        throw new Error(`generate: the answer ended with ${open.missing} of ${open.completions.length} completions missing`);
    } catch (error) {
      const open = batch.filter(({ settled }) => !settled);
      if (isQuarantined(error) && ++this.#inVain >= mostInVain) {
        for (const pending of [...open, ...this.#waiting.splice(0)]) fail(pending, hopeless(this.#inVain, error));
      } else if (open.length > 1 && isQuarantined(error)) {
        // One request kills workers, the others only shared its call: halved until it stands alone. Alone it has all its
        // tries again, so that a worker killed from outside condemns nobody.
        const half = Math.ceil(open.length / 2);
        open.forEach(restart);
        await Promise.all([open.slice(0, half), open.slice(half)].map((part) => this.#call(part, part.length > 1)));
      } else for (const pending of open) fail(pending, error);
    }
  }

  #abandon(signal: AbortSignal): void {
    for (const pending of this.#waiting.splice(0)) fail(pending, abortError(signal));
  }
}

/** Files a completion; the last one settles the request at once, while others of the call are still being decoded. */
function take(pending: Pending, sample: number, completion: Completion): void {
  if (pending.settled) return;
  if (pending.completions[sample] !== undefined) throw new Error(`generate: completion ${sample} of a request came twice`);
  pending.completions[sample] = completion;
  pending.missing--;
  if (pending.missing > 0) return;
  pending.settled = true;
  pending.resolve(pending.completions as Completion[]);
}

/** Another attempt begins: half-filled requests start anew, settled ones keep what they have. */
function restart(pending: Pending): void {
  if (pending.settled) return;
  pending.completions = new Array<undefined>(pending.completions.length).fill(undefined);
  pending.missing = pending.completions.length;
}

function fail(pending: Pending, error: unknown): void {
  if (pending.settled) return;
  pending.settled = true;
  pending.reject(error);
}

/** Not "quarantined": that would blame the requests one by one, at some workers each. */
function hopeless(calls: number, cause: unknown): Error {
  const last = cause instanceof Error ? cause.message : String(cause);
  return new Error(
    `generate: ${calls} calls in a row lost their workers and no completion came: the model or the machine is at fault rather than a problem. The last: ${last}`,
    { cause },
  );
}

/** The bulk arrays of a generate call; fresh ones, since the transport reads them after sending. */
function binsOf(requests: readonly GenerateRequest[]): Record<string, Int32Array | Uint32Array> {
  return {
    tokens: Int32Array.from(requests.flatMap(({ prefix }) => [...prefix])),
    lengths: Int32Array.from(requests, ({ prefix }) => prefix.length),
    counts: Int32Array.from(requests, ({ seeds }) => seeds.length),
    seeds: Uint32Array.from(requests.flatMap(({ seeds }) => seeds.flat())),
    budgets: Int32Array.from(requests.flatMap(({ seeds, maxNewTokens }) => seeds.map(() => maxNewTokens))),
  };
}

async function tokenizePrompts(workers: Workers, model: ModelSpec, texts: readonly string[], signal: AbortSignal | undefined) {
  const starts = Array.from(
    { length: Math.max(1, Math.ceil(texts.length / promptsPerCall)) },
    (_, call) => call * promptsPerCall,
  );
  const parts = await Promise.all(
    starts.map(async (from) => {
      const part = texts.slice(from, from + promptsPerCall);
      const { result, bins } = await workers.free("tokenize", { model, texts: part }, {}, signal ? { signal } : {});
      const [tokens, lengths] = [bins.tokens?.data, bins.lengths?.data];
      const whole = tokens instanceof Int32Array && lengths instanceof Int32Array && lengths.length === part.length;
      if (!whole || lengths.reduce((sum, length) => sum + length, 0) !== tokens.length) {
        throw new Error(`tokenize: the answer does not hold the tokens of ${part.length} texts`);
      }
      let at = 0;
      const prompts = Array.from(lengths, (length) => {
        at += length;
        return tokens.slice(at - length, at);
      });
      return { context: result.context, prompts };
    }),
  );
  return { prompts: parts.flatMap(({ prompts }) => prompts), context: (parts[0] as (typeof parts)[number]).context };
}
