// A claim, and a paired test by its counts, for what judges them.
import { type ClaimSettings, claimSettings } from "../../src/config/schema.ts";
import type { PairedTest } from "../../src/evaluate/summary.ts";
import { mcnemarExact, tango } from "../../src/lib/stats.ts";

export const claim = (expected: object = {}): ClaimSettings => claimSettings.parse({ compare: ["b1", "b0"], expect: expected });
export const paired = (onlyFirst: number, onlySecond: number, n: number): PairedTest => ({
  n,
  both: n - onlyFirst - onlySecond,
  onlyFirst,
  onlySecond,
  neither: 0,
  difference: (onlyFirst - onlySecond) / n,
  interval: tango(onlyFirst, onlySecond, n),
  pValue: mcnemarExact(onlyFirst, onlySecond),
});
