// Which targets a pool of numbers can make under Countdown's rules: the inner loop of the generator. Only numbers here: no
// problems, no actions. Unrolled up to four numbers, because that is where the time goes; beyond, a table over subsets.

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

/** What the other operand must be so that it and `value`, in either order, give the target. */
function partners(value: number, target: number): number[] {
  const found = [];
  if (target >= value) found.push(target - value);
  if (target + value <= largest) found.push(target + value);
  if (value >= target) found.push(value - target);
  if (value !== 0 && target % value === 0) found.push(target / value);
  if (value !== 0 && target * value <= largest) found.push(target * value);
  if (target !== 0 && value !== 0 && value % target === 0) found.push(value / target);
  return found;
}

function sizeOf(mask: number): number {
  let size = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) size++;
  return size;
}

/** Subsets up to this size are answered from a table of all their values; larger ones by splitting. */
const tabulated = 4;

/**
 * A pool and what its subsets can make from ALL their numbers. Subsets are bit masks over the pool's positions. Every
 * expression over a subset has a last operation, which splits it in two: tables for small parts, and for large ones the
 * few values that the small part leaves to be made. Failures are remembered, so a hopeless pool costs about 1 ms for
 * five numbers, 40 ms for seven and half a second for eight.
 */
class Subsets {
  readonly #pool: readonly number[];
  readonly #tables = new Map<number, ReadonlySet<number>>();
  readonly #failed = new Map<number, Set<number>>();

  constructor(pool: readonly number[]) {
    this.#pool = pool;
  }

  /** All values of a subset. The number of values grows about a hundredfold with every two numbers. */
  values(mask: number): ReadonlySet<number> {
    const known = this.#tables.get(mask);
    if (known) return known;
    const values = new Set<number>();
    if ((mask & (mask - 1)) === 0) values.add(this.#pool[31 - Math.clz32(mask)] as number);
    for (const part of halves(mask)) {
      const others = this.values(mask ^ part);
      for (const a of this.values(part)) for (const b of others) for (const result of joinResults(a, b)) values.add(result);
    }
    this.#tables.set(mask, values);
    return values;
  }

  /** Whether all numbers of the subset can make the target. */
  reaches(mask: number, target: number): boolean {
    if (sizeOf(mask) <= tabulated) return this.values(mask).has(target);
    const failed = this.#failed.get(mask) ?? new Set();
    if (failed.has(target)) return false;
    for (const part of halves(mask)) {
      for (const value of this.values(part)) {
        // 0 * anything: the other part always makes something.
        if (value === 0 && target === 0) return true;
        for (const partner of partners(value, target)) if (this.reaches(mask ^ part, partner)) return true;
      }
    }
    this.#failed.set(mask, failed.add(target));
    return false;
  }
}

/** The smaller parts of all splits of a subset in two; the most even splits first, because they find a solution soonest. */
function halves(mask: number): number[] {
  const size = sizeOf(mask);
  const parts = [];
  for (let part = (mask - 1) & mask; part > 0; part = (part - 1) & mask) {
    const rest = mask ^ part;
    const own = sizeOf(part);
    // Of two equal halves the one with the higher bits stands for both.
    if (2 * own < size || (2 * own === size && part > rest)) parts.push(part);
  }
  return parts.sort((a, b) => sizeOf(b) - sizeOf(a));
}

/**
 * Whether the target can be made from ALL numbers of the pool. Exact; about 2 us for four numbers. Beyond, a target that
 * can be made is mostly found in under a millisecond; for hopeless pools see Subsets.
 */
export function canReach(pool: readonly number[], target: number): boolean {
  // Indexed, not destructured: this is the inner loop of drawing problems, and an iterator costs a fifth of it.
  const a = pool[0] as number;
  const b = pool[1] as number;
  const c = pool[2] as number;
  const d = pool[3] as number;
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
      return new Subsets(pool).reaches(2 ** pool.length - 1, target);
  }
}

/** Whether the target can be made from ANY of the numbers of the pool, one alone included; at most `most` of them. */
export function canReachWithSome(pool: readonly number[], target: number, most = pool.length): boolean {
  const subsets = new Subsets(pool);
  for (let chosen = 1; chosen < 1 << pool.length; chosen++) {
    const subset = pool.filter((_, index) => (chosen >> index) & 1);
    if (subset.length > most) continue;
    if (subset.length <= 4 ? canReach(subset, target) : subsets.reaches(chosen, target)) return true;
  }
  return false;
}

/** All values that can be made from ALL numbers of the pool. For enumerations of small spaces. */
export function reachableValues(pool: readonly number[]): ReadonlySet<number> {
  return pool.length === 0 ? new Set() : new Subsets(pool).values(2 ** pool.length - 1);
}
