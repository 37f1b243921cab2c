import { describe, expect, it } from "vitest";
import { renderCsv } from "../../src/report/csv.ts";
import { summary } from "./fixture.ts";

describe("renderCsv", () => {
  const lines = renderCsv(summary).split("\r\n");
  const header = lines[0]?.split(",") ?? [];
  const record = (line: string | undefined) =>
    Object.fromEntries((line?.split(",") ?? []).map((value, index) => [header[index], value]));

  it("has one row per arm, policy and split, all of the header's length, and ends with a line end", () => {
    expect(lines.at(-1)).toBe("");
    expect(lines).toHaveLength(1 + 12 + 1);
    for (const line of lines.slice(0, -1)) expect(line.split(",")).toHaveLength(header.length);
  });

  it("holds the figures unrounded and the errors by kind", () => {
    const row = record(lines.find((line) => line.startsWith("quickstart,base,greedy,seen,")));
    expect(row).toMatchObject({ n: "500", solved: "212", accuracy: "0.424", train_backtrack_examples: "35200" });
    const kinds = ["arithmetic", "false-goal", "goal-missed", "operand"];
    expect(kinds.reduce((sum, kind) => sum + Number(row[`error_${kind}`]), 0)).toBe(500 - 212);
  });

  it("leaves the budget of an arm without training empty, and quotes names with commas and quotes", () => {
    const [base] = summary.arms;
    const odd = { ...summary, arms: [{ ...(base as (typeof summary.arms)[number]), name: 'a "b", c', budget: null }] };
    const line = renderCsv(odd).split("\r\n")[1] ?? "";
    expect(line.startsWith('quickstart,"a ""b"", c",greedy,seen,500,212,0.424')).toBe(true);
    expect(line).toContain(",,,,,,,,");
  });
});
