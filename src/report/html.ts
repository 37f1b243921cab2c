// The page of a sweep: one offline file, no scripts, no network. Pure: record in, text out.
import { costPlot, errorBar, intervalBar, legend, lossPlot } from "./charts.ts";
import {
  compact,
  integer,
  mean,
  percent,
  points,
  pointsInterval,
  pValue,
  type ResultRow,
  resultRows,
  shareInterval,
  splitsOf,
} from "./figures.ts";
import { html, type Markup, trusted } from "./markup.ts";
import type { ReportExtras, Summary } from "./model.ts";
import { style } from "./style.ts";
import { treeMarkup } from "./trees.ts";

const armColours = 6;
const kindColours = 7;

/** The whole page. Model text is escaped; nothing is loaded from anywhere. */
export function renderHtml(summary: Summary, extras: ReportExtras): string {
  const names = summary.arms.map((arm) => arm.name);
  const colourOf = (arm: string) => Math.max(0, names.indexOf(arm)) % armColours;
  const body = [
    head(summary),
    claims(summary),
    accuracies(summary),
    costs(summary, colourOf),
    tests(summary),
    budgets(summary),
    losses(extras, colourOf),
    errors(summary),
    trees(extras),
    provenance(summary),
  ];
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${summary.name} - Backtrail</title>
<style>${trusted(style)}</style></head><body><main>${body}</main></body></html>
`;
  return page.markup;
}

function head(summary: Summary): Markup {
  const mock = html`<p class="warn">Made with the mock worker: a scripted oracle, not a model. These figures say nothing about search.</p>`;
  const failures = summary.failures.map((failure) => html`<p class="warn">${failure.stage} failed: ${failure.cause}</p>`);
  return html`<h1>${summary.name}</h1><p>${summary.description}</p>
<p class="dim">${summary.arms.length} arms, ${summary.flavour} worker on ${summary.device} (${summary.dtype}), ${summary.createdAt}</p>
${summary.flavour === "mock" ? mock : undefined}${failures}`;
}

function claims(summary: Summary): Markup | undefined {
  if (summary.claims.length === 0) return undefined;
  return html`<h2>Claims</h2>${summary.claims.map(
    (claim) =>
      html`<div class="claim ${claim.verdict}"><b>${claim.verdict}</b> ${claim.name}${claim.required ? " (required)" : ""}: ${claim.statement}<p class="dim">${claim.explanation}</p></div>`,
  )}`;
}

function accuracies(summary: Summary): Markup {
  const tables = splitsOf(summary).map((split) => {
    const rows = resultRows(summary).filter((row) => row.split === split);
    return html`<h3>${split}</h3><div class="scroll"><table><thead><tr><th class="l">arm</th><th class="l">policy</th><th>accuracy</th><th>95% interval</th><th class="l">0 to 100%</th><th>solved</th><th>using all numbers</th><th>tokens per problem</th></tr></thead>
<tbody>${rows.map(accuracyRow)}</tbody></table></div>`;
  });
  return html`<h2>Accuracy</h2><p class="dim">Share of problems whose chosen answer is right in every step and reaches the target, with 95% Wilson intervals. Tokens: all that were generated for a problem, discarded ones included.</p>${tables}`;
}

function accuracyRow({ arm, policy, result }: ResultRow): Markup {
  return html`<tr><td class="l">${arm}</td><td class="l">${policy}</td><td>${percent(result.accuracy)}</td><td>${shareInterval(result.interval)}</td><td class="l">${intervalBar(result.accuracy, result.interval)}</td>
<td>${integer(result.solved)} of ${integer(result.n)}</td><td>${integer(result.solvedUsingAll)}</td><td>${mean(result.tokensGenerated.mean)}</td></tr>`;
}

function costs(summary: Summary, colourOf: (arm: string) => number): Markup {
  const figures = splitsOf(summary).map(
    (split) =>
      html`<h3>${split}</h3>${costPlot(
        resultRows(summary).filter((row) => row.split === split),
        colourOf,
      )}`,
  );
  return html`<h2>Accuracy against tokens</h2>${armLegend(
    summary.arms.map((arm) => arm.name),
    colourOf,
  )}${figures}`;
}

function armLegend(names: readonly string[], colourOf: (arm: string) => number): Markup {
  return legend(names.map((name) => [`c${colourOf(name)}`, name] as const));
}

function tests(summary: Summary): Markup | undefined {
  if (summary.comparisons.length === 0) return undefined;
  const rows = summary.comparisons.map(
    (
      test,
    ) => html`<tr><td class="l">${test.first}</td><td class="l">${test.second}</td><td class="l">${test.split}</td><td>${points(test.difference)}</td><td>${pointsInterval(test.interval)}</td>
<td>${integer(test.onlyFirst)}</td><td>${integer(test.onlySecond)}</td><td>${pValue(test.pValue)}</td></tr>`,
  );
  return html`<h2>Paired tests</h2><p class="dim">The same problems under two policies: difference in percentage points with Tango's 95% interval, problems that only one of the two solves, exact two-sided McNemar test. Many tests are shown and none is corrected for that: the claims above are the ones stated beforehand.</p>
<div class="scroll"><table><thead><tr><th class="l">first</th><th class="l">second</th><th class="l">split</th><th>points</th><th>95% interval</th><th>only first</th><th>only second</th><th>p</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

function budgets(summary: Summary): Markup | undefined {
  const rows = summary.arms.flatMap(({ name, budget }) =>
    budget === null
      ? []
      : [
          html`<tr><td class="l">${name}</td><td>${compact(budget.parameters)}</td><td>${integer(budget.steps)}</td><td>${integer(budget.examples)}</td><td>${integer(budget.directExamples)}</td><td>${integer(budget.backtrackExamples)}</td><td>${integer(budget.tokens)}</td><td>${integer(budget.trainedTokens)}</td><td>${budget.finalLoss.toFixed(4)}</td></tr>`,
        ],
  );
  if (rows.length === 0) return undefined;
  return html`<h2>Training budget</h2><p class="dim">What each model was given: optimizer steps, examples seen (direct ones, and ones that end in a wrong action and a backtrack), tokens read and tokens trained on.</p>
<div class="scroll"><table><thead><tr><th class="l">arm</th><th>parameters</th><th>steps</th><th>examples</th><th>direct</th><th>backtrack</th><th>tokens</th><th>trained tokens</th><th>last loss</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

function losses(extras: ReportExtras, colourOf: (arm: string) => number): Markup | undefined {
  const names = Object.keys(extras.losses);
  if (names.length === 0) return undefined;
  return html`<h3>Training loss</h3>${armLegend(names, colourOf)}${lossPlot(extras.losses, colourOf)}`;
}

function errors(summary: Summary): Markup {
  const rows = resultRows(summary);
  const kinds = [...new Set(rows.flatMap((row) => Object.keys(row.result.errors)))].sort();
  const named: [string, string][] = [
    ["solved", "solved"],
    ...kinds.map((kind, index): [string, string] => [`k${index % kindColours}`, kind]),
  ];
  const lines = rows.map(
    (row) =>
      html`<tr><td class="l">${row.arm}</td><td class="l">${row.policy}</td><td class="l">${row.split}</td><td class="l">${errorBar(row, kinds)}</td>${kinds.map((kind) => html`<td>${row.result.errors[kind] ?? 0}</td>`)}</tr>`,
  );
  return html`<h2>What goes wrong</h2><p class="dim">Answers with at least one error of each kind. An answer may have several.</p>${legend(named)}
<div class="scroll"><table><thead><tr><th class="l">arm</th><th class="l">policy</th><th class="l">split</th><th class="l">share</th>${kinds.map((kind) => html`<th>${kind}</th>`)}</tr></thead><tbody>${lines}</tbody></table></div>`;
}

function trees(extras: ReportExtras): Markup | undefined {
  if (extras.samples.length === 0) return undefined;
  return html`<h2>Search trees</h2><p class="dim">One solved and one failed attempt per policy and split, those with most rollbacks first. Wrong parts of the chosen answer are underlined; hold the pointer over them for the reason.</p>${extras.samples.map(treeMarkup)}`;
}

function provenance(summary: Summary): Markup {
  const stages = Array.isArray(summary.provenance)
    ? summary.provenance
    : ((summary.provenance as { stages?: readonly object[] } | null)?.stages ?? []);
  const rows = (stages as readonly { stage?: string; key?: string; digest?: string | null; seconds?: number | null }[]).map(
    (stage) =>
      html`<tr><td class="l">${stage.stage ?? ""}</td><td class="l">${(stage.key ?? "").slice(0, 16)}</td><td class="l">${(stage.digest ?? "").slice(0, 16)}</td><td>${stage.seconds === null || stage.seconds === undefined ? "" : stage.seconds.toFixed(1)}</td></tr>`,
  );
  const overlap = Object.entries(summary.overlap).map(
    ([pair, count]) => html`<tr><td class="l">${pair}</td><td>${count}</td></tr>`,
  );
  const { stages: _, ...rest } = (summary.provenance ?? {}) as Record<string, unknown>;
  return html`<h2>Provenance</h2><p>Configuration digest <code>${summary.configDigest.slice(0, 16)}</code>; the resolved configuration, the plan and all figures lie beside this page. Run the same configuration again to make everything anew or find it cached.</p>
<pre>${JSON.stringify(rest, null, 1)}</pre>
<div class="scroll"><table><caption>Artefacts in the store</caption><thead><tr><th class="l">stage</th><th class="l">key</th><th class="l">content digest</th><th>seconds</th></tr></thead><tbody>${rows}</tbody></table></div>
<div class="scroll"><table><caption>Problems shared between splits</caption><tbody>${overlap}</tbody></table></div>`;
}
