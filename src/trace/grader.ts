// The verdict on a text: parsed by its format, replayed against the rules, counted. Never throws on a text and never
// evaluates it; knows no puzzle but through its port.
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { Format, Parsed, Span } from "./format.ts";
import { calibrate } from "./graderCalibration.ts";
import { Replay } from "./graderReplay.ts";
import { countTokens } from "./tokenCount.ts";
import type { TraceError, TraceStatistics, Verdict } from "./verdict.ts";

export interface GradeOptions {
  /**
   * Whether an answer must use every number. False by default: the published evaluator of Self-Backtracking and the
   * television game accept any part of the numbers (if the last result is the target), and its accuracies can only be compared on
   * those terms. Training
   * solutions use all numbers, and a verdict's `allUsed` says whether the text did.
   */
  readonly useAllNumbers?: boolean;
  /** Whether to ask the puzzle of every state that was left or gone on from whether it was a dead end (`canSolve`). Costly. */
  readonly deadEnds?: boolean;
  /** Whether to count `tokensToGoal`. */
  readonly tokens?: boolean;
}

/**
 * The verdict on a model's text: the response, or prompt and response. Spans are ranges of `text` as given; errors stand in
 * their order in it, the first 100,000 of them. The replay goes on from the state that a wrong step claims, so later steps are judged by what the text
 * says. What each kind means exactly:
 * - `format`: the text leaves the grammar; nothing after that is read, and no end is judged
 * - `operand`, `arithmetic`, `rule`, `neighbours`, `candidates` at a step: the puzzle's `apply` refuses it, for the first
 *   reason it names; one error a step. `rule` also where an answer is no path of legal steps from the root
 * - `state`: the parser found that something the text says twice does not agree
 * - `jump`: the search moves to a node that was never generated
 * - `neighbours` at a list (Discipline.allChildren): a legal child is missing, listed twice or out of the puzzle's order; by
 *   Discipline.newChildren: one is missing that is unknown or comes cheaper, or another is listed
 * - `queue` (Discipline.frontier): by fifo, the node expanded is not the oldest open one (a state known before does not enter
 *   the queue again); by astar, another open one has less depth + heuristic (ties are free); by Discipline.stopsAtGoal, the
 *   first node expanded after the list that holds a goal
 * - `revisit` (Discipline.noRevisit): a state is expanded again, unless astar found it a cheaper way since
 * - `traceback`: the way told back from the goal (by Discipline.answerFromTree also the answer) is not the way in the tree,
 *   state by state; or a right answer is another way than the one told back
 * - `false-goal`: success is declared, or an answer ends, where `isGoal` is false, or `achieves`: Countdown's last result must be
 *   the target, as the published evaluator asks, so a target among the given numbers is no success
 * - `goal-missed`: the text could be read to its end and declares no success; a text that ends in a backtrack mark gives up
 * - `numbers-left`: the goal is true, but the option `useAllNumbers` is on and `allUsed` false
 * - `not-shortest`: success is true, but longer than `shortestLength`, and the puzzle demands the shortest
 * - `dead-end-invented`: a dead end is declared at a goal with everything used, or (Discipline.assertsDeadEnds) where
 *   `canSolve` is true; judged once a node. Two seconds of `canSolve` (`canSolveCost`) are spent on one text; beyond, nothing is
 *   known of states that cost: no error, and `unknown` in the calibration
 * - `dead-end-denied` (Discipline.assertsDeadEnds): a step that leads on from a state, no goal, where `actions` gives none
 * Never throws on any text; throws only for a parser that refers to nodes it never brought in.
 */
export function grade<Problem, State, Action>(
  format: Format<Problem, Action, State>,
  puzzle: Puzzle<unknown, Problem, State, Action>,
  problem: Problem,
  text: string,
  options: GradeOptions = {},
): Verdict {
  const prompt = format.prompt(problem);
  const offset = text.startsWith(prompt) ? prompt.length : 0;
  const response = text.slice(offset);
  const parsed = format.parse(problem, response);
  const replay = new Replay(puzzle, problem, format.discipline, options.useAllNumbers ?? false);
  replayAll(replay, parsed);
  judgeEnd(replay, puzzle, problem, parsed, response);
  const errors = inOrder(replay.errors, offset);
  const allUsed = puzzle.allUsed?.(problem, replay.last.state);
  const goalEnd = options.tokens ? replay.firstSuccess?.span[1] : undefined;
  const tokens = goalEnd === undefined ? undefined : countTokens(format.vocabulary, response.slice(0, goalEnd));
  return {
    solved: replay.declared && errors.length === 0,
    reached: replay.reached,
    ...(allUsed === undefined ? {} : { allUsed }),
    errors,
    stats: {
      ...statistics(replay, errors, puzzle, problem),
      ...(tokens === undefined ? {} : { tokensToGoal: tokens }),
      ...(options.deadEnds ? { backtrackCalibration: calibrate(replay.truth, replay.tree.nodes(), replay.left) } : {}),
    },
  };
}

/** Events and what the parser complained about, in the order of the text. */
function replayAll<Problem, State, Action>(
  replay: Replay<Problem, State, Action>,
  { events, eventSpans, errors }: Parsed<Action, State>,
): void {
  const complaints = errors
    .map((error) => ({ error, place: error.event ?? firstFrom(eventSpans, error.span[0]) }))
    .sort((a, b) => a.place - b.place);
  let next = 0;
  const complain = (upTo: number) => {
    for (let found = complaints[next]; found && found.place <= upTo; found = complaints[++next]) {
      const { kind, span, message } = found.error;
      replay.add(kind ?? "format", span, message);
    }
  };
  for (let index = 0; index < events.length; index++) {
    complain(index);
    replay.event(events[index] as (typeof events)[number], eventSpans[index] as Span);
  }
  complain(events.length);
}

/** Index of the first span that begins at `at` or later, by bisection. */
function firstFrom(spans: readonly Span[], at: number): number {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle] as Span)[0] < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

function judgeEnd<Problem, State, Action>(
  replay: Replay<Problem, State, Action>,
  puzzle: Puzzle<unknown, Problem, State, Action>,
  problem: Problem,
  { events, eventSpans, errors }: Parsed<Action, State>,
  response: string,
): void {
  const complete = errors.every((error) => error.kind !== undefined && error.kind !== "format");
  // A parser that finds the last list unfinished has judged it.
  replay.end(complete && !errors.some(({ kind }) => kind === "neighbours"));
  const success = replay.lastSuccess;
  if (success && puzzle.demandsShortest) {
    const shortest = puzzle.shortestLength?.(problem) ?? success.length;
    if (success.length > shortest) {
      replay.add("not-shortest", success.span, `the answer takes ${success.length} steps, the shortest way ${shortest}`);
    }
  }
  if (replay.declared || !complete) return;
  if (events.at(-1)?.kind === "backtrack") {
    replay.add("goal-missed", eventSpans.at(-1) as Span, "the text gives up: it ends in a backtrack mark");
  } else {
    replay.add("goal-missed", [response.length, response.length], "the text ends without declaring success");
  }
}

/** By where they begin (a list of children is judged at its end), with spans of the whole text. */
function inOrder(errors: readonly TraceError[], offset: number): readonly TraceError[] {
  const sorted = errors.length > 1 ? [...errors].sort((a, b) => a.span[0] - b.span[0]) : errors;
  if (offset === 0) return sorted;
  return sorted.map((error) => ({ ...error, span: [error.span[0] + offset, error.span[1] + offset] }));
}

/** What is counted of every text, whatever the options. */
function statistics<Problem, State, Action>(
  replay: Replay<Problem, State, Action>,
  errors: readonly TraceError[],
  puzzle: Puzzle<unknown, Problem, State, Action>,
  problem: Problem,
): TraceStatistics {
  const first = errors[0];
  const success = replay.lastSuccess;
  const shortest = success ? puzzle.shortestLength?.(problem) : undefined;
  return {
    steps: replay.steps,
    backtracks: replay.backtracks,
    deadEnds: replay.deadEnds,
    nodes: replay.tree.distinctStates(),
    mistakesBeforeSuccess: replay.mistakesBeforeSuccess,
    ...(first ? { firstError: { kind: first.kind, step: first.step } } : {}),
    ...(replay.firstSuccess ? { charactersToGoal: replay.firstSuccess.span[1] } : {}),
    ...(shortest === undefined ? {} : { optimal: success?.length === shortest }),
  };
}
