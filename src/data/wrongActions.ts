// The three kinds of wrong action of Self-Backtracking (arXiv 2502.04404, appendix). How the wrong values are drawn is not
// published; the choices here are ours. Knows numbers and rules, no text.
import type { Rng } from "../lib/rng.ts";
import {
  type CountdownAction,
  type CountdownProblem,
  type CountdownState,
  countdown,
  evaluate,
  operatorOrder,
} from "../puzzle/countdown.ts";
import { canReachWithSome } from "../puzzle/countdownReach.ts";

/** exploration: a legal step into a dead end; arithmetic: an equation whose result is wrong; rule: an operand that the pool lacks. */
export const wrongKinds = ["exploration", "arithmetic", "rule"] as const;
export type WrongKind = (typeof wrongKinds)[number];

/**
 * A wrong action of that kind after the right steps of `prefix`, or undefined when the state has none. `operands` is the
 * range from which numbers off the pool are drawn.
 */
export function wrongAction(
  kind: WrongKind,
  problem: CountdownProblem,
  prefix: readonly CountdownAction[],
  rng: Rng,
  operands: readonly [number, number],
): CountdownAction | undefined {
  let pool = countdown.root(problem);
  for (const action of prefix) {
    const applied = countdown.apply(problem, pool, action);
    if (!applied.ok) throw new Error(`wrongAction: the prefix is not right: ${applied.violation.message}`);
    pool = applied.state;
  }
  if (kind === "exploration") return deadEnd(problem, pool, rng);
  if (kind === "arithmetic") return wrongResult(problem, pool, rng);
  const consumed = prefix.flatMap((action) => [action.left, action.right]).filter((value) => !pool.includes(value));
  return strangeOperand(pool, consumed, rng, operands);
}

/**
 * A legal step after which the target is out of reach, even if numbers may be left over: whichever way an answer is
 * graded, the model is never told to leave a state that can still be won.
 */
function deadEnd(problem: CountdownProblem, pool: CountdownState, rng: Rng): CountdownAction | undefined {
  return rng.shuffled(countdown.actions(problem, pool)).find((action) => {
    const applied = countdown.apply(problem, pool, action);
    return applied.ok && !canReachWithSome(applied.state, problem.target);
  });
}

/** A legal pair of operands with a result that is off: by a little, by one digit, or with two digits swapped. Never negative. */
function wrongResult(problem: CountdownProblem, pool: CountdownState, rng: Rng): CountdownAction {
  const action = rng.pick(countdown.actions(problem, pool));
  const slips = [smallOffset, wrongDigit, swappedDigits];
  for (;;) {
    const result = rng.pick(slips)(action.result, rng);
    if (result !== action.result && result >= 0 && Number.isSafeInteger(result)) return { ...action, result };
  }
}

function smallOffset(value: number, rng: Rng): number {
  const size = rng.pick([1, 1, 1, 2, 2, 3, 4, 5, 10]);
  return rng.below(2) === 0 ? value + size : value - size;
}

function wrongDigit(value: number, rng: Rng): number {
  const digits = [...String(value)];
  digits[rng.below(digits.length)] = String(rng.below(10));
  return Number(digits.join(""));
}

function swappedDigits(value: number, rng: Rng): number {
  const digits = [...String(value)];
  if (digits.length < 2) return value;
  const at = rng.below(digits.length - 1);
  [digits[at], digits[at + 1]] = [digits[at + 1] as string, digits[at] as string];
  return Number(digits.join(""));
}

/**
 * A right equation with one operand that is not there: a number used up before (half the time, where there is one), a
 * number that stands once and is used twice, or one that never was there.
 */
function strangeOperand(
  pool: CountdownState,
  consumed: readonly number[],
  rng: Rng,
  [low, high]: readonly [number, number],
): CountdownAction {
  for (;;) {
    const present = rng.pick(pool);
    const once = pool.indexOf(present) === pool.lastIndexOf(present);
    let strange = rng.between(low, Math.max(high, low + pool.length));
    if (consumed.length > 0 && rng.below(2) === 0) strange = rng.pick(consumed);
    else if (once && rng.below(4) === 0) strange = present;
    if (pool.includes(strange) && !(strange === present && once)) continue;
    const [left, right] = present >= strange ? [present, strange] : [strange, present];
    const op = rng.pick(operatorOrder);
    const result = evaluate(left, op, right);
    if (result !== undefined) return { left, op, right, result };
  }
}
