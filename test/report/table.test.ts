import { describe, expect, it } from "vitest";
import { renderHtml } from "../../src/report/html.ts";
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

describe("renderTable of a sweep with axes", () => {
  const point = (lr: number) => `backtracking/learningRate=${lr}/width=64/steps=60`;
  const points = Array.from({ length: 12 }, (_, index) => point(index));
  const arms = points.flatMap((name) => summary.arms.slice(0, 1).map((arm) => ({ ...arm, name })));
  const comparisons = points.flatMap((first, index) =>
    points.slice(index).flatMap((second) => {
      const [any] = summary.comparisons;
      if (any === undefined) throw new Error("the fixture has comparisons");
      return { ...any, first: `${first}/greedy`, second: `${second}/${first === second ? "b0" : "greedy"}` };
    }),
  );
  const large = { ...summary, arms, comparisons };
  const text = renderTable(large, { colour: false, width: 120 });

  it("numbers arms of long names, tells each once, and keeps a row to a line", () => {
    expect(text).toContain(` #1  ${point(0)}\n`);
    expect(text.split(point(3))).toHaveLength(2);
    expect(text).toMatch(/^#12\/greedy +seen +500 /m);
  });

  it("shows two policies of one arm when all pairs would be too many, and says how many there are", () => {
    expect(text.match(/^#\d+\/greedy +#\d+\/b0 /gm)).toHaveLength(12);
    expect(text).not.toMatch(/^#1\/greedy +#2\/greedy/m);
    expect(text).toContain("Shown: 12 of 78 pairs; all are in summary.json and on the page.");
    expect(text.split("\n").length).toBeLessThan(140);
  });

  it("tells the range of what many trainings differ in", () => {
    const budget = arms[0]?.budget;
    if (budget === null || budget === undefined) throw new Error("the fixture's arm was trained");
    const varied = arms.map((arm, index) => ({ ...arm, budget: { ...budget, steps: 100 * (index + 1) } }));
    const table = renderTable({ ...large, arms: varied }, { colour: false, width: 160 });
    expect(table).toContain("Not equal: steps (100 to 1.2k).");
  });
});

it("a claim that was not judged is told with what it waits for, on the page as well", () => {
  const unjudged = [{ name: "helps", required: true, pairs: 3, left: 2, missing: ["a/b1", "b/b1", "c/b1", "d/b1"] }];
  const without = { ...summary, claims: [], unjudged };
  const sentence =
    "helps (required): not judged for 2 of 3 pairs, since what it compares is not all made (not graded: a/b1, b/b1, c/b1 and 1 more)";
  expect(renderTable(without, { colour: false, width: 200 })).toContain(`Claims\nOPEN  ${sentence}\n`);
  const page = renderHtml(without, { losses: {}, samples: [] });
  expect(page).toContain(`Claim ${sentence}.`);
  expect(page).not.toContain("This sweep makes no claim.");
});

it("a claim over all seeds stands before those of single seeds, on the page as well", () => {
  const [claim] = summary.claims;
  if (claim === undefined) throw new Error("the fixture claims nothing");
  const pooled = [
    {
      name: "rollback-helps, all seeds",
      statement: claim.statement,
      split: "unseen",
      verdict: "inconclusive" as const,
      required: true,
      explanation: "mean difference 6.2 points over 2 seeds",
      seeds: [1, 2],
      differences: [0.06, 0.064],
      difference: 0.062,
      interval: [-0.01, 0.134] as const,
      claims: [claim.name],
    },
  ];
  expect(renderTable({ ...summary, pooled }, { colour: false, width: 200 })).toContain(
    `Claims\nINCONCLUSIVE  rollback-helps, all seeds (required)\n  ${claim.statement}: mean difference 6.2 points over 2 seeds\nSUPPORTED  rollback-helps`,
  );
  const page = renderHtml({ ...summary, pooled }, { losses: {}, samples: [] });
  const [over, single] = [page.indexOf(">Inconclusive</span>rollback-helps, all seeds"), page.indexOf(">Supported</span>")];
  expect(over).toBeGreaterThan(0);
  expect(single).toBeGreaterThan(over);
  expect(page).toContain("+6.2 percentage points, 95% interval −1.0 to +13.4.");
});
