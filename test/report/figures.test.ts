import { describe, expect, it } from "vitest";
import {
  compact,
  integer,
  mean,
  percent,
  points,
  pointsInterval,
  pointsTick,
  pValue,
  shareInterval,
} from "../../src/report/figures.ts";

describe("numbers as people read them", () => {
  it("writes shares, differences and their intervals", () => {
    expect(percent(0.5234)).toBe("52.3%");
    expect(points(0.052)).toBe("+5.2");
    expect(points(-0.052)).toBe("\u22125.2");
    expect(points(-0.0001)).toBe("0.0");
    expect(pointsTick(-0.2)).toBe("\u221220");
    expect(shareInterval([0.48, 0.567])).toBe("48.0\u201356.7");
    expect(pointsInterval([-0.012, 0.061])).toBe("\u22121.2 to +6.1");
  });

  it("groups and shortens large numbers", () => {
    expect(integer(1234567)).toBe("1\u2009234\u2009567");
    expect(integer(999)).toBe("999");
    expect(compact(570240)).toBe("570k");
    expect(compact(1_235_814_400)).toBe("1.24G");
    expect(compact(999_999)).toBe("1M");
    expect(compact(0.5)).toBe("0.5");
    expect(mean(14.26)).toBe("14.3");
    expect(mean(3.126)).toBe("3.13");
  });

  it("never writes a p-value of 0", () => {
    expect(pValue(1e-12)).toBe("<0.001");
    expect(pValue(0.0419)).toBe("0.042");
  });
});
