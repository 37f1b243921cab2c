// Intervals and tests for proportions, on counts alone. Pure; knows nothing of problems, policies or claims.

/** Half-width of a two-sided 95% normal interval: the 0.975 quantile of the standard normal distribution. */
export const z95 = 1.959963984540054;
/** The 0.8 quantile of the standard normal distribution: what 80% power asks for. */
export const z80 = 0.8416212335729143;

/** Arithmetic mean; 0 of nothing. */
export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Median (mean of the two middle values when their number is even); 0 of nothing. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/**
 * Distribution function of the standard normal. The series of Marsaglia (Journal of Statistical Software 11(4), 2004)
 * near 0, Lentz's continued fraction in the tails; about 1e-14 absolute.
 */
export function normalCdf(x: number): number {
  if (Number.isNaN(x)) return Number.NaN;
  if (x < 0) return x < -3 ? upperTail(-x) : 1 - normalCdf(-x);
  if (x > 3) return 1 - upperTail(x);
  let term = x;
  let sum = x;
  for (let k = 3; Math.abs(term) > 1e-17; k += 2) {
    term *= (x * x) / k;
    sum += term;
  }
  return 0.5 + sum * density(x);
}

function density(x: number): number {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

/** P(Z > x) for x >= 3: Mills' ratio as the continued fraction 1/(x + 1/(x + 2/(x + ...))), evaluated from the inside. */
function upperTail(x: number): number {
  let fraction = x;
  for (let k = 80; k >= 1; k--) fraction = x + k / fraction;
  return density(x) / fraction;
}

/** Wilson's score interval for a proportion (Wilson 1927; Newcombe 1998, method 3). No trials: [0, 1]. */
export function wilson(successes: number, trials: number, z: number = z95): [low: number, high: number] {
  checkCount("successes", successes);
  checkCount("trials", trials);
  if (successes > trials) throw new RangeError(`wilson: ${successes} successes in ${trials} trials`);
  if (trials === 0) return [0, 1];
  const share = successes / trials;
  const shrink = 1 + (z * z) / trials;
  const centre = (share + (z * z) / (2 * trials)) / shrink;
  const half = (z / shrink) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  // At the edges centre -+ half is exactly 0 or 1 on paper only.
  return [successes === 0 ? 0 : Math.max(0, centre - half), successes === trials ? 1 : Math.min(1, centre + half)];
}

/**
 * McNemar's exact test, two-sided: twice the smaller binomial tail of the discordant pairs at one half, at most 1.
 * `onlyFirst` and `onlySecond` count pairs in which one alone succeeded.
 */
export function mcnemarExact(onlyFirst: number, onlySecond: number): number {
  checkCount("onlyFirst", onlyFirst);
  checkCount("onlySecond", onlySecond);
  const n = onlyFirst + onlySecond;
  const smaller = Math.min(onlyFirst, onlySecond);
  // Logarithms: 2^-n and the binomial coefficients leave the range of doubles from n = 1,030 on.
  let logTerm = -n * Math.LN2;
  let tail = 0;
  for (let k = 0; k <= smaller; k++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((n - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}

/**
 * Tango's score interval for the difference of two paired proportions, (onlyFirst - onlySecond) / n (Tango, Statistics
 * in Medicine 17, 1998, 891-908): all differences that the score test does not reject. No pairs: [-1, 1].
 */
export function tango(onlyFirst: number, onlySecond: number, n: number, z: number = z95): [low: number, high: number] {
  checkCount("onlyFirst", onlyFirst);
  checkCount("onlySecond", onlySecond);
  checkCount("n", n);
  if (onlyFirst + onlySecond > n) throw new RangeError(`tango: ${onlyFirst} + ${onlySecond} discordant pairs of ${n}`);
  if (n === 0) return [-1, 1];
  const estimate = (onlyFirst - onlySecond) / n;
  // The score falls as the assumed difference grows: from at least z at the lower limit to at most -z at the upper.
  const limit = (outside: number, target: number): number => {
    let [inner, outer] = [estimate, outside];
    for (let iteration = 0; iteration < 200 && inner !== outer; iteration++) {
      const middle = (inner + outer) / 2;
      if (middle === inner || middle === outer) break;
      if (Math.abs(tangoScore(onlyFirst, onlySecond, n, middle)) < target) inner = middle;
      else outer = middle;
    }
    return (inner + outer) / 2;
  };
  return [limit(-1, z), limit(1, z)];
}

/** Tango's score statistic for a difference of `delta`; the nuisance parameter is its restricted maximum-likelihood estimate. */
function tangoScore(onlyFirst: number, onlySecond: number, n: number, delta: number): number {
  const a = 2 * n;
  const b = -onlyFirst - onlySecond + (2 * n - onlyFirst + onlySecond) * delta;
  const c = -onlySecond * delta * (1 - delta);
  const nuisance = (Math.sqrt(Math.max(0, b * b - 4 * a * c)) - b) / (2 * a);
  const variance = n * (2 * nuisance + delta * (1 - delta));
  const distance = onlyFirst - onlySecond - n * delta;
  if (variance <= 0) return distance === 0 ? 0 : Math.sign(distance) * Number.POSITIVE_INFINITY;
  return distance / Math.sqrt(variance);
}

/**
 * Pairs needed so that a two-sided 5% test of "difference = null" finds `difference` with 80% power, when a share
 * `discordance` of pairs is discordant (Connor, Biometrics 43, 1987, generalised to a null other than 0).
 */
export function pairsNeeded(difference: number, nullDifference: number, discordance: number): number {
  const excess = difference - nullDifference;
  if (!(Math.abs(excess) > 0)) return Number.POSITIVE_INFINITY;
  const [underNull, underAlternative] = deviations(difference, nullDifference, discordance);
  return Math.ceil(((z95 * underNull + z80 * underAlternative) / excess) ** 2);
}

/** Power of the same test with n pairs: the chance that it finds `difference` in the right direction. */
export function pairedPower(difference: number, nullDifference: number, discordance: number, n: number): number {
  const [underNull, underAlternative] = deviations(difference, nullDifference, discordance);
  const distance = Math.sqrt(n) * Math.abs(difference - nullDifference) - z95 * underNull;
  return underAlternative === 0 ? Number(distance > 0) : normalCdf(distance / underAlternative);
}

/** Standard deviations of one pair's difference. A difference of d needs a discordance of at least |d|. */
function deviations(
  difference: number,
  nullDifference: number,
  discordance: number,
): [underNull: number, underAlternative: number] {
  const share = Math.min(1, Math.max(discordance, Math.abs(difference), Math.abs(nullDifference)));
  return [Math.sqrt(Math.max(0, share - nullDifference ** 2)), Math.sqrt(Math.max(0, share - difference ** 2))];
}

function checkCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`${name}: ${value} is not a count`);
}
