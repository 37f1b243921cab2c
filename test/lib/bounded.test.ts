import { describe, expect, it } from "vitest";
import { mapBounded } from "../../src/lib/bounded.ts";

describe("mapBounded", () => {
  it("keeps the order of the items, whatever ends first, and never does more at once than allowed", async () => {
    let [now, most] = [0, 0];
    const made = await mapBounded([5, 1, 4, 2, 3, 0, 6], 3, async (item) => {
      most = Math.max(most, ++now);
      for (let turn = 0; turn < item; turn++) await new Promise((resolve) => setImmediate(resolve));
      now--;
      return item * 10;
    });
    expect(made).toEqual([50, 10, 40, 20, 30, 0, 60]);
    expect(most).toBe(3);
    expect(await mapBounded([], 3, async () => 1)).toEqual([]);
  });

  it("rejects with the first failure", async () => {
    const failing = mapBounded([1, 2, 3], 2, async (item) => {
      if (item === 2) throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
  });
});
