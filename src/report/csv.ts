// Results as CSV (RFC 4180): one row per arm, policy and split, for spreadsheets and data frames. Pure.
import { resultRows } from "./figures.ts";
import type { Summary } from "./model.ts";

const columns = [
  "sweep",
  "arm",
  "policy",
  "split",
  "n",
  "solved",
  "accuracy",
  "interval_low",
  "interval_high",
  "solved_using_all",
  "tokens_mean",
  "tokens_median",
  "tokens_total",
  "train_steps",
  "train_examples",
  "train_direct_examples",
  "train_backtrack_examples",
  "train_tokens",
  "trained_tokens",
  "parameters",
  "final_loss",
] as const;

/** A field of RFC 4180: quoted when it holds a comma, a quote or a line end. */
function field(value: string | number | undefined): string {
  const text = value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The results table: fixed columns, then one column `error_<kind>` per error kind that occurs. Ends with a line end. */
export function renderCsv(summary: Summary): string {
  const rows = resultRows(summary);
  const kinds = [...new Set(rows.flatMap((row) => Object.keys(row.result.errors)))].sort();
  const lines = rows.map(({ arm, policy, split, result }) => {
    const budget = summary.arms.find((candidate) => candidate.name === arm)?.budget;
    const { mean, median, total } = result.tokensGenerated;
    return [
      summary.name,
      arm,
      policy,
      split,
      result.n,
      result.solved,
      result.accuracy,
      ...result.interval,
      result.solvedUsingAll,
      mean,
      median,
      total,
      budget?.steps,
      budget?.examples,
      budget?.directExamples,
      budget?.backtrackExamples,
      budget?.tokens,
      budget?.trainedTokens,
      budget?.parameters,
      budget?.finalLoss,
      ...kinds.map((kind) => result.errors[kind] ?? 0),
    ];
  });
  const header = [...columns, ...kinds.map((kind) => `error_${kind}`)];
  return `${[header, ...lines].map((line) => line.map(field).join(",")).join("\r\n")}\r\n`;
}
