// The sections on what went in: training budgets and curves, provenance, failures. Pure: summary -> HTML.

import type { Json } from "../../lib/hash.ts";
import { budgetSentence, compact, integer } from "../figures.ts";
import type { ReportExtras, Summary } from "../model.ts";
import { escapeHtml, note, section, type TableColumn, table } from "./markup.ts";
import { type Axis, curves, niceDomain, ticks } from "./plots.ts";
import type { Looks } from "./results.ts";

/** Budgets of the arms side by side, then their loss curves on common axes. */
export function trainingSection(summary: Summary, losses: ReportExtras["losses"], looks: Looks): string {
  const trained = summary.arms.filter((arm) => arm.budget !== null);
  const drawn = lossCurves(losses, looks);
  if (trained.length === 0 && drawn === "") return "";
  const columns: TableColumn[] = [
    { title: "arm" },
    ...["parameters", "steps", "examples", "direct", "backtracking", "tokens", "trained tokens", "final loss"].map(
      (title): TableColumn => ({ title, kind: "figure" }),
    ),
  ];
  const rows = trained.flatMap(({ name, budget }) => {
    if (budget === null) return [];
    const { parameters, steps, examples, directExamples, backtrackExamples, tokens, trainedTokens, finalLoss } = budget;
    const counts = [steps, examples, directExamples, backtrackExamples, tokens, trainedTokens].map(integer);
    const swatch = `<span class="swatch ${looks.colour(name)}" style="background:currentColor"></span>`;
    return [{ cells: [{ html: swatch + escapeHtml(name) }, compact(parameters), ...counts, finalLoss.toFixed(4)] }];
  });
  const explain = note(
    "What each model was trained on. Examples are counted as often as they were seen; trained tokens are those with a loss (prompts and wrong steps have none). " +
      budgetSentence(summary),
  );
  return section("training", "Training", explain + (rows.length === 0 ? "" : table(columns, rows)) + drawn);
}

function lossCurves(losses: ReportExtras["losses"], looks: Looks): string {
  const runs = Object.entries(losses).filter(([, points]) => points.length > 1);
  if (runs.length === 0) return "";
  const steps = { low: 0, high: runs.reduce((most, [, points]) => Math.max(most, points.at(-1)?.step ?? 0), 1) };
  const range = niceDomain([0, ...runs.flatMap(([, points]) => points.map(({ loss }) => loss))]);
  const x: Axis = { title: "step", domain: steps, ticks: ticks(steps), label: integer };
  const y: Axis = {
    title: "loss (mean negative log-likelihood per trained token)",
    domain: range,
    ticks: ticks(range),
    label: compact,
  };
  const lines = runs.map(([name, points]) => ({
    points: points.map(({ step, loss }) => ({ x: step, y: loss })),
    colour: looks.colour(name),
    title: `${name}: ${points.at(-1)?.loss.toFixed(4)} at step ${points.at(-1)?.step}`,
  }));
  const legend = runs.map(
    ([name]) =>
      `<li><span class="swatch ${looks.colour(name)}" style="background:currentColor"></span>${escapeHtml(name)}</li>`,
  );
  return `${curves(lines, x, y, "Training loss")}<ul class="legend">${legend.join("")}</ul>`;
}

/** Stages that failed, each with its cause, its log and the command that tries again. */
export function failuresSection(summary: Summary): string {
  const shown = summary.failures.map(
    ({ stage, cause, log, retry }) =>
      `<div class="failure"><p><b>${escapeHtml(stage)}</b></p><p>${escapeHtml(cause)}</p><p class="meta">log: ${escapeHtml(log)}</p><p><code>${escapeHtml(retry)}</code></p></div>`,
  );
  return section("failures", "What failed", shown.join(""));
}

/** Where the figures come from: digests, versions, machine, stages, settings, and how to make them again. */
export function provenanceSection(summary: Summary): string {
  const shared = Object.entries(summary.overlap);
  const overlap = shared.length === 0 ? "" : `<h3>Problems shared between splits</h3>${jsonHtml(Object.fromEntries(shared))}`;
  const facts = jsonHtml({
    "config digest": summary.configDigest,
    made: summary.createdAt,
    worker: summary.flavour,
    device: summary.device,
    "number type": summary.dtype,
  });
  const settings = summary.arms.map(
    (arm) =>
      `<details><summary>Settings and stage keys of ${escapeHtml(arm.name)}</summary>${jsonHtml(arm.keys)}<pre>${escapeHtml(JSON.stringify(arm.settings, null, 2))}</pre></details>`,
  );
  return section(
    "provenance",
    "Provenance",
    `${facts}${again()}${overlap}<h3>Code, machine, stages</h3>${jsonHtml(summary.provenance)}${settings.join("")}`,
  );
}

/** The page lies beside config.resolved.json, whose member `file` is the whole configuration: JSON is YAML, so `run` reads it. */
function again(): string {
  const commands = [
    `node -p "JSON.stringify(require('./config.resolved.json').file, null, 2)" > again.json`,
    "backtrail plan again.json",
    "backtrail run again.json",
  ];
  const explain = note(
    "In the folder of this page. `plan` says what the store holds already; only what is missing is computed.",
  );
  return `<h3>To make it again</h3>${explain}<pre class="command">${escapeHtml(commands.join("\n"))}</pre>`;
}

/** Any JSON as nested definition lists; lists of records of the same fields as tables. */
export function jsonHtml(value: Json): string {
  if (value === null || typeof value !== "object") return escapeHtml(value === null ? "none" : String(value));
  if (Array.isArray(value)) {
    const items: readonly Json[] = value;
    if (items.length > 1 && items.every(isRecord)) return recordsTable(items);
    return items.every((item) => item === null || typeof item !== "object")
      ? escapeHtml(items.map((item) => String(item)).join(", "))
      : items.map(jsonHtml).join("");
  }
  const members = Object.entries(value as { readonly [key: string]: Json | undefined });
  return `<dl>${members.map(([key, item]) => (item === undefined ? "" : `<dt>${escapeHtml(key)}</dt><dd>${jsonHtml(item)}</dd>`)).join("")}</dl>`;
}

type JsonRecord = { readonly [key: string]: Json | undefined };

function isRecord(value: Json): value is JsonRecord {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function recordsTable(items: readonly JsonRecord[]): string {
  const fields = [...new Set(items.flatMap((item) => Object.keys(item)))];
  const numeric = (field: string) => items.every((item) => item[field] === null || typeof item[field] === "number");
  const columns = fields.map((title): TableColumn => ({ title, kind: numeric(title) ? "figure" : "text" }));
  const cell = (value: Json | undefined) => {
    if (value === undefined || value === null) return "\u2013";
    if (typeof value === "number") return Number.isInteger(value) ? integer(value) : value.toFixed(2);
    if (typeof value === "string" && /^[0-9a-f]{40,}$/.test(value))
      return { html: `<code title="${value}">${value.slice(0, 12)}</code>` };
    return { html: jsonHtml(value) };
  };
  return table(
    columns,
    items.map((item) => ({ cells: fields.map((field) => cell(item[field])) })),
  );
}
