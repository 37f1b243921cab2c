import { describe, expect, it } from "vitest";
import {
  allProblems,
  drawDistinct,
  drawProblem,
  heldOutTargets,
  type Split,
  splitOf,
  splits,
  splitter,
} from "../../src/data/splits.ts";
import { Rng } from "../../src/lib/rng.ts";
import { countdown, countdownOptions } from "../../src/puzzle/countdown.ts";

const small = countdownOptions.parse({
  kind: "countdown",
  numbers: 3,
  operands: [1, 12],
  targets: [10, 49],
  holdOutTargets: 0.1,
});
const splitting = splitter(small);

describe("splits", () => {
  it("cover every problem once", () => {
    const keys = new Map<string, Split>();
    const sizes = { train: 0, dev: 0, seen: 0, unseen: 0 };
    for (const split of splits) {
      for (const problem of allProblems(splitting, split)) {
        const key = countdown.canonicalKey(problem);
        expect(keys.get(key)).toBeUndefined();
        keys.set(key, split);
        sizes[split]++;
        expect(splitting.heldOut.has(problem.target)).toBe(split === "unseen");
      }
    }
    const known = sizes.train + sizes.dev + sizes.seen;
    expect(known).toBeGreaterThan(2000);
    expect(sizes.seen / known).toBeCloseTo(0.1, 1);
    expect(Math.abs(sizes.seen / known - 0.1)).toBeLessThan(0.02);
    expect(Math.abs(sizes.dev / known - 0.05)).toBeLessThan(0.02);
  });

  it("do not depend on the order of the numbers", () => {
    for (let index = 0; index < 50; index++) {
      const problem = drawProblem(splitting, "train", Rng.for(index));
      for (let turn = 0; turn < 3; turn++) {
        expect(splitOf(small, { ...problem, numbers: Rng.for(turn, index).shuffled(problem.numbers) })).toBe("train");
      }
    }
  });

  it("hold out round(share * count) targets, the same ones whatever the seed", () => {
    // These values are the benchmark: a change means that earlier results cannot be compared.
    expect([...heldOutTargets({ targets: [10, 49], holdOutTargets: 0.1 })].sort((a, b) => a - b)).toEqual([16, 29, 35, 42]);
    expect(heldOutTargets({ targets: [10, 100], holdOutTargets: 0.1 }).size).toBe(9);
    expect(heldOutTargets({ targets: [10, 100], holdOutTargets: 0 }).size).toBe(0);
  });
});

describe("drawing", () => {
  it("gives problems of the split, solvable with all numbers", () => {
    for (const split of splits) {
      for (let index = 0; index < 30; index++) {
        const problem = drawProblem(splitting, split, Rng.for(7, split, index));
        expect(splitting.splitOf(problem)).toBe(split);
      }
    }
  });

  it("of test problems gives distinct ones, of which the first do not depend on the count", () => {
    const many = drawDistinct(splitting, "seen", 60, 1);
    expect(new Set(many.map(countdown.canonicalKey)).size).toBe(60);
    expect(drawDistinct(splitting, "seen", 20, 1)).toEqual(many.slice(0, 20));
    expect(drawDistinct(splitting, "seen", 20, 2)).not.toEqual(many.slice(0, 20));
  });

  it("uses the space up to its last problem, and says how many there are when more are asked", () => {
    const tiny = splitter(
      countdownOptions.parse({ kind: "countdown", numbers: 3, operands: [1, 5], targets: [10, 30], holdOutTargets: 0.1 }),
    );
    const size = [...allProblems(tiny, "unseen")].length;
    expect(size).toBeGreaterThan(5);
    const all = drawDistinct(tiny, "unseen", size, 3);
    expect(new Set(all.map(countdown.canonicalKey)).size).toBe(size);
    expect(() => drawDistinct(tiny, "unseen", size + 1, 3)).toThrowError(
      new RegExp(`data\\.test\\.unseen asks for ${size + 1} distinct problems, but there are only ${size} `),
    );
  });

  it("of held-out targets without any held out says so", () => {
    const none = splitter({ ...small, holdOutTargets: 0 });
    expect(() => drawDistinct(none, "unseen", 1, 1)).toThrowError(/no target value.*holdOutTargets 0/);
    expect(drawDistinct(none, "unseen", 0, 1)).toEqual([]);
  });
});
