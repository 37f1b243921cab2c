// The `solution` of a Countdown line, fast: canonicalSolution of solver/exhaustive.ts by the same descent over plain numbers, and
// its text in the format `path` as bytes. Held equal to both by test.
import { type CountdownAction, evaluate, operatorOrder } from "../../puzzle/countdown.ts";
import { canReach } from "../../puzzle/countdownReach.ts";
import { words } from "../../trace/formats/sosLines.ts";
import { lineBytes, literal, put, putNumber, putNumbers } from "./lineBytes.ts";

const exploring = literal(words.exploring);
const resulting = literal(", Resulting Numbers: [");
const generated = literal(`]\\n${words.generated}`);
const nodePool = literal(": [");
const operation = literal("] from Operation: ");
const state = literal(`\\n${words.state}`);
const statePool = literal(":[");
const operations = literal("], Operations: ['");
const nextOperation = literal("', '");
const stateEnd = literal("']\\n");
const leafEnd = literal("]\\n");
const comma = literal(",");
const equal = literal(words.equal);
const equals = 0x3d;

const largestPool = 8;
const pool = new Float64Array(largestPool);

/** Writes the text of a solution that uses all numbers and makes the target. */
export function putSolution(at: number, numbers: readonly number[], target: number, steps: readonly CountdownAction[]): number {
  pool.set(numbers);
  let end = at;
  for (let done = 1; done <= steps.length; done++) {
    const step = steps[done - 1] as CountdownAction;
    const size = numbers.length - done;
    replace(size + 1, step);
    end = put(putStep(put(end, exploring), step), resulting);
    end = putNumbers(end, pool, 0, size);
    if (size === 1) break;
    end = putNumbers(put(putNumber(put(end, generated), done + 1), nodePool), pool, 0, size);
    end = putNumber(put(putStep(put(end, operation), step), state), target);
    end = put(putNumbers(put(end, statePool), pool, 0, size), operations);
    for (let index = 0; index < done; index++) {
      if (index > 0) end = put(end, nextOperation);
      end = putStep(end, steps[index] as CountdownAction);
    }
    end = put(end, stateEnd);
  }
  end = putNumber(put(end, leafEnd), target);
  return put(putNumber(put(end, comma), target), equal);
}

/** The pool of `size` numbers after a step: the first copy of each operand goes, the result comes last. */
function replace(size: number, { left, right, result }: CountdownAction): void {
  let [gone, other] = [left, right];
  let to = 0;
  for (let index = 0; index < size; index++) {
    const value = pool[index] as number;
    // No number is negative: an operand that has gone is never met again.
    if (value === gone) gone = -1;
    else if (value === other) other = -1;
    else pool[to++] = value;
  }
  pool[to] = result;
}

function putStep(at: number, { left, op, right, result }: CountdownAction): number {
  const end = putNumber(at, left);
  lineBytes[end] = op.charCodeAt(0);
  const behind = putNumber(end + 1, right);
  lineBytes[behind] = equals;
  return putNumber(behind + 1, result);
}

/** The canonical solution of a problem that is known to be solvable: an action and the pool after it, step by step. */
export function canonicalSteps(numbers: readonly number[], target: number): CountdownAction[] {
  const steps: CountdownAction[] = [];
  let pool = [...numbers];
  for (let index = 1; index < pool.length; index++) settle(pool, index);
  while (pool.length > 1) pool = firstStep(pool, target, steps);
  return steps;
}

/** Moves the number at `index` to its place among those before it, which are descending. */
function settle(pool: number[], index: number): void {
  const number = pool[index] as number;
  let place = index;
  for (; place > 0 && (pool[place - 1] as number) < number; place--) pool[place] = pool[place - 1] as number;
  pool[place] = number;
}

/** Takes the first action after which the target can be made; returns the pool after it. Pools are descending. */
function firstStep(pool: readonly number[], target: number, steps: CountdownAction[]): number[] {
  const last = pool.length - 2;
  const after = new Array<number>(last + 1).fill(0);
  for (let i = 0; i < pool.length; i++) {
    const left = pool[i] as number;
    if (i > 0 && left === pool[i - 1]) continue;
    for (let j = i + 1; j < pool.length; j++) {
      const right = pool[j] as number;
      if (j > i + 1 && right === pool[j - 1]) continue;
      for (let index = 0, to = 0; index < pool.length; index++) {
        if (index !== i && index !== j) after[to++] = pool[index] as number;
      }
      for (const op of operatorOrder) {
        const result = evaluate(left, op, right);
        if (result === undefined || result < 0) continue;
        after[last] = result;
        if (!canReach(after, target)) continue;
        steps.push({ left, op, right, result });
        settle(after, last);
        return after;
      }
    }
  }
  throw new Error(`canonicalSteps: ${pool.join(",")} cannot make ${target}`);
}
