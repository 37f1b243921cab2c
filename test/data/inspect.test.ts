// Counts, lengths and histograms of a dataset.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModule } from "../../src/config/moduleLoader.ts";
import { distribution, inspectDataset } from "../../src/data/inspect.ts";
import { datasetFiles } from "../../src/data/reading.ts";
import { examplesOf, makeIn, small, toy, toyModule } from "./datasets.ts";

let root: string;
beforeAll(async () => {
  await loadModule(toyModule);
  root = mkdtempSync(join(tmpdir(), "backtrail-inspect-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("a distribution", () => {
  it("of few whole numbers has a bin for each", () => {
    expect(distribution([3, 1, 1, 4])).toEqual({
      values: 4,
      min: 1,
      median: 3,
      mean: 2.25,
      p90: 4,
      max: 4,
      bins: [
        { low: 1, high: 2, count: 2 },
        { low: 2, high: 3, count: 0 },
        { low: 3, high: 4, count: 1 },
        { low: 4, high: 5, count: 1 },
      ],
    });
  });

  it("of fractions has ten bins, of one value one, of nothing none", () => {
    expect(distribution([0, 0.25, 1]).bins.map(({ count }) => count)).toEqual([1, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
    expect(distribution([0.5, 0.5]).bins).toEqual([{ low: 0.5, high: 1.5, count: 2 }]);
    expect(distribution([])).toMatchObject({ values: 0, mean: 0, bins: [] });
  });

  it("counts every value in one of at most ten bins, that hold it", () => {
    const values = fc.array(fc.oneof(fc.integer({ min: -50, max: 5000 }), fc.double({ min: -1, max: 1, noNaN: true })), {
      minLength: 1,
    });
    fc.assert(
      fc.property(values, (list) => {
        const { bins, min, max } = distribution(list);
        expect(bins.length).toBeLessThanOrEqual(10);
        expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(list.length);
        expect([min, max]).toEqual([Math.min(...list), Math.max(...list)]);
      }),
    );
  });
});

describe("a dataset", () => {
  it("is counted by origin, and its problems by the puzzle's statistics", async () => {
    const folder = join(root, "small");
    const { statistics } = await makeIn(folder, small());
    const found = await inspectDataset(await datasetFiles(folder, folder), 2);
    const examples = examplesOf(folder);
    expect(found).toMatchObject({ examples: 1000, searches: 0, solved: 0, cut: 0, solvers: { exhaustive: 1000 } });
    expect(found.origins).toEqual(statistics.origins);
    expect(found.shown).toEqual(examples.slice(0, 2));
    const trained = examples.flatMap(({ spans }) => spans).reduce((sum, [from, to]) => sum + to - from, 0);
    const all = examples.reduce((sum, { prompt, response }) => sum + prompt.length + response.length, 0);
    expect(found.trainedShare).toBeCloseTo(trained / all, 12);
    expect(found.characters.max).toBe(Math.max(...examples.map(({ response }) => response.length)));
    // Questions are shared by two examples, and are told once.
    expect(found.statisticsOf).toBeLessThanOrEqual(500);
    expect(found.statistics.numberOfSolutions?.min).toBeGreaterThanOrEqual(1);
  });

  it("of searches has nodes, solved and cut ones", async () => {
    const folder = join(root, "toy");
    await makeIn(folder, toy({ maxTokens: 300 }));
    const found = await inspectDataset(await datasetFiles(folder, folder), 0);
    const examples = examplesOf(folder);
    expect(found).toMatchObject({ searches: 300, solved: 300, cut: examples.filter(({ trainEnd }) => !trainEnd).length });
    expect(found.cut).toBeGreaterThan(50);
    expect(found.nodes?.max).toBe(Math.max(...examples.map(({ nodes = 0 }) => nodes)));
    expect(found.statistics).toEqual({});
  });

  it("that is not there is told apart from one without examples", async () => {
    await expect(datasetFiles(join(root, "nowhere"), "nowhere")).rejects.toThrow(/^nowhere: there is no such file or folder/);
    await expect(datasetFiles(root, "root")).rejects.toThrow(/^root: holds no train-\*\.jsonl file/);
  });
});
