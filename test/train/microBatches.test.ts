import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { half, microBatches, packableModels, packs, unpackedBecause } from "../../src/train/microBatches.ts";

const deal = (lengths: readonly number[], limit: { rows: number; tokens: number | undefined }, packed = false) =>
  microBatches(Int32Array.from(lengths.keys()), (row) => lengths[row] as number, limit, packed).map((part) => [...part]);

describe("microBatches", () => {
  test("without a bound on tokens: in order, so many rows at a time", () => {
    expect(deal([5, 9, 1, 7, 3], { rows: 2, tokens: undefined })).toEqual([[0, 1], [2, 3], [4]]);
    expect(deal([5, 9, 1], { rows: 8, tokens: undefined })).toEqual([[0, 1, 2]]);
  });

  test("with one: the longest first, rows x longest within it", () => {
    expect(deal([5, 9, 1, 7, 3], { rows: 8, tokens: 18 })).toEqual([
      [1, 3],
      [0, 4, 2],
    ]);
    expect(deal([5, 9, 1, 7, 3], { rows: 2, tokens: 18 })).toEqual([[1, 3], [0, 4], [2]]);
  });

  test("packed: in order, for lengths of all kinds fill a row best; the sum within it", () => {
    expect(deal([5, 9, 1, 7, 3], { rows: 8, tokens: 17 }, true)).toEqual([
      [0, 1, 2],
      [3, 4],
    ]);
    expect(deal([5, 9, 1, 7, 3], { rows: 8, tokens: 25 }, true)).toEqual([[0, 1, 2, 3, 4]]);
  });

  test("a row beyond the bound goes alone", () => {
    expect(deal([50, 2, 3], { rows: 8, tokens: 10 })).toEqual([[0], [2, 1]]);
  });

  test("equal lengths keep their order; a row that comes twice stays twice", () => {
    const parts = microBatches(Int32Array.of(4, 2, 4, 9), () => 3, { rows: 3, tokens: 100 }, false);
    expect(parts.map((part) => [...part])).toEqual([[4, 2, 4], [9]]);
  });

  test("laws: every row once, no part empty, no bound broken but by a single row", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 70 });
    const limits = fc.record({ rows: fc.integer({ min: 1, max: 20 }), tokens: fc.option(fc.integer({ min: 1, max: 200 })) });
    fc.assert(
      fc.property(lengths, limits, fc.boolean(), (lengthOf, { rows, tokens }, packed) => {
        const parts = deal(lengthOf, { rows, tokens: tokens ?? undefined }, packed);
        expect(parts.flat().sort((a, b) => a - b)).toEqual([...lengthOf.keys()]);
        for (const part of parts) {
          expect(part.length).toBeGreaterThan(0);
          expect(part.length).toBeLessThanOrEqual(rows);
          const each = part.map((row) => lengthOf[row] as number);
          const size = packed ? each.reduce((sum, length) => sum + length, 0) : Math.max(...each) * each.length;
          if (tokens !== null && part.length > 1) expect(size).toBeLessThanOrEqual(tokens);
        }
      }),
    );
  });
});

test("halved: rows that were really sent, and tokens; not below one row", () => {
  expect(half({ rows: 64, tokens: undefined }, 64)).toEqual({ rows: 32, tokens: undefined });
  expect(half({ rows: 64, tokens: 4096 }, 9)).toEqual({ rows: 4, tokens: 2048 });
  expect(half({ rows: 3, tokens: undefined }, 3)).toEqual({ rows: 1, tokens: undefined });
  expect(half({ rows: 64, tokens: 10 }, 1)).toBeUndefined();
  expect(half({ rows: 64, tokens: undefined }, 0)).toBeUndefined();
});

test("auto packs on a GPU, for verified models; a plain answer stands", () => {
  expect(packs("auto", { device: "cpu", modelType: "llama" })).toBe(false);
  expect(packs("auto", { device: "cuda:0", modelType: "llama" })).toBe(true);
  expect(packs("auto", { device: "cuda:0", modelType: "opt" })).toBe(false);
  expect(packs(true, { device: "cpu", modelType: "opt" })).toBe(true);
  expect(packs(false, { device: "cuda:0", modelType: "llama" })).toBe(false);
});

test("what is not packed on a GPU has a reason, where auto left it open", () => {
  const opt = { device: "cuda:0", modelType: "opt" };
  expect(unpackedBecause("auto", opt)).toContain("not in opt");
  expect(unpackedBecause("auto", { ...opt, device: "cpu" })).toBeUndefined();
  expect(unpackedBecause("auto", { ...opt, modelType: "gpt2" })).toBeUndefined();
  expect(unpackedBecause(false, opt)).toBeUndefined();
});

test("the worker packs the same model types", async () => {
  const text = await readFile(new URL("../../py/backtrail_worker/train/session.py", import.meta.url), "utf8");
  const list = /PACKABLE = frozenset\(\{([^}]*)\}\)/.exec(text)?.[1] ?? "";
  expect([...list.matchAll(/"(\w+)"/g)].map((match) => match[1]).sort()).toEqual([...packableModels].sort());
});
