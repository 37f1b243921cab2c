// The summary as text for a terminal: results, budgets, paired tests, claims. Pure: told whether to colour and how wide, never asks.
import {
  budgetSentence,
  compact,
  integer,
  mean,
  percent,
  points,
  pointsInterval,
  pValue,
  resultRows,
  shareInterval,
} from "./figures.ts";
import type { ClaimResult, Comparison, Summary } from "./model.ts";

export interface TableOptions {
  readonly colour: boolean;
  /** Columns of the terminal; tables that do not fit are written as one block of `name value` lines per row. */
  readonly width: number;
}

type Paint = (text: string) => string;
interface Pens {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly good: Paint;
  readonly bad: Paint;
  readonly doubt: Paint;
}

interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

const left = (title: string): Column => ({ title, align: "left" });
const right = (title: string): Column => ({ title, align: "right" });

/** The whole summary as lines of at most `width` columns where words allow it. Ends with a line end. */
export function renderTable(summary: Summary, options: TableOptions): string {
  const pens = pensFor(options.colour);
  const device = `${summary.flavour} worker, ${summary.device}, ${summary.dtype}`;
  const sections = [
    `${pens.bold(summary.name)}  ${pens.dim(device)}${summary.description === "" ? "" : `\n${wrap(summary.description, options.width, "")}`}`,
    summary.flavour === "mock" ? pens.bad("MOCK WORKER: a scripted oracle, no language model was trained or decoded.") : "",
    results(summary, options, pens),
    budgets(summary, options, pens),
    comparisons(summary, options, pens),
    claims(summary.claims, options, pens),
    overlap(summary, options, pens),
    failures(summary, options, pens),
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function pensFor(colour: boolean): Pens {
  const pen = (code: string): Paint => (colour ? (text) => `\u001b[${code}m${text}\u001b[0m` : (text) => text);
  return { bold: pen("1"), dim: pen("2"), good: pen("32"), bad: pen("31"), doubt: pen("33") };
}

function results(summary: Summary, options: TableOptions, pens: Pens): string {
  const rows = resultRows(summary);
  if (rows.length === 0) return "No results: no policy came to its end.";
  const body = rows.map(({ arm, policy, split, result }) => [
    `${arm}/${policy}`,
    split,
    integer(result.n),
    integer(result.solved),
    percent(result.accuracy),
    shareInterval(result.interval),
    mean(result.tokensGenerated.mean),
  ]);
  const columns = [
    left("policy"),
    left("split"),
    right("n"),
    right("solved"),
    right("accuracy"),
    right("95% interval"),
    right("tokens/problem"),
  ];
  const spread = withoutRepeats(body);
  return titled(
    "Accuracy (tokens/problem counts every token generated, discarded ones included)",
    layout(columns, spread, body, options, pens),
    options,
    pens,
  );
}

/** The first column is left blank where it repeats the row above. */
function withoutRepeats(rows: readonly string[][]): string[][] {
  return rows.map((row, index) => (index > 0 && rows[index - 1]?.[0] === row[0] ? ["", ...row.slice(1)] : row));
}

function budgets(summary: Summary, options: TableOptions, pens: Pens): string {
  const body = summary.arms.flatMap(({ name, budget }) =>
    budget === null
      ? []
      : [
          [
            name,
            compact(budget.parameters),
            integer(budget.steps),
            integer(budget.examples),
            integer(budget.directExamples),
            integer(budget.backtrackExamples),
            compact(budget.tokens),
            compact(budget.trainedTokens),
            budget.finalLoss.toFixed(3),
          ],
        ],
  );
  if (body.length === 0) return "";
  const columns = [
    left("arm"),
    right("parameters"),
    right("steps"),
    right("examples"),
    right("direct"),
    right("backtrack"),
    right("tokens"),
    right("trained tokens"),
    right("final loss"),
  ];
  const sentence = wrap(budgetSentence(summary), options.width, "");
  return (
    titled("Training budgets", layout(columns, body, body, options, pens), options, pens) +
    (sentence === "" ? "" : `\n${sentence}`)
  );
}

/** Two policies of one arm, or one policy of two arms. Pairs that differ in both are in summary.json and on the page. */
function answersOneQuestion({ first, second }: Comparison): boolean {
  const [armA, policyA] = partsOf(first);
  const [armB, policyB] = partsOf(second);
  return armA === armB || policyA === policyB;
}

function partsOf(reference: string): [arm: string, policy: string] {
  const slash = reference.lastIndexOf("/");
  return [reference.slice(0, slash), reference.slice(slash + 1)];
}

function comparisons(summary: Summary, options: TableOptions, pens: Pens): string {
  const shown = summary.comparisons.filter(answersOneQuestion);
  if (shown.length === 0) return "";
  const body = shown.map((item) => [
    item.first,
    item.second,
    item.split,
    points(item.difference),
    pointsInterval(item.interval),
    integer(item.onlyFirst),
    integer(item.onlySecond),
    pValue(item.pValue),
  ]);
  const columns = [
    left("first"),
    left("second"),
    left("split"),
    right("points"),
    right("95% interval"),
    right("only first"),
    right("only second"),
    right("p"),
  ];
  return titled(
    "Paired tests (first minus second, on the same problems; only first: solved by the first alone; p not adjusted for the number of tests)",
    layout(columns, body, body, options, pens),
    options,
    pens,
  );
}

function claims(items: readonly ClaimResult[], options: TableOptions, pens: Pens): string {
  if (items.length === 0) return "";
  const pen = { supported: pens.good, refuted: pens.bad, inconclusive: pens.doubt, underpowered: pens.doubt };
  const lines = items.map((claim) => {
    const required = claim.required ? " (required)" : "";
    return `${pen[claim.verdict](claim.verdict.toUpperCase())}  ${claim.name}${required}\n${wrap(`${claim.statement}: ${claim.explanation}`, options.width, "  ")}`;
  });
  return `${pens.bold("Claims")}\n${lines.join("\n")}`;
}

function overlap(summary: Summary, options: TableOptions, pens: Pens): string {
  const pairs = Object.entries(summary.overlap);
  if (pairs.length === 0) return "";
  const shared = pairs.filter(([, count]) => count > 0);
  if (shared.length === 0)
    return pens.dim(wrap(`Overlap between splits: 0 problems shared (${pairs.length} pairs checked).`, options.width, ""));
  const list = shared.map(([pair, count]) => `${pair}: ${count}`).join("; ");
  return pens.bad(
    wrap(`Overlap between splits: ${list} shared problems. Results on these splits are not to be trusted.`, options.width, ""),
  );
}

function failures(summary: Summary, options: TableOptions, pens: Pens): string {
  if (summary.failures.length === 0) return "";
  const lines = summary.failures.map((failure) => {
    const detail = [failure.cause, `log: ${failure.log}`, `retry: ${failure.retry}`];
    return `${pens.bad("FAILED")}  ${failure.stage}\n${detail.map((line) => wrap(line, options.width, "  ")).join("\n")}`;
  });
  return `${pens.bold("Failures")}\n${lines.join("\n")}`;
}

function titled(title: string, body: string, options: TableOptions, pens: Pens): string {
  return `${pens.bold(wrap(title, options.width, ""))}\n${body}`;
}

/** Columns side by side when they fit, else a block of lines per row (then `whole`, where no cell is left blank). */
function layout(
  columns: readonly Column[],
  rows: readonly string[][],
  whole: readonly string[][],
  options: TableOptions,
  pens: Pens,
): string {
  const widths = columns.map((column, index) => Math.max(column.title.length, ...rows.map((row) => (row[index] ?? "").length)));
  const total = widths.reduce((sum, width) => sum + width + 2, -2);
  if (total > options.width) return blocks(columns, whole, pens);
  const cell = (text: string, index: number) =>
    columns[index]?.align === "right" ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0);
  const line = (cells: readonly string[]) => cells.map(cell).join("  ").trimEnd();
  return [pens.dim(line(columns.map((column) => column.title))), ...rows.map(line)].join("\n");
}

function blocks(columns: readonly Column[], rows: readonly string[][], pens: Pens): string {
  const label = Math.max(...columns.map((column) => column.title.length));
  const block = (row: readonly string[]) =>
    columns.map((column, index) => `${pens.dim(column.title.padEnd(label))}  ${row[index] ?? ""}`).join("\n");
  return rows.map(block).join("\n\n");
}

/** Words in lines of at most `width` columns, each line indented. Words longer than a line stand alone. */
function wrap(text: string, width: number, indent: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line].join("\n");
}
