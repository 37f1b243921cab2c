// Figures as inline SVG. Horizontal positions are percentages, so a figure fits any width while its text keeps its size.
// Pure; knows numbers, labels and colour classes only.
import { escapeHtml } from "./markup.ts";

export interface Domain {
  readonly low: number;
  readonly high: number;
}

/** About `wanted` round values (1, 2, 5 times a power of ten) from low to high. */
export function ticks({ low, high }: Domain, wanted = 5): number[] {
  const step = niceStep((high - low) / wanted);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= rough * 0.999) ?? 10;
  return factor * power;
}

/** The values' range, widened to round ends and, where they are given, kept within the limits. */
export function niceDomain(values: readonly number[], limits: Domain = { low: -Infinity, high: Infinity }): Domain {
  const finite = values.filter(Number.isFinite);
  let low = finite.reduce((least, value) => Math.min(least, value), Infinity);
  let high = finite.reduce((most, value) => Math.max(most, value), -Infinity);
  if (low > high) [low, high] = [0, 1];
  if (high - low < 1e-9) [low, high] = [low - 0.05, high + 0.05];
  const step = niceStep((high - low) / 5);
  return {
    low: Math.max(limits.low, Math.floor(low / step + 1e-9) * step),
    high: Math.min(limits.high, Math.ceil(high / step - 1e-9) * step),
  };
}

/** Round values 1, 2, 5, 10, 20, ... around a range, for a logarithmic axis. At least two. */
export function logTicks(values: readonly number[]): number[] {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const low = positive.reduce((least, value) => Math.min(least, value), Infinity);
  const high = positive.reduce((most, value) => Math.max(most, value), 0);
  if (high === 0) return [1, 10];
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of [1, 2, 5]) all.push(Number((factor * 10 ** power).toPrecision(12)));
  }
  const from = Math.max(
    0,
    all.findLastIndex((value) => value <= low),
  );
  const to = all.findIndex((value) => value >= high * (1 - 1e-12) && value > (all[from] as number));
  return all.slice(from, to + 1);
}

/** Where a value lies in a domain, as a share from 0 to 1. */
export function place(value: number, { low, high }: Domain): number {
  return Math.min(1, Math.max(0, (value - low) / (high - low)));
}

const at = (share: number) => `${(share * 100).toFixed(2)}%`;

export interface Whisker {
  readonly value: number;
  readonly interval: readonly [number, number];
  /** A colour class, c0 to c7. */
  readonly colour: string;
  readonly title: string;
  /** A line to compare with, a margin or zero for example. */
  readonly reference?: number;
}

/** A dot with its interval on a thin scale: one line of a table. */
export function whisker({ value, interval, colour, title, reference }: Whisker, domain: Domain): string {
  const grid = ticks(domain).map((tick) => line("grid", place(tick, domain), 0, 22));
  const mark = reference === undefined ? "" : line("reference", place(reference, domain), 0, 22);
  const [low, high] = interval.map((end) => place(end, domain)) as [number, number];
  return (
    `<svg class="strip ${colour}" height="22" role="img"><title>${escapeHtml(title)}</title>${grid.join("")}${mark}` +
    `<line class="whisker" x1="${at(low)}" x2="${at(high)}" y1="11" y2="11"/>${line("whisker", low, 7, 15)}${line("whisker", high, 7, 15)}` +
    `<circle class="dot" cx="${at(place(value, domain))}" cy="11" r="4.5"/></svg>`
  );
}

function line(kind: string, share: number, y1: number, y2: number): string {
  return `<line class="${kind}" x1="${at(share)}" x2="${at(share)}" y1="${y1}" y2="${y2}"/>`;
}

/** The scale above a column of whiskers or bars. */
export function scale(domain: Domain, label: (value: number) => string): string {
  const marks = ticks(domain).map((tick) => {
    const share = place(tick, domain);
    const anchor = share < 0.02 ? "start" : share > 0.98 ? "end" : "middle";
    return `<text class="tick" x="${at(share)}" y="12" text-anchor="${anchor}">${escapeHtml(label(tick))}</text>`;
  });
  return `<svg class="strip" height="16" role="presentation">${marks.join("")}</svg>`;
}

export interface Segment {
  readonly share: number;
  /** A colour class, k0 to k7. */
  readonly colour: string;
  readonly title: string;
}

/** Shares laid end to end; `full` is the share that fills the width. */
export function stackedBar(segments: readonly Segment[], full: number): string {
  let from = 0;
  const parts = segments.map(({ share, colour, title }) => {
    const rect = `<rect class="${colour}" x="${at(from / full)}" y="3" width="${at(share / full)}" height="14"><title>${escapeHtml(title)}</title></rect>`;
    from += share;
    return rect;
  });
  const grid = ticks({ low: 0, high: full }).map((tick) => line("grid", tick / full, 0, 20));
  return `<svg class="strip" height="20" role="img">${grid.join("")}${parts.join("")}</svg>`;
}

export interface Axis {
  readonly title: string;
  readonly domain: Domain;
  readonly ticks: readonly number[];
  readonly label: (value: number) => string;
  readonly log?: boolean;
}

const plotHeight = 260;

function along(axis: Axis, value: number): number {
  const { low, high } = axis.domain;
  return axis.log ? place(Math.log(value), { low: Math.log(low), high: Math.log(high) }) : place(value, axis.domain);
}

/** A plot with axes, a light grid and the marks given. The frame's padding makes room for the labels. */
function frame(x: Axis, y: Axis, marks: string, name: string): string {
  const horizontal = y.ticks.map((tick) => {
    const top = (1 - along(y, tick)) * plotHeight;
    return `<line class="grid" x1="0" x2="100%" y1="${top}" y2="${top}"/><text class="tick" x="-8" y="${top + 4}" text-anchor="end">${escapeHtml(y.label(tick))}</text>`;
  });
  const vertical = x.ticks.map((tick) => {
    const share = along(x, tick);
    return `${line("grid", share, 0, plotHeight)}<text class="tick" x="${at(share)}" y="${plotHeight + 18}" text-anchor="middle">${escapeHtml(x.label(tick))}</text>`;
  });
  const titles = `<p class="axis">${escapeHtml(y.title)}</p>`;
  const foot = `<p class="axis end">${escapeHtml(x.title)}</p>`;
  const drawing = `<svg class="plot" height="${plotHeight}" role="img"><title>${escapeHtml(name)}</title>${horizontal.join("")}${vertical.join("")}${marks}</svg>`;
  return `<figure><figcaption>${escapeHtml(name)}</figcaption>${titles}<div class="frame">${drawing}</div>${foot}</figure>`;
}

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly interval: readonly [number, number];
  readonly key: string;
  readonly colour: string;
  readonly shape: number;
  readonly title: string;
}

const shapes = [
  "M0-5.2A5.2 5.2 0 1 0 0 5.2A5.2 5.2 0 1 0 0-5.2Z",
  "M-4.6-4.6H4.6V4.6H-4.6Z",
  "M0-6L5.6 4.4H-5.6Z",
  "M0-6.4L6.4 0L0 6.4L-6.4 0Z",
  "M0 6L5.6-4.4H-5.6Z",
];

/** A mark of a legend: the same shape and colour as in the plot. */
export function shapeMark(shape: number, colour: string): string {
  return `<svg class="mark ${colour}" width="14" height="14" viewBox="-7 -7 14 14" aria-hidden="true"><path class="dot" d="${shapes[shape % shapes.length]}"/></svg>`;
}

/** Points with vertical intervals, each with its key beside it (where it hides no other point). */
export function scatter(points: readonly Point[], x: Axis, y: Axis, name: string): string {
  // Labels are placed for a plot of this width; on a narrower one they may come closer, the legend still names them.
  const width = 620;
  const spots = points.map((point) => ({ left: along(x, point.x) * width, top: (1 - along(y, point.y)) * plotHeight }));
  const taken = spots.map(({ left, top }) => ({ left, top }));
  const marks = points.map((point, index) => {
    const spot = spots[index] as { left: number; top: number };
    const offset = labelOffset(
      spot,
      taken.filter((_, other) => other !== index),
      point.key.length,
    );
    taken.push({ left: spot.left + offset.dx, top: spot.top + offset.dy - 4 });
    return drawPoint(point, along(x, point.x), y, offset);
  });
  return frame(x, y, marks.join(""), name);
}

function labelOffset(spot: { left: number; top: number }, others: readonly { left: number; top: number }[], length: number) {
  const room = 7 + 4 * length;
  const choices = [
    { dx: room, dy: 4 },
    { dx: -room, dy: 4 },
    { dx: room, dy: -9 },
    { dx: -room, dy: -9 },
    { dx: room, dy: 17 },
    { dx: -room, dy: 17 },
  ];
  const clearance = ({ dx, dy }: { dx: number; dy: number }) =>
    Math.min(30, ...others.map((other) => Math.hypot(other.left - spot.left - dx, other.top - (spot.top + dy - 4))));
  return choices.reduce((best, choice) => (clearance(choice) > clearance(best) + 0.5 ? choice : best));
}

function drawPoint(point: Point, share: number, y: Axis, offset: { dx: number; dy: number }): string {
  const top = (value: number) => ((1 - along(y, value)) * plotHeight).toFixed(1);
  const [low, high] = point.interval;
  return (
    `<g class="${point.colour}"><title>${escapeHtml(point.title)}</title><line class="whisker" x1="${at(share)}" x2="${at(share)}" y1="${top(high)}" y2="${top(low)}"/>` +
    `<svg class="at" x="${at(share)}" y="${top(point.y)}"><path class="dot" d="${shapes[point.shape % shapes.length]}"/>` +
    `<text class="key" x="${offset.dx}" y="${offset.dy}" text-anchor="middle">${escapeHtml(point.key)}</text></svg></g>`
  );
}

export interface Curve {
  readonly points: readonly { readonly x: number; readonly y: number }[];
  readonly colour: string;
  readonly title: string;
}

/** Lines over a common axis. */
export function curves(lines: readonly Curve[], x: Axis, y: Axis, name: string): string {
  const drawn = lines.map(({ points, colour, title }) => {
    const path = points
      .filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y))
      .map(
        (point, index) =>
          `${index === 0 ? "M" : "L"}${(along(x, point.x) * 1000).toFixed(1)} ${((1 - along(y, point.y)) * plotHeight).toFixed(1)}`,
      )
      .join("");
    return `<path class="curve ${colour}" d="${path}"><title>${escapeHtml(title)}</title></path>`;
  });
  const inner = `<svg width="100%" height="${plotHeight}" viewBox="0 0 1000 ${plotHeight}" preserveAspectRatio="none">${drawn.join("")}</svg>`;
  return frame(x, y, inner, name);
}
