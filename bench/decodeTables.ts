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
interface PaperRow extends Spent {
  readonly shape: string;
  readonly samples: number;
  readonly b: number;
  readonly slots: number;
  readonly problems: number;
  readonly tokens: number;
  readonly scheduled: number;
  readonly roofline: number;
}
export interface PaperResult {
  readonly device: string;
  readonly bytesPerSecond: number;
  readonly flopPerSecond: number;
  readonly paper: readonly PaperRow[];
  readonly paperReference: readonly {
    readonly shape: string;
    readonly samples: number;
    readonly problems: number;
    readonly tokens: number;
    readonly wall: number;
  }[];
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

/** The paper's decoding on one device: on the wall, beside the roofline and the reference of the same run. */
export function paperTable(result: PaperResult): string {
  const lines = result.paper.map((row) => {
    const reference = result.paperReference.find(({ shape, samples }) => shape === row.shape && samples === row.samples);
    const rate = row.problems / row.wall;
    // The reference was timed on the first round alone: b extra rounds of floor(sqrt(N)) states each cost as much again.
    const calls = 1 + row.b * Math.floor(Math.sqrt(row.samples));
    const times = reference === undefined ? "" : ((rate * reference.wall * calls) / reference.problems).toFixed(0);
    return [
      `${row.shape}, N=${row.samples}, b=${row.b}, ${row.slots} slots`,
      `${row.problems} in ${row.wall.toFixed(1)} s`,
      digits(rate),
      `${row.tokens} of ${row.scheduled}`,
      (row.tokens / row.wall).toFixed(0),
      `${row.roofline.toFixed(0)} (${((100 * row.tokens) / row.wall / row.roofline).toFixed(0)}%)`,
      times,
    ];
  });
  const rates = `copy ${(result.bytesPerSecond / 1e9).toFixed(0)} GB/s, matrix product ${(result.flopPerSecond / 1e12).toFixed(1)} TFLOP/s`;
  const head = [
    "case",
    "problems",
    "problems/s",
    "tokens made of scheduled",
    "tokens/s",
    "roofline (share)",
    "times the reference",
  ];
  return `${result.device}: ${rates}\n\n${table(head, lines)}`;
}
