// What every benchmark tells of itself: the machine, the versions, the commit; and how it shows a spread.
import { execFileSync } from "node:child_process";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { median } from "../src/lib/stats.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** Of the last minute, the benchmark's own included when asked at its end. */
  readonly load: number;
  readonly node: string;
  /** Of the Python side, by name; empty where it has no part. */
  readonly versions: Readonly<Record<string, string>>;
  readonly commit: string;
  readonly date: string;
}

/** This machine now, and the commit of what is measured. */
export function machine(versions: Readonly<Record<string, string>> = {}): Machine {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  const changed = git("status", "--porcelain", "--", ":/src", ":/py", ":/bench") !== "";
  const list = cpus();
  return {
    cpu: list[0]?.model.trim() ?? "unknown",
    cores: list.length,
    load: loadavg()[0] ?? Number.NaN,
    node: process.version,
    versions,
    commit: `${git("rev-parse", "--short", "HEAD")}${changed ? " with local changes" : ""}`,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** The line above a table. `more`: what else the figures depend on. */
export function headline(about: Machine, ...more: readonly string[]): string {
  const versions = Object.entries(about.versions).map(([name, version]) => `${name} ${version}`);
  const where = `${about.cpu}, ${about.cores} cores, load ${about.load.toFixed(1)} at the end`;
  return `${[where, ...more, [`node ${about.node}`, ...versions].join(", "), `commit ${about.commit}, ${about.date}`].join("; ")}.`;
}

/** The median with the range. */
export const spread = (values: readonly number[], show: (value: number) => string) =>
  `${show(median(values))} (${show(Math.min(...values))}..${show(Math.max(...values))})`;
