// The sections on what came out: claims, accuracies, accuracy against tokens, paired tests, errors. Pure: summary -> HTML.
import {
  integer,
  mean,
  percent,
  points,
  pointsInterval,
  pointsTick,
  pValue,
  type ResultRow,
  resultRows,
  shareInterval,
  splitsOf,
  unjudgedSentence,
} from "../figures.ts";
import type { ClaimResult, Comparison, PooledClaim, Summary } from "../model.ts";
import { type Cell, escapeHtml, note, section, type TableColumn, table } from "./markup.ts";
import {
  type Axis,
  type Domain,
  logTicks,
  niceDomain,
  type Point,
  scale,
  scatter,
  shapeMark,
  stackedBar,
  ticks,
  whisker,
} from "./plots.ts";
import { kindColours, seriesColours } from "./style.ts";

/** How arms and policies are told apart, the same in every figure: an arm by its colour, a policy by its shape, both by a number. */
export interface Looks {
  colour(arm: string): string;
  shape(policy: string): number;
  key(arm: string, policy: string): string;
}

export function looksOf(summary: Summary): Looks {
  const arms = summary.arms.map(({ name }) => name);
  const policies = [...new Set(summary.arms.flatMap((arm) => Object.keys(arm.policies)))];
  const pairs = summary.arms.flatMap((arm) => Object.keys(arm.policies).map((policy) => `${arm.name}/${policy}`));
  return {
    colour: (arm) => `c${Math.max(0, arms.indexOf(arm)) % seriesColours}`,
    shape: (policy) => Math.max(0, policies.indexOf(policy)),
    key: (arm, policy) => String(pairs.indexOf(`${arm}/${policy}`) + 1),
  };
}

/** Verdicts in words, each with the difference and its interval. */
export function claimsSection(summary: Summary): string {
  const open = (summary.unjudged ?? []).map((claim) => note(`Claim ${unjudgedSentence(claim)}.`)).join("");
  if (summary.claims.length === 0) return section("claims", "Claims", open || note("This sweep makes no claim."));
  // What holds over all seeds first, then seed by seed.
  const items = [
    ...(summary.pooled ?? []).map((claim) => ({ claim, figures: claim })),
    ...summary.claims.map((claim) => ({ claim, figures: claim.comparison })),
  ];
  const ends = items.flatMap((item) => [...item.figures.interval, 0]);
  const domain = niceDomain(ends, { low: -1, high: 1 });
  const shown = items.map((item) => claimArticle(item.claim, item.figures, domain)).join("");
  return section("claims", "Claims", shown + open);
}

function claimArticle(
  claim: ClaimResult | PooledClaim,
  { difference, interval }: Pick<PooledClaim, "difference" | "interval">,
  domain: Domain,
): string {
  const figures = `${points(difference)} percentage points, 95% interval ${pointsInterval(interval)}.`;
  const strip = `${whisker({ value: difference, interval, colour: claim.verdict, title: figures, reference: 0 }, domain)}${scale(domain, pointsTick)}`;
  const required = claim.required ? `<span class="meta"> required</span>` : "";
  return (
    `<article class="claim"><h3><span class="verdict ${claim.verdict}">${capital(claim.verdict)}</span>${escapeHtml(claim.name)}${required}</h3>` +
    `<p>${escapeHtml(sentence(claim.statement))}</p>${strip}<p class="note">${escapeHtml(capital(sentence(claim.explanation)))}</p></article>`
  );
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function sentence(text: string): string {
  return text === "" || /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Per split, a table of accuracies with their intervals drawn on a common scale. */
export function accuracySection(summary: Summary, looks: Looks): string {
  const rows = resultRows(summary);
  if (rows.length === 0) return section("accuracy", "Accuracy", note("No policy came to its end: there are no results."));
  const domain = niceDomain(
    rows.flatMap(({ result }) => result.interval),
    { low: 0, high: 1 },
  );
  const shown = splitsOf(summary).map((split) =>
    accuracyTable(
      split,
      rows.filter((row) => row.split === split),
      domain,
      looks,
    ),
  );
  const explain = note(
    "Share of problems solved: every step right and the goal truly reached. Intervals are 95% Wilson intervals. Tokens are those generated per problem, discarded and rolled back ones included. The scale is the same for all splits and need not begin at zero.",
  );
  return section("accuracy", "Accuracy", explain + shown.join(""));
}

function accuracyTable(split: string, rows: readonly ResultRow[], domain: Domain, looks: Looks): string {
  const columns: TableColumn[] = [
    { title: "policy" },
    { title: { html: scale(domain, (value) => percent(value, 0)) }, label: "", kind: "plot" },
    { title: "accuracy", kind: "figure" },
    { title: "95% interval", kind: "figure" },
    { title: "solved / n", kind: "figure" },
    { title: "using all", kind: "figure" },
    { title: "tokens, mean", kind: "figure" },
    { title: "median", kind: "figure" },
  ];
  const body = rows.map(({ arm, policy, result }, index) => {
    const title = `${arm}/${policy} on ${split}: ${percent(result.accuracy)}, 95% interval ${shareInterval(result.interval)}%`;
    const drawn = whisker({ value: result.accuracy, interval: result.interval, colour: looks.colour(arm), title }, domain);
    return {
      first: rows[index - 1]?.arm !== arm,
      cells: [
        named(arm, policy, looks),
        { html: drawn },
        percent(result.accuracy),
        shareInterval(result.interval),
        `${integer(result.solved)} / ${integer(result.n)}`,
        integer(result.solvedUsingAll),
        mean(result.tokensGenerated.mean),
        mean(result.tokensGenerated.median),
      ],
    };
  });
  return table(columns, body, split);
}

function named(arm: string, policy: string, looks: Looks): Cell {
  return {
    html: `<span class="keyed">${looks.key(arm, policy)}</span>${shapeMark(looks.shape(policy), looks.colour(arm))}<span class="arm">${escapeHtml(arm)}/</span>${escapeHtml(policy)}`,
  };
}

/** Accuracy against tokens generated: what each policy pays for what it solves. */
export function computeSection(summary: Summary, looks: Looks): string {
  const rows = resultRows(summary).filter(({ result }) => result.tokensGenerated.mean > 0);
  if (rows.length === 0) return "";
  const domain = niceDomain(
    rows.flatMap(({ result }) => result.interval),
    { low: 0, high: 1 },
  );
  const y: Axis = { title: "accuracy", domain, ticks: ticks(domain), label: (value) => percent(value, 0) };
  const marks = logTicks(rows.map(({ result }) => result.tokensGenerated.mean));
  const range = { low: marks[0] ?? 1, high: marks.at(-1) ?? 10 };
  const x: Axis = {
    title: "tokens generated per problem (logarithmic)",
    domain: range,
    ticks: marks,
    label: integer,
    log: true,
  };
  const plots = splitsOf(summary).map((split) =>
    scatter(
      rows.filter((row) => row.split === split).map((row) => pointOf(row, looks)),
      x,
      y,
      split,
    ),
  );
  const pairs = [...new Map(rows.map((row) => [`${row.arm}/${row.policy}`, row])).values()];
  const legend = pairs.map(({ arm, policy }) => `<li>${(named(arm, policy, looks) as { html: string }).html}</li>`).join("");
  return section(
    "compute",
    "Accuracy against tokens generated",
    `${note("Up and to the left is better. Vertical lines are 95% intervals; numbers name the policies.")}<div class="pair">${plots.join("")}</div><ul class="legend">${legend}</ul>`,
  );
}

function pointOf({ arm, policy, split, result }: ResultRow, looks: Looks): Point {
  const title = `${arm}/${policy} on ${split}: ${percent(result.accuracy)} (${shareInterval(result.interval)}%) at ${mean(result.tokensGenerated.mean)} tokens per problem`;
  return {
    x: result.tokensGenerated.mean,
    y: result.accuracy,
    interval: result.interval,
    key: looks.key(arm, policy),
    colour: looks.colour(arm),
    shape: looks.shape(policy),
    title,
  };
}

/** Every two policies on the same problems. */
export function testsSection(summary: Summary): string {
  if (summary.comparisons.length === 0) return "";
  const domain = niceDomain([0, ...summary.comparisons.flatMap(({ interval }) => interval)], { low: -1, high: 1 });
  const splits = [...new Set(summary.comparisons.map(({ split }) => split))];
  const tables = splits.map((split) =>
    testsTable(
      split,
      summary.comparisons.filter((item) => item.split === split),
      domain,
    ),
  );
  const explain = note(
    "First minus second in percentage points, on the same problems, with a 95% interval; p is the exact two-sided paired test (McNemar), not adjusted for the number of tests. Only first, only second: problems that one of the two alone solved.",
  );
  return section("tests", "Paired tests", explain + tables.join(""));
}

function testsTable(split: string, items: readonly Comparison[], domain: Domain): string {
  const columns: TableColumn[] = [
    { title: "first against second" },
    { title: { html: scale(domain, pointsTick) }, label: "", kind: "plot" },
    { title: "difference", kind: "figure" },
    { title: "95% interval", kind: "figure" },
    { title: "only first", kind: "figure" },
    { title: "only second", kind: "figure" },
    { title: "both", kind: "figure" },
    { title: "neither", kind: "figure" },
    { title: "p", kind: "figure" },
  ];
  const body = items.map((item, index) => {
    const title = `${item.first} minus ${item.second}: ${points(item.difference)} points, 95% interval ${pointsInterval(item.interval)}`;
    const drawn = whisker({ value: item.difference, interval: item.interval, colour: "", title, reference: 0 }, domain);
    const counts = [item.onlyFirst, item.onlySecond, item.both, item.neither].map(integer);
    const names: Cell = { html: `${escapeHtml(item.first)}<br><span class="arm">against</span> ${escapeHtml(item.second)}` };
    return {
      first: items[index - 1]?.first !== item.first,
      cells: [names, { html: drawn }, points(item.difference), pointsInterval(item.interval), ...counts, pValue(item.pValue)],
    };
  });
  return table(columns, body, split);
}

/** What went wrong: problems by the kind of the first error of their answer. */
export function errorsSection(summary: Summary, looks: Looks): string {
  const rows = resultRows(summary);
  const kinds = [...new Set(rows.flatMap(({ result }) => Object.keys(result.firstErrors)))].sort();
  if (kinds.length === 0) return "";
  const share = ({ result }: ResultRow, kind: string) => (result.n === 0 ? 0 : (result.firstErrors[kind] ?? 0) / result.n);
  const full = niceDomain([0, ...rows.map((row) => kinds.reduce((sum, kind) => sum + share(row, kind), 0))], {
    low: 0,
    high: 1,
  }).high;
  const swatch = (index: number) => `<span class="swatch k${index % kindColours}"></span>`;
  const columns: TableColumn[] = [
    { title: "policy" },
    { title: { html: scale({ low: 0, high: full }, (value) => percent(value, 0)) }, label: "", kind: "plot" },
    ...kinds.map(
      (kind, index): TableColumn => ({ title: { html: `${swatch(index)}${escapeHtml(kind)}` }, label: kind, kind: "figure" }),
    ),
  ];
  const tables = splitsOf(summary).map((split) => {
    const body = rows
      .filter((row) => row.split === split)
      .map((row, index, all) => {
        const segments = kinds.map((kind, at) => ({
          share: share(row, kind),
          colour: `k${at % kindColours}`,
          title: `${kind}: ${percent(share(row, kind))}`,
        }));
        const cells: Cell[] = [
          named(row.arm, row.policy, looks),
          { html: stackedBar(segments, full) },
          ...kinds.map((kind) => percent(share(row, kind))),
        ];
        return { first: all[index - 1]?.arm !== row.arm, cells };
      });
    return table(columns, body, split);
  });
  return section(
    "errors",
    "Errors",
    note("Share of all problems by the kind of the first error in the chosen answer; what is missing to 100% has no error.") +
      tables.join(""),
  );
}
