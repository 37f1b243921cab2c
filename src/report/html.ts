// The report: one HTML file without scripts, fonts or links to elsewhere. Pure: summary and extras in, text out.
import type { ReportExtras, Summary } from "./model.ts";
import { escapeHtml } from "./page/markup.ts";
import { accuracySection, claimsSection, computeSection, errorsSection, looksOf, testsSection } from "./page/results.ts";
import { styleSheet } from "./page/style.ts";
import { failuresSection, provenanceSection, trainingSection } from "./page/training.ts";
import { samplesSection } from "./page/trees.ts";

/**
 * The whole page. Every value is escaped, and the page's own policy forbids scripts and any request, so a model's text can do
 * nothing in it. Works from a file, in light and dark, on paper, and from 360 pixels of width.
 */
export function renderHtml(summary: Summary, extras: ReportExtras): string {
  const looks = looksOf(summary);
  const sections = [
    failuresSection(summary),
    claimsSection(summary),
    accuracySection(summary, looks),
    computeSection(summary, looks),
    testsSection(summary),
    trainingSection(summary, extras.losses, looks),
    errorsSection(summary, looks),
    samplesSection(extras.samples),
    provenanceSection(summary),
  ].filter((text) => text !== "");
  return (
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">` +
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">` +
    `<title>${escapeHtml(summary.name)}</title><style>${styleSheet}</style></head><body>\n` +
    `<header>${header(summary)}${contents(sections)}</header>\n<main>\n${sections.join("\n")}\n</main></body></html>\n`
  );
}

function header(summary: Summary): string {
  const made = `${summary.createdAt.slice(0, 10)}, ${summary.flavour} worker, ${summary.device}, ${summary.dtype}`;
  const description = summary.description === "" ? "" : `<p>${escapeHtml(summary.description)}</p>`;
  return `<h1>${escapeHtml(summary.name)}</h1><p class="meta">${escapeHtml(made)}</p>${description}${warnings(summary)}`;
}

/** What a reader must know before any figure. */
function warnings(summary: Summary): string {
  const shared = Object.entries(summary.overlap).filter(([, count]) => count > 0);
  const texts = [
    ...(summary.flavour === "mock"
      ? [
          "Made with the mock worker: no language model was trained or decoded. The figures show that the path works, nothing about models.",
        ]
      : []),
    ...(shared.length > 0
      ? [
          `Splits share problems (${shared.map(([pair, count]) => `${pair}: ${count}`).join("; ")}). Results on them are not to be trusted.`,
        ]
      : []),
    ...(summary.failures.length > 0
      ? [
          `${summary.failures.length} ${summary.failures.length === 1 ? "stage" : "stages"} failed; what depends on them is missing from this page.`,
        ]
      : []),
  ];
  return texts.map((text) => `<p class="warning">${escapeHtml(text)}</p>`).join("");
}

function contents(sections: readonly string[]): string {
  const links = sections.flatMap((text) => {
    const found = /^<section id="([a-z]+)"><h2>([^<]*)<\/h2>/.exec(text);
    return found === null ? [] : [`<a href="#${found[1]}">${found[2]}</a>`];
  });
  return `<nav>${links.join("")}</nav>`;
}
