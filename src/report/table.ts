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
  unjudgedSentence,
} from "./figures.ts";
import type { Comparison, Summary } from "./model.ts";
import { layout, left, type Pens, pensFor, right, type TableOptions, wrap } from "./tableLayout.ts";

/** The longest arm name that tables show; longer ones (arms of several axes) are numbered, and listed once. */
const longestName = 32;
/** Paired tests up to which all are shown. */
const testsShown = 60;

/** The whole summary as lines of at most `width` columns where words allow it. Ends with a line end. */
export function renderTable(summary: Summary, options: TableOptions): string {
  const numbers = armNumbers(summary);
  const called = numbers.size === 0 ? summary : withNumbers(summary, numbers);
  const pens = pensFor(options.colour);
  const device = `${summary.flavour} worker, ${summary.device}, ${summary.dtype}`;
  const sections = [
    `${pens.bold(summary.name)}  ${pens.dim(device)}${summary.description === "" ? "" : `\n${wrap(summary.description, options.width, "")}`}`,
    summary.flavour === "mock" ? pens.bad("MOCK WORKER: a scripted oracle, no language model was trained or decoded.") : "",
    legend(numbers, pens),
    results(called, options, pens),
    budgets(called, options, pens),
    comparisons(called, options, pens),
    claims(summary, options, pens),
    overlap(summary, options, pens),
    failures(summary, options, pens),
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

/** "#1", "#2", ... by arm; empty where the names are short enough for tables. */
function armNumbers({ arms }: Summary): ReadonlyMap<string, string> {
  if (arms.every(({ name }) => name.length <= longestName)) return new Map();
  return new Map(arms.map(({ name }, index) => [name, `#${index + 1}`]));
}

function withNumbers(summary: Summary, numbers: ReadonlyMap<string, string>): Summary {
  const short = (name: string) => numbers.get(name) ?? name;
  const reference = (text: string) => {
    const [arm, policy] = partsOf(text);
    return `${short(arm)}/${policy}`;
  };
  return {
    ...summary,
    arms: summary.arms.map((arm) => ({ ...arm, name: short(arm.name) })),
    comparisons: summary.comparisons.map((item) => ({
      ...item,
      first: reference(item.first),
      second: reference(item.second),
    })),
  };
}

function legend(numbers: ReadonlyMap<string, string>, pens: Pens): string {
  if (numbers.size === 0) return "";
  const digits = `#${numbers.size}`.length;
  return `${pens.bold("Arms")}\n${[...numbers].map(([name, number]) => `${number.padStart(digits)}  ${name}`).join("\n")}`;
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

/**
 * Two policies of one arm, or one policy of two arms; where those are more than anybody reads, two policies of one arm alone.
 * All pairs are in summary.json and on the page.
 */
function worthALine(items: readonly Comparison[]): Comparison[] {
  const ofOneArm = ({ first, second }: Comparison) => partsOf(first)[0] === partsOf(second)[0];
  const ofOnePolicy = ({ first, second }: Comparison) => partsOf(first)[1] === partsOf(second)[1];
  const either = items.filter((item) => ofOneArm(item) || ofOnePolicy(item));
  return either.length <= testsShown ? either : items.filter(ofOneArm).slice(0, testsShown);
}

function partsOf(reference: string): [arm: string, policy: string] {
  const slash = reference.lastIndexOf("/");
  return [reference.slice(0, slash), reference.slice(slash + 1)];
}

function comparisons(summary: Summary, options: TableOptions, pens: Pens): string {
  const { comparisons: all } = summary;
  const shown = worthALine(all);
  const rest =
    all.length <= testsShown
      ? ""
      : wrap(
          `Shown: ${integer(shown.length)} of ${integer(all.length)} pairs; all are in summary.json and on the page.`,
          options.width,
          "",
        );
  if (shown.length === 0) return rest === "" ? "" : `${pens.bold("Paired tests")}\n${rest}`;
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
  const title =
    "Paired tests (first minus second, on the same problems; only first: solved by the first alone; p not adjusted for the number of tests)";
  const lines = titled(title, layout(columns, body, body, options, pens), options, pens);
  return rest === "" ? lines : `${lines}\n${rest}`;
}

function claims({ claims: single, pooled = [], unjudged = [] }: Summary, options: TableOptions, pens: Pens): string {
  // What holds over all seeds first, then seed by seed.
  const items = [...pooled, ...single];
  if (items.length + unjudged.length === 0) return "";
  const pen = { supported: pens.good, refuted: pens.bad, inconclusive: pens.doubt, underpowered: pens.doubt };
  const lines = items.map((claim) => {
    const required = claim.required ? " (required)" : "";
    return `${pen[claim.verdict](claim.verdict.toUpperCase())}  ${claim.name}${required}\n${wrap(`${claim.statement}: ${claim.explanation}`, options.width, "  ")}`;
  });
  const open = unjudged.map(
    (claim) => `${pens.doubt("OPEN")}  ${wrap(unjudgedSentence(claim), options.width - 6, "").replaceAll("\n", "\n  ")}`,
  );
  return `${pens.bold("Claims")}\n${[...lines, ...open].join("\n")}`;
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
