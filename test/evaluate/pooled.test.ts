// Claims over seeds: what the interval holds, worked by hand and by simulation.
import { describe, expect, test } from "vitest";
import { judgePooled } from "../../src/evaluate/pooled.ts";
import { Rng } from "../../src/lib/rng.ts";
import { tango } from "../../src/lib/stats.ts";
import { claim, paired } from "./helpers.ts";

describe("judgePooled", () => {
  test("is the t interval of the seeds' differences", () => {
    // 5, 8 and 11 points of 100,000 problems each: mean 8, deviation 3, 4.30265 x 3 / sqrt(3) = 7.4524.
    const tests = [5, 8, 11].map((points) => paired(10_000 + 1000 * points, 10_000, 100_000));
    const pooled = judgePooled(claim(), tests);
    expect(pooled.difference).toBeCloseTo(0.08, 12);
    expect(pooled.interval[0]).toBeCloseTo(0.08 - 0.074524, 6);
    expect(pooled.interval[1]).toBeCloseTo(0.08 + 0.074524, 6);
    expect(pooled).toMatchObject({ verdict: "supported", differences: [0.05, 0.08, 0.11] });
    expect(pooled.explanation).toMatch(
      /^mean difference 8\.0 points over 3 seeds \(5\.0 points, 8\.0 points, 11\.0 points\), 95% interval 0\.5 points to 15\.5 points with the variance between trainings: the whole/,
    );
  });

  test("seeds that agree by chance are not taken for certain: the problems' variance stays", () => {
    const one = paired(60, 40, 500);
    const { difference, interval } = judgePooled(claim(), [one, one]);
    expect(difference).toBe(one.difference);
    expect(interval[1] - interval[0]).toBeCloseTo((one.interval[1] - one.interval[0]) / Math.SQRT2, 9);
    // No discordant pair at all is no proof of equality either.
    expect(judgePooled(claim(), [paired(0, 0, 50), paired(0, 0, 50)]).interval[1]).toBeGreaterThan(0.03);
  });

  test("two seeds support what hundreds of problems each would not decide alone, and refute as they support", () => {
    const far = [paired(4500, 100, 5000), paired(4450, 100, 5000)];
    expect(judgePooled(claim({ margin: 0.4 }), far).verdict).toBe("supported");
    expect(judgePooled(claim({ margin: 0.95 }), far).verdict).toBe("refuted");
  });

  test("single seeds may all be supported where their pool is not: it says how many seeds would do", () => {
    const tests = [paired(300, 200, 1000), paired(450, 200, 1000)];
    const pooled = judgePooled(claim(), tests);
    expect(pooled).toMatchObject({ verdict: "underpowered", needed: 38 });
    expect(pooled.explanation).toContain("80% power takes about 38 seeds that differ as these do");
    const many = Array.from({ length: 12 }, (_, seed) => paired(200 + (seed % 2), 200, 4000));
    expect(judgePooled(claim(), many).verdict).toBe("inconclusive");
  });

  test("one seed has no spread", () => {
    expect(() => judgePooled(claim(), [paired(1, 0, 5)])).toThrow(RangeError);
  });
});

describe("coverage, simulated with a fixed seed", () => {
  /** Share of 1,500 sweeps whose interval holds the true difference over all trainings; and of one that counts problems alone. */
  function coverage(seeds: number, deviation: number): { pooled: number; problemsAlone: number } {
    const rng = Rng.for(2026, "coverage", seeds, deviation);
    const normal = () => Math.sqrt(-2 * Math.log(1 - rng.uniform())) * Math.cos(2 * Math.PI * rng.uniform());
    const [truth, discordance, n, sweeps] = [0.05, 0.3, 400, 1500];
    const holds = ([low, high]: readonly [number, number]) => Number(low <= truth && truth <= high);
    const sum = { pooled: 0, problemsAlone: 0 };
    for (let sweep = 0; sweep < sweeps; sweep++) {
      const tests = Array.from({ length: seeds }, () => {
        const difference = truth + deviation * normal();
        const first = (discordance + difference) / 2;
        const counts = { first: 0, second: 0 };
        for (let problem = 0; problem < n; problem++) {
          const draw = rng.uniform();
          if (draw < first) counts.first++;
          else if (draw < discordance) counts.second++;
        }
        return paired(counts.first, counts.second, n);
      });
      const total = (key: "onlyFirst" | "onlySecond") => tests.reduce((all, item) => all + item[key], 0);
      sum.pooled += holds(judgePooled(claim(), tests).interval);
      sum.problemsAlone += holds(tango(total("onlyFirst"), total("onlySecond"), seeds * n));
    }
    return { pooled: sum.pooled / sweeps, problemsAlone: sum.problemsAlone / sweeps };
  }

  test.each([2, 3, 5])(
    "%i trainings that differ: near 95 of 100 intervals hold the truth, far above an interval of the problems alone",
    (seeds) => {
      const { pooled, problemsAlone } = coverage(seeds, 0.06);
      expect(pooled).toBeGreaterThan(0.935);
      expect(pooled).toBeLessThan(0.975);
      expect(problemsAlone).toBeLessThan(0.8);
    },
  );

  test("trainings that do not differ: at least 95%", () => {
    expect(coverage(3, 0).pooled).toBeGreaterThan(0.945);
  });
});
