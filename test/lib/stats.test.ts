import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  mcnemarExact,
  mean,
  median,
  normalCdf,
  pairedPower,
  pairsNeeded,
  tango,
  wilson,
  z80,
  z95,
} from "../../src/lib/stats.ts";

const rounded = (interval: readonly number[], digits: number) => interval.map((limit) => Number(limit.toFixed(digits)));

describe("mean and median", () => {
  test("hand values", () => {
    expect(mean([1, 2, 6])).toBe(3);
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect([mean([]), median([])]).toEqual([0, 0]);
  });
});

describe("normalCdf", () => {
  test("tabulated values", () => {
    expect(normalCdf(0)).toBe(0.5);
    expect(normalCdf(z95)).toBeCloseTo(0.975, 13);
    expect(normalCdf(z80)).toBeCloseTo(0.8, 13);
    expect(normalCdf(1)).toBeCloseTo(0.841344746068543, 13);
    expect(normalCdf(-4) / 3.167124183311992e-5).toBeCloseTo(1, 10);
    expect(normalCdf(-8) / 6.22096057427178e-16).toBeCloseTo(1, 8);
  });

  test("both branches meet at 3", () => {
    expect(normalCdf(3 + 1e-9) - normalCdf(3)).toBeGreaterThan(0);
    expect(normalCdf(3 + 1e-9) - normalCdf(3)).toBeLessThan(1e-11);
  });
});

describe("wilson", () => {
  // Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
  test.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])("%i of %i", (successes, trials, low, high) => {
    expect(rounded(wilson(successes, trials), 4)).toEqual([low, high]);
  });

  test("symmetric, holds the estimate, stays in [0, 1]", () => {
    fc.assert(
      fc.property(fc.nat(2000), fc.nat(2000), (a, b) => {
        const [low, high] = wilson(a, a + b);
        const [mirrorLow, mirrorHigh] = wilson(b, a + b);
        expect(low).toBeCloseTo(1 - mirrorHigh, 12);
        expect(high).toBeCloseTo(1 - mirrorLow, 12);
        if (a + b > 0) {
          expect(low).toBeLessThanOrEqual(a / (a + b));
          expect(high).toBeGreaterThanOrEqual(a / (a + b));
        }
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("nothing tried says nothing; impossible counts are refused", () => {
    expect(wilson(0, 0)).toEqual([0, 1]);
    expect(() => wilson(3, 2)).toThrow(RangeError);
    expect(() => wilson(0.5, 2)).toThrow(RangeError);
  });
});

describe("mcnemarExact", () => {
  test("hand values", () => {
    expect(mcnemarExact(1, 7)).toBeCloseTo((2 * (1 + 8)) / 256, 12);
    expect(mcnemarExact(0, 5)).toBeCloseTo(2 / 32, 12);
    expect(mcnemarExact(6, 2)).toBeCloseTo((2 * (1 + 8 + 28)) / 256, 12);
    expect(mcnemarExact(4, 4)).toBe(1);
    expect(mcnemarExact(0, 0)).toBe(1);
  });

  test("many discordant pairs do not underflow", () => {
    // Normal approximation with continuity correction: z = (|3100 - 2900| - 1) / sqrt(6000) = 2.569.
    expect(mcnemarExact(2900, 3100)).toBeCloseTo(2 * (1 - normalCdf(199 / Math.sqrt(6000))), 4);
  });
});

/** The score statistic at difference `delta`; P(only second) by ternary search on the trinomial log-likelihood. */
function scoreByLikelihood(b: number, c: number, n: number, delta: number): number {
  const part = (count: number, share: number) => (count === 0 ? 0 : count * Math.log(Math.max(share, 1e-300)));
  const likelihood = (q: number) => part(b, q + delta) + part(c, q) + part(n - b - c, 1 - 2 * q - delta);
  let [from, to] = [Math.max(0, -delta), (1 - delta) / 2];
  for (let iteration = 0; iteration < 300; iteration++) {
    const [left, right] = [from + (to - from) / 3, to - (to - from) / 3];
    if (likelihood(left) < likelihood(right)) from = left;
    else to = right;
  }
  return (b - c - n * delta) / Math.sqrt(n * (from + to + delta - delta * delta));
}

describe("tango", () => {
  // Airway hyper-responsiveness before and after transplantation, n = 21, b = 1, c = 7: Fagerland, Lydersen and Laake,
  // Statistics in Medicine 33 (2014) 2850-2875, give the score interval -0.517 to -0.026.
  test("published example", () => {
    expect(rounded(tango(1, 7, 21), 3)).toEqual([-0.517, -0.026]);
  });

  test("at its limits the score statistic is z, with the nuisance parameter found by maximising the likelihood", () => {
    for (const [b, c, n] of [
      [0, 1, 44],
      [1, 7, 21],
      [30, 12, 400],
      [5, 0, 9],
    ] as const) {
      const [low, high] = tango(b, c, n);
      expect(scoreByLikelihood(b, c, n, low)).toBeCloseTo(z95, 4);
      expect(scoreByLikelihood(b, c, n, high)).toBeCloseTo(-z95, 4);
    }
  });

  test("no discordant pair: z^2 / (n + z^2) to both sides", () => {
    const limit = z95 ** 2 / (50 + z95 ** 2);
    const [low, high] = tango(0, 0, 50);
    expect(low).toBeCloseTo(-limit, 10);
    expect(high).toBeCloseTo(limit, 10);
  });

  test("excludes 0 exactly when McNemar's asymptotic test rejects; mirrors; holds the estimate", () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), fc.nat(200), (b, c, concordant) => {
        const n = b + c + concordant;
        fc.pre(n > 0);
        const [low, high] = tango(b, c, n);
        const [mirrorLow, mirrorHigh] = tango(c, b, n);
        expect(low).toBeCloseTo(-mirrorHigh, 9);
        expect(high).toBeCloseTo(-mirrorLow, 9);
        expect(low).toBeLessThanOrEqual((b - c) / n);
        expect(high).toBeGreaterThanOrEqual((b - c) / n);
        const z = b + c === 0 ? 0 : Math.abs(b - c) / Math.sqrt(b + c);
        fc.pre(Math.abs(z - z95) > 1e-6);
        expect(low > 1e-9 || high < -1e-9).toBe(z > z95);
      }),
    );
  });

  test("no pairs say nothing", () => expect(tango(0, 0, 0)).toEqual([-1, 1]));
});

describe("pairsNeeded and pairedPower", () => {
  test("Connor's formula by hand: difference 0.05, discordance 0.3", () => {
    const hand = (1.959964 * Math.sqrt(0.3) + 0.841621 * Math.sqrt(0.3 - 0.0025)) ** 2 / 0.0025;
    expect(pairsNeeded(0.05, 0, 0.3)).toBe(Math.ceil(hand));
    expect(pairsNeeded(0.05, 0, 0.3)).toBe(940);
  });

  test("the needed number has 80% power, one tenth fewer has less", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.02, max: 0.3, noNaN: true }),
        fc.double({ min: 0, max: 0.1, noNaN: true }),
        fc.double({ min: 0.4, max: 0.6, noNaN: true }),
        (effect, margin, discordance) => {
          const needed = pairsNeeded(margin + effect, margin, discordance);
          expect(pairedPower(margin + effect, margin, discordance, needed)).toBeGreaterThanOrEqual(0.8 - 1e-9);
          expect(pairedPower(margin + effect, margin, discordance, Math.floor(needed * 0.9))).toBeLessThan(0.8);
        },
      ),
    );
  });

  test("a discordance smaller than the difference is raised to it", () => {
    expect(pairsNeeded(0.2, 0, 0)).toBe(pairsNeeded(0.2, 0, 0.2));
  });
});
