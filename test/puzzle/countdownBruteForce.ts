// The solutions of a Countdown problem counted one by one, to hold numberOfSolutions of src/puzzle/countdownCount.ts against.
import { type CountdownProblem, countdown } from "../../src/puzzle/countdown.ts";

/** How many sequences of the puzzle's own actions use all numbers and end in the target. For small pools. */
export function countSolutions(numbers: readonly number[], target: number): number {
  const problem: CountdownProblem = { puzzle: "countdown", numbers, target };
  const count = (pool: readonly number[]): number => {
    if (pool.length === 1) return pool[0] === target ? 1 : 0;
    let sum = 0;
    for (const action of countdown.actions(problem, pool)) {
      const applied = countdown.apply(problem, pool, action);
      if (applied.ok) sum += count(applied.state);
    }
    return sum;
  };
  return count(countdown.root(problem));
}
