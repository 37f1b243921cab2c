// The generate primitive as a port: what policies are written on. Knows token ids and texts, no puzzles and no workers.

export interface GenerateRequest {
  /** Token ids to continue. */
  readonly prefix: Int32Array;
  /** One seed per completion, as two unsigned 32-bit words: as many completions as seeds. */
  readonly seeds: readonly (readonly [number, number])[];
  /** New tokens a completion may have. */
  readonly maxNewTokens: number;
  /** 0 = greedy. */
  readonly temperature: number;
  /** A completion ends when its text ends in one of these. */
  readonly stops: readonly string[];
  /** "beam-sample": the published decoder's correlated samples; beams = number of seeds. Default "independent". */
  readonly beams?: "independent" | "beam-sample";
  /** Settled when what was made of the completions is on record: until then the worker keeps its answer. Absent: at once. */
  readonly recorded?: Promise<unknown>;
}

/** One sampled continuation of a prefix. The arrays have one entry per token; the end token is not among them. */
export interface Completion {
  readonly tokens: Int32Array;
  /** Log-probability under the model at temperature 1, untruncated. */
  readonly logprobs: Float32Array;
  /** Log-probability as sampled. */
  readonly sampledLogprobs: Float32Array;
  /** UTF-16 offset in `text` at which each token ends; a token that ends inside a character ends before it. */
  readonly charEnds: Int32Array;
  readonly text: string;
  readonly finish: "stop" | "end" | "length" | "context";
}

export interface Generator {
  /** Problems under way that keep it busy; known once it has answered something. */
  readonly problemsAtOnce: number;
  /** Completions in the order of the seeds. A function of the request alone, whatever else is under way. */
  generate(request: GenerateRequest): Promise<readonly Completion[]>;
  /** Token ids of prompts, as training saw them, and the model's context in tokens. */
  tokenizePrompts(texts: readonly string[]): Promise<{ readonly prompts: Int32Array[]; readonly context: number }>;
}

/** Whether a request was given up because it loses its worker each time, alone too. */
export function isQuarantined(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "quarantined";
}
