// Which targets a pool of numbers can make under Countdown's rules: the inner loop of the generator and of the exhaustive
// solver. Only numbers here: no problems, no actions. Unrolled up to four numbers, because that is where the time goes.

const largest = Number.MAX_SAFE_INTEGER;

// A target is a safe integer, so a sum or product that had to be rounded (>= 2^53) never equals it.
function two(a: number, b: number, target: number): boolean {
  return (
    a + b === target ||
    a * b === target ||
    a - b === target ||
    b - a === target ||
    (b !== 0 && b * target === a) ||
    (a !== 0 && a * target === b)
  );
}

function joinThenTwo(a: number, b: number, c: number, target: number): boolean {
  return (
    (a + b <= largest && two(a + b, c, target)) ||
    (a * b <= largest && two(a * b, c, target)) ||
    two(a > b ? a - b : b - a, c, target) ||
    (b !== 0 && a % b === 0 && two(a / b, c, target)) ||
    (a !== 0 && b % a === 0 && two(b / a, c, target))
  );
}

function three(a: number, b: number, c: number, target: number): boolean {
  return joinThenTwo(a, b, c, target) || joinThenTwo(a, c, b, target) || joinThenTwo(b, c, a, target);
}

function joinThenThree(a: number, b: number, c: number, d: number, target: number): boolean {
  return (
    (a + b <= largest && three(a + b, c, d, target)) ||
    (a * b <= largest && three(a * b, c, d, target)) ||
    three(a > b ? a - b : b - a, c, d, target) ||
    (b !== 0 && a % b === 0 && three(a / b, c, d, target)) ||
    (a !== 0 && b % a === 0 && three(b / a, c, d, target))
  );
}

function four(a: number, b: number, c: number, d: number, target: number): boolean {
  return (
    joinThenThree(a, b, c, d, target) ||
    joinThenThree(a, c, b, d, target) ||
    joinThenThree(a, d, b, c, target) ||
    joinThenThree(b, c, a, d, target) ||
    joinThenThree(b, d, a, c, target) ||
    joinThenThree(c, d, a, b, target)
  );
}

/** Results of joining two numbers in the rules' order + * - /, the larger operand first: non-negative, exact, below 2^53. */
export function joinResults(a: number, b: number): number[] {
  const [high, low] = a >= b ? [a, b] : [b, a];
  const results = [];
  if (high + low <= largest) results.push(high + low);
  if (high * low <= largest) results.push(high * low);
  results.push(high - low);
  if (low !== 0 && high % low === 0) results.push(high / low);
  return results;
}

/** Pools of one number fewer, each multiset once, sorted descending. `pool` is sorted descending. */
function* smallerPools(pool: readonly number[]): Generator<number[]> {
  const seen = new Set<string>();
  for (let i = 0; i < pool.length; i++) {
    for (let j = i + 1; j < pool.length; j++) {
      const rest = pool.filter((_, index) => index !== i && index !== j);
      for (const result of joinResults(pool[i] as number, pool[j] as number)) {
        const next = [...rest, result].sort((a, b) => b - a);
        const key = next.join(",");
        if (seen.has(key)) continue;
        seen.add(key);
        yield next;
      }
    }
  }
}

function many(pool: readonly number[], target: number, failed: Set<string>): boolean {
  if (pool.length <= 4) return canReach(pool, target);
  const key = pool.join(",");
  if (failed.has(key)) return false;
  for (const next of smallerPools(pool)) if (many(next, target, failed)) return true;
  failed.add(key);
  return false;
}

/**
 * Whether the target can be made from ALL numbers of the pool. Exact; about 2 us for four numbers, under a millisecond
 * for most pools of six. A hopeless pool of seven or eight different numbers may take minutes.
 */
export function canReach(pool: readonly number[], target: number): boolean {
  const [a, b, c, d] = pool as readonly [number, number, number, number];
  switch (pool.length) {
    case 0:
      return false;
    case 1:
      return a === target;
    case 2:
      return two(a, b, target);
    case 3:
      return three(a, b, c, target);
    case 4:
      return four(a, b, c, d, target);
    default:
      return many(
        [...pool].sort((x, y) => y - x),
        target,
        new Set(),
      );
  }
}

/** Whether the target can be made from ANY of the numbers of the pool, one alone included. */
export function canReachWithSome(pool: readonly number[], target: number): boolean {
  for (let chosen = 1; chosen < 1 << pool.length; chosen++) {
    const subset = pool.filter((_, index) => (chosen >> index) & 1);
    if (canReach(subset, target)) return true;
  }
  return false;
}

/** All values that can be made from ALL numbers of the pool. For enumerations of small spaces. */
export function reachableValues(pool: readonly number[]): Set<number> {
  const values = new Set<number>();
  let pools = new Map([[pool.join(","), [...pool].sort((a, b) => b - a)]]);
  for (let size = pool.length; size > 1; size--) {
    const next = new Map<string, number[]>();
    for (const current of pools.values()) for (const smaller of smallerPools(current)) next.set(smaller.join(","), smaller);
    pools = next;
  }
  for (const [value] of pools.values()) if (value !== undefined) values.add(value);
  return values;
}
