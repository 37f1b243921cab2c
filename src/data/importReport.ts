// What an import accepted, rejected and why: counts, and the first records of each kind. No files.
import { quote } from "../lib/text.ts";
import type { JudgedText } from "./importJudge.ts";
import type { Statistics } from "./manifest.ts";

/** A rejected record, so that a person can look it up. */
export interface Rejected {
  readonly file: string;
  /** Its place in the file, from 1. */
  readonly record: number;
  readonly message: string;
}

/** How often a published checker agrees with the strict grader. */
export interface CompatCounts {
  both: number;
  strictOnly: number;
  compatOnly: number;
  neither: number;
  /** Where they differ: the checker's reason or, where it accepts, the grader's first error -> texts. */
  readonly differ: Record<string, number>;
}

const firstShown = 5;

/** Counts in the making. Field names of `json` are a promise. */
export class ImportReport {
  #records = 0;
  #examples = 0;
  #problems = 0;
  #solved = 0;
  readonly #origins: Record<string, number> = {};
  readonly #rejected: Record<string, { records: number; first: Rejected[] }> = {};
  readonly #errors: Record<string, number> = {};
  readonly #compat: Record<string, CompatCounts> = {};

  example(origin: string): void {
    this.#records++;
    this.#examples++;
    add(this.#origins, origin);
  }

  problem(): void {
    this.#records++;
    this.#problems++;
  }

  /** `kind`: an error kind of the grader, or "json", "record", "problem" where it never came to grading. */
  reject(kind: string, rejected: Rejected): void {
    this.#records++;
    this.#rejected[kind] ??= { records: 0, first: [] };
    const entry = this.#rejected[kind];
    entry.records++;
    if (entry.first.length < firstShown) entry.first.push(rejected);
  }

  /** Errors and checkers of a text, whatever becomes of it. */
  graded({ verdict, compat }: JudgedText): void {
    if (verdict.solved) this.#solved++;
    for (const { kind } of verdict.errors) add(this.#errors, kind);
    for (const { scorer, accepted, reason } of compat) {
      this.#compat[scorer] ??= { both: 0, strictOnly: 0, compatOnly: 0, neither: 0, differ: {} };
      const counts = this.#compat[scorer];
      counts[verdict.solved ? (accepted ? "both" : "strictOnly") : accepted ? "compatOnly" : "neither"]++;
      if (verdict.solved !== accepted) add(counts.differ, accepted ? (verdict.errors[0]?.kind ?? "not solved") : reason);
    }
  }

  /** Whether nothing was taken. */
  get isEmpty(): boolean {
    return this.#examples + this.#problems === 0;
  }

  /** As report.json holds it. */
  json(): object {
    return {
      records: this.#records,
      examples: this.#examples,
      problems: this.#problems,
      rejected: Object.values(this.#rejected).reduce((sum, { records }) => sum + records, 0),
      solved: this.#solved,
      origins: this.#origins,
      rejections: this.#rejected,
      errors: this.#errors,
      compat: this.#compat,
    };
  }

  /** As a manifest holds it. Draws are records read. */
  statistics(): Statistics {
    return { examples: this.#examples, draws: this.#records, origins: this.#origins, solvers: {} };
  }

  /** For the terminal. */
  lines(): string[] {
    const kinds = Object.entries(this.#rejected).sort(([, a], [, b]) => b.records - a.records);
    return [
      `${this.#records} records: ${this.#examples} examples (${list(this.#origins) || "none"}), ${this.#problems} problems alone, ${this.#solved} texts solved`,
      ...kinds.map(([kind, { records, first }]) => {
        const [one] = first;
        return `rejected ${records}: ${kind}${one === undefined ? "" : `, first ${one.file} record ${one.record}: ${quote(one.message, 160)}`}`;
      }),
      ...Object.entries(this.#compat).map(
        ([scorer, { both, strictOnly, compatOnly, neither, differ }]) =>
          `${scorer} and strict: both accept ${both}, neither ${neither}, strict alone ${strictOnly}, ${scorer} alone ${compatOnly}${Object.keys(differ).length > 0 ? ` (${list(differ)})` : ""}`,
      ),
    ];
  }
}

function add(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}
