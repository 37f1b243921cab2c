import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { logTicks, niceDomain, place, ticks } from "../../src/report/page/plots.ts";

const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });

describe("axes", () => {
  it("a domain covers its values, within the limits", () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1 }), (values) => {
        const { low, high } = niceDomain(values);
        const slack = 1e-6 * (high - low);
        expect(low).toBeLessThan(high);
        for (const value of values) {
          expect(value).toBeGreaterThanOrEqual(low - slack);
          expect(value).toBeLessThanOrEqual(high + slack);
        }
      }),
    );
    expect(niceDomain([0.97, 1], { low: 0, high: 1 }).high).toBe(1);
    expect(niceDomain([])).toEqual({ low: 0, high: 1 });
  });

  it("ticks are round, few and inside the domain", () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1 }), (values) => {
        const domain = niceDomain(values);
        const marks = ticks(domain);
        expect(marks.length).toBeGreaterThanOrEqual(2);
        expect(marks.length).toBeLessThanOrEqual(8);
        for (const mark of marks) expect(place(mark, domain)).toBeCloseTo((mark - domain.low) / (domain.high - domain.low), 6);
      }),
    );
    expect(ticks({ low: 0.3, high: 0.7 })).toEqual([0.3, 0.4, 0.5, 0.6, 0.7]);
  });

  it("logarithmic ticks enclose the values", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.01, max: 1e7, noNaN: true }), { minLength: 1 }), (values) => {
        const marks = logTicks(values);
        expect(marks.length).toBeGreaterThanOrEqual(2);
        expect(marks[0]).toBeLessThanOrEqual(Math.min(...values));
        expect(marks.at(-1)).toBeGreaterThanOrEqual(Math.max(...values) * (1 - 1e-9));
      }),
    );
    expect(logTicks([14, 318])).toEqual([10, 20, 50, 100, 200, 500]);
  });
});
