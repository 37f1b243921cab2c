// The oracle policy with a noise dial: continues a Countdown response in the self-backtracking format, right with a given
// probability. A pure function of the text before it and the random stream: never of batch, order or time.
import type { Rng } from "../../lib/rng.ts";
import {
  type CountdownAction,
  type CountdownProblem,
  type CountdownState,
  countdown,
  equation,
} from "../../puzzle/countdown.ts";
import { canReach } from "../../puzzle/countdownReach.ts";
import { selfBacktracking } from "../../trace/formats/selfBacktracking.ts";

export interface Noise {
  /** Probability that the next step is right, where a right one exists. */
  readonly rightStep: number;
  /** Probability of the backtrack marker after a wrong step. */
  readonly backtrack: number;
}

/** A stretch of text and its log-probability. */
export interface Segment {
  readonly text: string;
  readonly logprob: number;
}

/** Wrong steps by kind, as in the training data: exploration, arithmetic, operand. */
const wrongKinds = [1, 2, 2] as const;
const { goal, backtrack } = selfBacktracking.markers as { goal: string; backtrack: string };

/**
 * The continuation of `prefix` (prompt and the response so far), ending where the model would end its text.
 * `mayBacktrack`: whether the model has ever seen the marker. Empty for a text that is no prompt of the format.
 */
export function continueText(prefix: string, rng: Rng, noise: Noise, mayBacktrack: boolean): Segment[] {
  const read = selfBacktracking.readPrompt(prefix);
  if (!read) return [];
  const { problem, length } = read;
  const response = prefix.slice(length);
  if (response.includes(goal) || response.includes(backtrack)) return [];
  const lineStart = response.lastIndexOf("\n") + 1;
  let pool = replay(problem, response.slice(0, lineStart));
  // A line already begun is the reader's to keep: only steps that continue it are offered.
  let begun = response.slice(lineStart);
  const segments: Segment[] = [];
  const say = (text: string, probability: number) => {
    segments.push({ text: text.slice(begun.length), logprob: Math.log(Math.max(probability, 1e-6)) });
    begun = "";
  };
  while (pool.length > 1) {
    const { action, right } = nextStep(problem, pool, rng, noise);
    const line = `${equation(action)}\n`;
    if (!line.startsWith(begun)) {
      // No step continues what was begun: the line is closed as it is.
      say(`${begun}\n`, 0.1);
      continue;
    }
    say(line, right ? noise.rightStep : 1 - noise.rightStep);
    pool = countdown.applyAsClaimed(problem, pool, action);
    if (!right && mayBacktrack && rng.uniform() < noise.backtrack) {
      say(backtrack, noise.backtrack);
      return segments;
    }
  }
  if (pool[0] === problem.target || rng.uniform() < 0.3) say(goal, 0.95);
  return segments;
}

/** The pool after the complete lines of a response, wrong results taken as claimed. */
function replay(problem: CountdownProblem, lines: string): CountdownState {
  let pool = countdown.root(problem);
  for (const event of selfBacktracking.parse(problem, lines).events) {
    if (event.kind === "generate") pool = countdown.applyAsClaimed(problem, pool, event.action);
  }
  return pool;
}

function nextStep(
  problem: CountdownProblem,
  pool: CountdownState,
  rng: Rng,
  noise: Noise,
): { action: CountdownAction; right: boolean } {
  const actions = countdown.actions(problem, pool);
  const reaches = (action: CountdownAction) => canReach(countdown.applyAsClaimed(problem, pool, action), problem.target);
  const right = actions.filter(reaches);
  if (right.length > 0 && rng.uniform() < noise.rightStep) return { action: rng.pick(right), right: true };
  return { action: wrongStep(pool, actions, right, rng), right: false };
}

function wrongStep(
  pool: CountdownState,
  actions: readonly CountdownAction[],
  right: readonly CountdownAction[],
  rng: Rng,
): CountdownAction {
  const kind = rng.weighted(wrongKinds);
  const astray = actions.filter((action) => !right.includes(action));
  if (kind === 0 && astray.length > 0) return rng.pick(astray);
  const action = rng.pick(actions);
  if (kind <= 1) return { ...action, result: action.result + rng.between(1, 9) };
  let stranger = rng.between(1, 99);
  while (pool.includes(stranger)) stranger++;
  return { left: action.left, op: "+", right: stranger, result: action.left + stranger };
}
