// The tables of bench/decode.ts from what its Python side measured. Ratios are medians over rounds, each against the
// reference of its own round; rates on a CPU are per CPU second, because shared machines drift.
import { median } from "../src/lib/stats.ts";

interface Spent {
  /** CPU seconds of all threads, and seconds on the wall. */
  readonly cpu: number;
  readonly wall: number;
}
interface EngineRow extends Spent {
  readonly shape: string;
  readonly samples: number;
  readonly engine: string;
  readonly problems: number;
  readonly tokens: number;
}
interface ScoreRow extends Spent {
  readonly shape: string;
  readonly what: string;
  readonly tokens: number;
}
export interface EnginesResult {
  readonly engines: readonly EngineRow[];
  readonly score: readonly ScoreRow[];
}
const table = (head: readonly string[], lines: readonly (readonly string[])[]) =>
  [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
const distinct = (values: readonly string[]) => [...new Set(values)];
const digits = (value: number) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3));

/** One line per shape, N and engine. */
export function enginesTable(rows: readonly EngineRow[]): string {
  const groups = distinct(rows.map(({ shape, samples }) => `${shape}, N=${samples}`));
  const lines = groups.flatMap((group) => {
    const own = rows.filter(({ shape, samples }) => `${shape}, N=${samples}` === group);
    const rateOf = (engine: string) => own.filter((row) => row.engine === engine).map(({ problems, cpu }) => problems / cpu);
    const reference = rateOf("reference");
    return distinct(own.map(({ engine }) => engine)).map((engine) => {
      const rates = rateOf(engine);
      const tokens = own.filter((row) => row.engine === engine).map((row) => row.tokens / row.cpu);
      const ratios = rates.map((rate, round) => rate / (reference[round] ?? Number.NaN));
      const range =
        ratios.length > 1 ? ` (${Math.min(...ratios).toFixed(1)}..${Math.max(...ratios).toFixed(1)})` : " (one round)";
      return [group, engine, digits(median(rates)), median(tokens).toFixed(0), `${median(ratios).toFixed(1)}${range}`];
    });
  });
  return table(["case", "engine", "problems per CPU-s", "kept tokens per CPU-s", "times the reference"], lines);
}

/** What a score call costs per token, and what named tokens and hidden states add. */
export function scoreTable(rows: readonly ScoreRow[]): string {
  const lines = distinct(rows.map(({ shape }) => shape)).flatMap((shape) => {
    const cost = (what: string) =>
      rows.filter((row) => row.shape === shape && row.what === what).map(({ cpu, tokens }) => (1e6 * cpu) / tokens);
    const plain = cost("score");
    return distinct(rows.map(({ what }) => what)).map((what) => {
      const ratios = cost(what).map((value, round) => value / (plain[round] ?? Number.NaN));
      return [shape, what, median(cost(what)).toFixed(1), median(ratios).toFixed(2)];
    });
  });
  return table(["shape", "call", "CPU us per token", "times score alone"], lines);
}
