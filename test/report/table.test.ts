import { describe, expect, it } from "vitest";
import { renderTable } from "../../src/report/table.ts";
import { summary } from "./fixture.ts";

const control = "\u001b[";

describe("renderTable", () => {
  it("shows every policy with accuracy, interval and tokens; budgets, paired tests and claims", () => {
    const text = renderTable(summary, { colour: false, width: 120 });
    expect(text).toMatch(/base\/greedy +seen +500 +212 +42\.4% +38\.1\u201346\.7 +14\.2/);
    expect(text).toMatch(/dop-only +570k +1\u2009100 +70\u2009400 +70\u2009400 +0 /);
    expect(text).toMatch(/base\/greedy +base\/b0 +unseen +\u221214\.4 .*<0\.001/);
    expect(text).toContain("SUPPORTED  rollback-helps (required)");
    expect(text).toContain("UNDERPOWERED  against-direct");
    expect(text).toContain("0 problems shared");
  });

  it("has no control characters without colour, and says the same with it", () => {
    const plain = renderTable(summary, { colour: false, width: 120 });
    const coloured = renderTable(summary, { colour: true, width: 120 });
    expect(plain).not.toContain(control);
    expect(coloured).toContain(`${control}32mSUPPORTED`);
    expect(
      coloured
        .split(control)
        .map((part, index) => (index === 0 ? part : part.replace(/^\d+m/, "")))
        .join(""),
    ).toBe(plain);
  });

  it("keeps to the width by writing rows as blocks, and loses nothing", () => {
    const text = renderTable(summary, { colour: false, width: 50 });
    const longest = Math.max(...text.split("\n").map((line) => line.length));
    expect(longest).toBeLessThanOrEqual(50);
    expect(text.match(/^accuracy +\d/gm)).toHaveLength(12);
    expect(text.match(/^policy +\S/gm)).toHaveLength(12);
  });

  it("says what failed, with the log and the command that tries again", () => {
    const failures = [
      { stage: "train base", cause: "out of memory", log: "results/x/logs/train.log", retry: "backtrail run x.yaml" },
    ];
    const text = renderTable({ ...summary, failures }, { colour: false, width: 100 });
    expect(text).toContain(
      "FAILED  train base\n  out of memory\n  log: results/x/logs/train.log\n  retry: backtrail run x.yaml",
    );
  });

  it("warns when splits share problems", () => {
    const text = renderTable({ ...summary, overlap: { "train / seen": 3 } }, { colour: false, width: 100 });
    expect(text).toContain("train / seen: 3 shared problems");
  });
});
