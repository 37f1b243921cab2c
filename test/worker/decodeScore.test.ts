// The hidden states of score, as the mock makes them up: shapes of the contract, a function of position and layer.
import { describe, expect, it } from "vitest";
import { mockPool, tinyModel, tokenizerDirectory } from "./helpers.ts";

describe("score of the mock", () => {
  it("sends hidden states [tokens, layers, width] only when layers are named", async () => {
    const { pool } = await mockPool();
    const model = tinyModel(tokenizerDirectory());
    const bins = { tokens: Int32Array.of(9, 10, 11, 12, 13), lengths: Int32Array.of(3, 2) };
    const both = await pool.free("score", { model, named: [3], hidden: [0, 2] }, bins);
    expect(both.bins.hidden).toMatchObject({ type: "float32", shape: [5, 2, 4] });
    expect(both.bins.named).toMatchObject({ type: "float32", shape: [5, 1] });
    const one = await pool.free("score", { model, named: [], hidden: [2] }, bins);
    const secondLayer = Array.from({ length: 5 }, (_, at) => [...(both.bins.hidden?.data.slice(8 * at + 4, 8 * at + 8) ?? [])]);
    expect([...(one.bins.hidden?.data ?? [])]).toEqual(secondLayer.flat());
    expect(Object.keys(one.bins).sort()).toEqual(["hidden", "logprobs"]);
    expect(Object.keys((await pool.free("score", { model, named: [], hidden: [] }, bins)).bins)).toEqual(["logprobs"]);
  });
});
