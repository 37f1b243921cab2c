// The port of what makes the lines of a training set: the composable path for any settings, or a kernel that makes the
// same bytes faster for some. A kernel is a function `(set, draws) => LineMaker | undefined`, listed in registry.ts.

/**
 * Makes lines of one training set. Law, held by test for every kernel: equal bytes to
 * `JSON.stringify(recipeFor(set).make(index))` and a line end. What a line of a trace format is made from, by its draw
 * index alone, is data/draws.ts: `problem(index)` and `solver(index)` (the solver's settings and the stream it searches with).
 */
export interface LineMaker {
  /**
   * The example of draw `index` as a JSON line with its line end (UTF-8), or undefined when the settings drop it (`keep`,
   * `over`). The bytes belong to the maker and hold until its next call: whoever keeps them copies them.
   */
  write(index: number): Uint8Array | undefined;
  /** What a manifest counts of the line written last. */
  readonly last: LineFacts;
}

/** Facts of one line. A maker may give one object again and again. */
export interface LineFacts {
  readonly origin: string;
  readonly solver: string;
  /** Absent where the format is no search's. */
  readonly solved?: boolean | undefined;
  /** Canonical key of the problem; asked for only where `distinct` is set. */
  key(): string;
}
