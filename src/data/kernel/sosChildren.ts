// The children of a Countdown pool in the order in which Stream of Search's searches take them, in typed arrays: the inner
// loop of the kernel. The rules are those of countdown.actions, countdown.heuristics and solver/dfs.ts, held equal by test.

/** Pools are kept one after the other, each in a slot of eight doubles: the numbers of 2 to 5, descending. */
export const poolSlot = 8;
/** Children of one node are kept from slot * childSlot on; a pool of five has at most 4 * C(5, 2) = 40. */
export const childSlot = 64;

/** Nodes of one search that can have children: more than 1 + 40 + 40 * 24 + 40 * 24 * 12, all there are of five numbers. */
export const mostNodes = 1 << 14;
export const pools = new Float64Array(mostNodes * poolSlot);
/** The same numbers in the order in which the text lists them: operands go, the result comes last. */
export const shownPools = new Float64Array(mostNodes * poolSlot);

const mostFamilies = 8;
/** Of each child: places of its operands in the parent's pool and its operator ("+*-/"), as left << 5 | right << 2 | operator. */
const codes = new Uint8Array(mostFamilies * childSlot);
const results = new Float64Array(mostFamilies * childSlot);
export const estimates = new Float64Array(mostFamilies * childSlot);

/** The operation of a child of a node. */
export function leftOf(node: number, child: number): number {
  return pools[node * poolSlot + ((codes[child] as number) >> 5)] as number;
}
export function rightOf(node: number, child: number): number {
  return pools[node * poolSlot + (((codes[child] as number) >> 2) & 7)] as number;
}
export function operatorOf(child: number): number {
  return (codes[child] as number) & 3;
}
export function resultOf(child: number): number {
  return results[child] as number;
}

/** What a search asks of a node's children: distances to the target or to its factors, and which of them it keeps. */
export interface Estimator {
  /** Heuristic `sum`, the mean distance of the pool to the target; else `mult`, the sum of its distances to the factors. */
  readonly isMean: boolean;
  readonly target: number;
  /** `mult`: distances of the values below the target; from the target on it is value - target. */
  readonly distances: Float64Array;
  /** Children whose estimate is above it are left out. */
  readonly bound: number;
  /** So many of the best children are kept at most. */
  readonly most: number;
}

function distance(value: number, { isMean, distances, target }: Estimator): number {
  if (isMean) return Math.abs(value - target);
  return value < target ? (distances[value] as number) : value - target;
}

// Distances of the pool's numbers while its children are listed.
const poolDistances = new Float64Array(poolSlot);

/**
 * Fills `family` with the children of the pool of `node` that are kept, in stable order of estimate, and returns how many
 * there are. Pairs of values once, the larger operand first, + * - /.
 */
export function listChildren(node: number, size: number, family: number, estimator: Estimator): number {
  const pool = node * poolSlot;
  const first = family * childSlot;
  let sum = 0;
  for (let index = 0; index < size; index++) {
    const own = distance(pools[pool + index] as number, estimator);
    poolDistances[index] = own;
    sum += own;
  }
  let end = first;
  for (let i = 0; i < size; i++) {
    const left = pools[pool + i] as number;
    if (i > 0 && left === pools[pool + i - 1]) continue;
    for (let j = i + 1; j < size; j++) {
      const right = pools[pool + j] as number;
      if (j > i + 1 && right === pools[pool + j - 1]) continue;
      const rest = sum - (poolDistances[i] as number) - (poolDistances[j] as number);
      const code = (i << 5) | (j << 2);
      end = offer(first, end, rest, left + right, code, size, estimator);
      end = offer(first, end, rest, left * right, code | 1, size, estimator);
      end = offer(first, end, rest, left - right, code | 2, size, estimator);
      if (right === 0) continue;
      const quotient = left / right;
      if (Math.floor(quotient) === quotient) end = offer(first, end, rest, quotient, code | 3, size, estimator);
    }
  }
  return end - first;
}

/**
 * Puts a child among first..end-1, behind those of equal estimate, unless it is above the bound or worse than as many as
 * are kept; returns the new end. `rest` is the distance of the numbers that stay.
 */
function offer(
  first: number,
  end: number,
  rest: number,
  result: number,
  code: number,
  size: number,
  estimator: Estimator,
): number {
  const total = rest + distance(result, estimator);
  const estimate = estimator.isMean ? total / (size - 1) : total;
  if (estimate > estimator.bound) return end;
  const isFull = end - first === estimator.most;
  if (isFull && estimate >= (estimates[end - 1] as number)) return end;
  let place = isFull ? end - 1 : end;
  for (; place > first && (estimates[place - 1] as number) > estimate; place--) {
    estimates[place] = estimates[place - 1] as number;
    codes[place] = codes[place - 1] as number;
    results[place] = results[place - 1] as number;
  }
  estimates[place] = estimate;
  codes[place] = code;
  results[place] = result;
  return isFull ? end : end + 1;
}

/** Two children of a family change places. */
export function swapChildren(one: number, other: number): void {
  const code = codes[one] as number;
  const estimate = estimates[one] as number;
  const result = results[one] as number;
  codes[one] = codes[other] as number;
  estimates[one] = estimates[other] as number;
  results[one] = results[other] as number;
  codes[other] = code;
  estimates[other] = estimate;
  results[other] = result;
}

/** Makes the pools of node `as` those of a child of `node`: the operands go, the first copy of each, the result comes in. */
export function enterChild(node: number, size: number, child: number, as: number): void {
  const code = codes[child] as number;
  const result = results[child] as number;
  const from = node * poolSlot;
  const to = as * poolSlot;
  const i = code >> 5;
  const j = (code >> 2) & 7;
  enterShown(from, size, pools[from + i] as number, pools[from + j] as number, result, to);
  enterSorted(from, size, i, j, result, to);
}

function enterSorted(from: number, size: number, i: number, j: number, result: number, as: number): void {
  let to = as;
  for (let index = 0; index < size; index++) if (index !== i && index !== j) pools[to++] = pools[from + index] as number;
  for (; to > as && (pools[to - 1] as number) < result; to--) pools[to] = pools[to - 1] as number;
  pools[to] = result;
}

function enterShown(from: number, size: number, left: number, right: number, result: number, as: number): void {
  let gone = left;
  let other = right;
  let to = as;
  for (let index = from; index < from + size; index++) {
    const value = shownPools[index] as number;
    // No number is negative: an operand that has gone is never met again.
    if (value === gone) gone = -1;
    else if (value === other) other = -1;
    else shownPools[to++] = value;
  }
  shownPools[to] = result;
}
