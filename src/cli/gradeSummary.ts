// What `backtrail grade` counts over a stream of answers, and how it is shown. Memory does not grow with the stream.
import type { CompatVerdict } from "../trace/compat/scorer.ts";
import type { ErrorKind, Verdict } from "../trace/verdict.ts";

/** Verdicts of the compat scorers on one text, by the scorer's name. */
export type CompatVerdicts = Readonly<Record<string, CompatVerdict>>;

/** Texts by who accepts them: `strict` is the grader, the others are compat scorers. */
export interface CompatRow {
  readonly accepted: Readonly<Record<string, boolean>>;
  texts: number;
}

/** Where a compat scorer and the strict grader differ, by the reason of the one that refuses. */
export interface Disagreement {
  readonly scorer: string;
  readonly says: "accepts" | "refuses";
  /** The kind of the strict grader's first error, or the scorer's reason. */
  readonly reason: string;
  texts: number;
}

export class GradeSummary {
  graded = 0;
  /** Lines that could not be graded. */
  failed = 0;
  solved = 0;
  readonly #kinds = new Map<ErrorKind, number>();
  readonly #rows = new Map<string, CompatRow>();
  readonly #disagreements = new Map<string, Disagreement>();

  add(verdict: Verdict, compat: CompatVerdicts): void {
    this.graded++;
    if (verdict.solved) this.solved++;
    for (const kind of new Set(verdict.errors.map((error) => error.kind))) {
      this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
    }
    const names = Object.keys(compat);
    if (names.length === 0) return;
    const accepted: Record<string, boolean> = { strict: verdict.solved };
    for (const name of names) {
      const { accepted: accepts, reason } = compat[name] as CompatVerdict;
      accepted[name] = accepts;
      if (accepts !== verdict.solved) this.#disagree(name, accepts, accepts ? firstKind(verdict) : reason);
    }
    const key = JSON.stringify(accepted);
    const row = this.#rows.get(key) ?? { accepted, texts: 0 };
    row.texts++;
    this.#rows.set(key, row);
  }

  #disagree(scorer: string, accepts: boolean, reason: string): void {
    const key = `${scorer} ${accepts} ${reason}`;
    const found = this.#disagreements.get(key) ?? { scorer, says: accepts ? "accepts" : "refuses", reason, texts: 0 };
    found.texts++;
    this.#disagreements.set(key, found);
  }

  /** The counts as one JSON value. `errors`: texts in which a kind occurs. Tables are sorted by their counts. */
  toJSON(): object {
    const compat =
      this.#rows.size === 0
        ? {}
        : { compat: { table: byTexts(this.#rows.values()), disagreements: byTexts(this.#disagreements.values()) } };
    const errors = Object.fromEntries([...this.#kinds].sort((a, b) => b[1] - a[1]));
    return { graded: this.graded, failed: this.failed, solved: this.solved, errors, ...compat };
  }

  /** The counts for people, a newline at the end. */
  toText(): string {
    const share = this.graded === 0 ? "" : ` (${((100 * this.solved) / this.graded).toFixed(1)}%)`;
    const lines = [`${this.graded} graded, ${this.solved} solved${share}, ${this.failed} lines could not be graded`];
    if (this.#kinds.size > 0) lines.push("texts by kind of error (a text may have several):");
    for (const [kind, texts] of [...this.#kinds].sort((a, b) => b[1] - a[1])) lines.push(`  ${pad(texts)}  ${kind}`);
    if (this.#rows.size > 0) lines.push("texts by who accepts them:");
    for (const { accepted, texts } of byTexts(this.#rows.values())) {
      lines.push(
        `  ${pad(texts)}  ${Object.keys(accepted)
          .map((name) => `${name} ${accepted[name] ? "yes" : "no "}`)
          .join("  ")}`,
      );
    }
    if (this.#disagreements.size > 0) lines.push("where they differ from the strict grader:");
    for (const { scorer, says, reason, texts } of byTexts(this.#disagreements.values())) {
      lines.push(`  ${pad(texts)}  ${scorer} ${says}: ${says === "accepts" ? `strict finds ${reason}` : reason}`);
    }
    return `${lines.join("\n")}\n`;
  }
}

function firstKind(verdict: Verdict): string {
  return verdict.stats.firstError?.kind ?? "no declaration";
}

function byTexts<T extends { readonly texts: number }>(rows: Iterable<T>): T[] {
  return [...rows].sort((a, b) => b.texts - a.texts);
}

function pad(count: number): string {
  return String(count).padStart(9);
}
