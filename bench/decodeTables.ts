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
    const of = (engine: string) => own.filter((row) => row.engine === engine);
    const rateOf = (engine: string) => of(engine).map(({ problems, cpu }) => problems / cpu);
    const speedOf = (engine: string) => of(engine).map(({ tokens, cpu }) => tokens / cpu);
    const reference = { rates: rateOf("reference"), speeds: speedOf("reference") };
    return distinct(own.map(({ engine }) => engine)).map((engine) => {
      const rates = rateOf(engine);
      const speeds = speedOf(engine);
      const lengths = of(engine).map(({ tokens, problems, samples }) => tokens / (problems * samples));
      const ratios = rates.map((rate, round) => rate / (reference.rates[round] ?? Number.NaN));
      const byToken = speeds.map((speed, round) => speed / (reference.speeds[round] ?? Number.NaN));
      const range =
        ratios.length > 1 ? ` (${Math.min(...ratios).toFixed(1)}..${Math.max(...ratios).toFixed(1)})` : " (one round)";
      const cells = [digits(median(rates)), median(speeds).toFixed(0), median(lengths).toFixed(1)];
      return [group, engine, ...cells, `${median(ratios).toFixed(1)}${range}`, median(byToken).toFixed(1)];
    });
  });
  const rates = ["problems per CPU-s", "kept tokens per CPU-s", "kept tokens each"];
  return table(["case", "engine", ...rates, "times the reference by problems", "by kept tokens"], lines);
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
