// The page's figures as inline SVG: intervals, accuracy against tokens, loss curves, error shares. Colours come from the
// page's style sheet, so that they follow light and dark. Pure.
import { compact, percent, type ResultRow, shareInterval } from "./figures.ts";
import { html, type Markup, type Part } from "./markup.ts";
import type { LossPoint } from "./model.ts";

const fixed = (value: number) => Number(value.toFixed(2));

/** One line of a table of intervals: whisker, dot, 0 to 100%. */
export function intervalBar(accuracy: number, [low, high]: readonly [number, number]): Markup {
  const x = (share: number) => fixed(2 + 196 * share);
  return html`<svg class="bar" viewBox="0 0 200 16" role="img" aria-label="${percent(accuracy)}, 95% interval ${shareInterval([low, high])}">
<line class="axis" x1="2" x2="198" y1="8" y2="8"/><line class="tick" x1="100" x2="100" y1="5" y2="11"/>
<line class="whisker" x1="${x(low)}" x2="${x(high)}" y1="8" y2="8"/><circle class="dot" cx="${x(accuracy)}" cy="8" r="3.5"/></svg>`;
}

const plot = { width: 640, height: 280, left: 52, right: 16, top: 14, bottom: 40 } as const;
const inner = { width: plot.width - plot.left - plot.right, height: plot.height - plot.top - plot.bottom };

interface Axis {
  readonly label: string;
  /** Position in 0..1. */
  at(value: number): number;
  readonly ticks: readonly { readonly value: number; readonly text: string }[];
}

function frame(x: Axis, y: Axis, marks: Part, label: string): Markup {
  const px = (value: number) => fixed(plot.left + inner.width * x.at(value));
  const py = (value: number) => fixed(plot.top + inner.height * (1 - y.at(value)));
  const xs = x.ticks.map(
    (
      tick,
    ) => html`<line class="grid" x1="${px(tick.value)}" x2="${px(tick.value)}" y1="${plot.top}" y2="${plot.top + inner.height}"/>
<text x="${px(tick.value)}" y="${plot.top + inner.height + 16}" text-anchor="middle">${tick.text}</text>`,
  );
  const ys = y.ticks.map(
    (
      tick,
    ) => html`<line class="grid" x1="${plot.left}" x2="${plot.left + inner.width}" y1="${py(tick.value)}" y2="${py(tick.value)}"/>
<text x="${plot.left - 6}" y="${py(tick.value) + 4}" text-anchor="end">${tick.text}</text>`,
  );
  return html`<svg class="plot" viewBox="0 0 ${plot.width} ${plot.height}" role="img" aria-label="${label}">${xs}${ys}${marks}
<text x="${plot.left + inner.width / 2}" y="${plot.height - 4}" text-anchor="middle">${x.label}</text>
<text x="12" y="${plot.top + inner.height / 2}" text-anchor="middle" transform="rotate(-90 12 ${plot.top + inner.height / 2})">${y.label}</text></svg>`;
}

const shareAxis: Axis = {
  label: "accuracy",
  at: (value) => value,
  ticks: [0, 0.25, 0.5, 0.75, 1].map((value) => ({ value, text: percent(value, 0) })),
};

function logAxis(label: string, values: readonly number[]): Axis {
  const low = Math.floor(Math.log10(Math.max(1e-9, Math.min(...values))));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => ({
    value: 10 ** (low + index),
    text: compact(10 ** (low + index)),
  }));
  return { label, at: (value) => (Math.log10(value) - low) / (high - low), ticks };
}

/** Accuracy against tokens generated per problem, with intervals: what search buys. One mark per policy of each arm. */
export function costPlot(rows: readonly ResultRow[], colourOf: (arm: string) => number): Markup {
  const axis = logAxis(
    "tokens generated per problem (log)",
    rows.map(({ result }) => Math.max(1, result.tokensGenerated.mean)),
  );
  const marks = rows.map(({ arm, policy, result }) => {
    const x = fixed(plot.left + inner.width * axis.at(Math.max(1, result.tokensGenerated.mean)));
    const y = (share: number) => fixed(plot.top + inner.height * (1 - share));
    const [low, high] = result.interval;
    return html`<g class="c${colourOf(arm)}"><line class="whisker" x1="${x}" x2="${x}" y1="${y(low)}" y2="${y(high)}"/><circle class="dot" cx="${x}" cy="${y(result.accuracy)}" r="4"/>
<text class="mark" x="${x + 7}" y="${y(result.accuracy) - 5}">${policy}</text><title>${arm}/${policy}: ${percent(result.accuracy)} at ${compact(result.tokensGenerated.mean)} tokens</title></g>`;
  });
  return frame(axis, shareAxis, marks, "accuracy against tokens generated");
}

/** Training loss of every arm against the step, on a log scale. */
export function lossPlot(losses: Readonly<Record<string, readonly LossPoint[]>>, colourOf: (arm: string) => number): Markup {
  const points = Object.values(losses).flat();
  const last = Math.max(1, ...points.map((point) => point.step));
  const steps: Axis = {
    label: "step",
    at: (value) => value / last,
    ticks: [0, 0.25, 0.5, 0.75, 1].map((share) => ({ value: share * last, text: compact(Math.round(share * last)) })),
  };
  const loss = logAxis(
    "loss (nats per trained token, log)",
    points.map((point) => point.loss),
  );
  const lines = Object.entries(losses).map(([arm, curve]) => {
    const path = curve.map(
      ({ step, loss: value }, index) =>
        `${index === 0 ? "M" : "L"}${fixed(plot.left + inner.width * steps.at(step))} ${fixed(plot.top + inner.height * (1 - loss.at(Math.max(1e-9, value))))}`,
    );
    return html`<g class="c${colourOf(arm)}"><path class="curve" d="${path.join("")}"/><title>${arm}</title></g>`;
  });
  return frame(steps, loss, lines, "training loss");
}

/** A stacked bar of the problems of one result: solved, then failures by their kinds of error. */
export function errorBar(row: ResultRow, kinds: readonly string[]): Markup {
  const { n, solved, errors } = row.result;
  const total = Object.values(errors).reduce((sum, count) => sum + count, 0);
  // A failed answer may hold errors of several kinds; its share is divided among them.
  const scale = total === 0 ? 0 : (n - solved) / total;
  let at = 0;
  const segment = (name: string, width: number, label: string) => {
    const x = at;
    at += width;
    return html`<rect class="${name}" x="${fixed(x)}" width="${fixed(width)}" y="0" height="14"><title>${label}</title></rect>`;
  };
  const good = segment("solved", (200 * solved) / n, `solved ${solved} of ${n}`);
  const bad = kinds.map((kind, index) =>
    segment(`k${index}`, (200 * scale * (errors[kind] ?? 0)) / n, `${kind}: in ${errors[kind] ?? 0} answers`),
  );
  return html`<svg class="bar" viewBox="0 0 200 14" preserveAspectRatio="none" role="img" aria-label="solved and errors">${good}${bad}</svg>`;
}

/** The colours of a figure, named. */
export function legend(entries: readonly (readonly [string, string])[]): Markup {
  return html`<p class="legend">${entries.map(([name, text]) => html`<span><i class="${name}"></i>${text}</span> `)}</p>`;
}
