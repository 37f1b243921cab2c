// Estimates of how far a pool of numbers is from a target, as Stream of Search defines them. Only numbers here.

/** Mean distance of the numbers to the target. */
export function meanDistance(pool: readonly number[], target: number): number {
  let sum = 0;
  for (const value of pool) sum += Math.abs(value - target);
  return sum / pool.length;
}

/** Sum over the numbers of the distance to the nearest factor of the target (from 2 up; the target itself is one). */
export function factorDistance(pool: readonly number[], target: number): number {
  let sum = 0;
  for (const value of pool) sum += nearestFactorDistance(value, target);
  return sum;
}

function nearestFactorDistance(value: number, target: number): number {
  let best = Math.abs(value - target);
  for (let low = 1; low * low <= target; low++) {
    if (target % low !== 0) continue;
    const high = target / low;
    if (low > 1) best = Math.min(best, Math.abs(value - low));
    if (high > 1) best = Math.min(best, Math.abs(value - high));
  }
  return best;
}
