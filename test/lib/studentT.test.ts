import { expect, test } from "vitest";
import { studentQuantile } from "../../src/lib/studentT.ts";

test.each([
  [0.975, 1, 12.7062],
  [0.975, 2, 4.30265],
  [0.975, 3, 3.18245],
  [0.975, 4, 2.77645],
  [0.975, 9, 2.26216],
  [0.975, 10, 2.22814],
  [0.975, 1000, 1.96234],
  [0.8, 1, 1.37638],
  [0.8, 2, 1.06066],
  [0.8, 30, 0.85377],
])("the quantile at %f of %i degrees of freedom is that of the tables, %f", (probability, freedom, expected) => {
  expect(studentQuantile(probability, freedom)).toBeCloseTo(expected, 4);
});

test("the median is the mean, and what is no distribution is refused", () => {
  expect(studentQuantile(0.5, 3)).toBeCloseTo(0, 9);
  for (const freedom of [0, 1.5, Number.NaN]) expect(() => studentQuantile(0.9, freedom)).toThrow(RangeError);
  for (const probability of [0.4, 1, Number.NaN]) expect(() => studentQuantile(probability, 3)).toThrow(RangeError);
});
