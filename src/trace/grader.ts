// Replays a parsed text against the rules and says, step by step, what is wrong. Never throws on a text and never
// evaluates it; knows no puzzle but through its port.
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { NodeId, SearchEvent } from "../solver/events.ts";
import type { Format, Span } from "./format.ts";
import type { ErrorKind, TraceError, Verdict } from "./verdict.ts";

export interface GradeOptions {
  /**
   * Whether an answer must use every number. False by default: the published evaluator of Self-Backtracking and the
   * television game accept any part of the numbers, and its accuracies can only be compared on those terms. Training
   * solutions use all numbers, and a verdict's `allUsed` says whether the text did.
   */
  readonly useAllNumbers?: boolean;
}

/** Where the replay stands at one node. */
interface Replayed<State> {
  /** What the text claims: a wrong step's stated result counts. */
  readonly claimed: State;
  /** What the right steps alone lead to. */
  readonly right: State;
}

const errorKinds: readonly ErrorKind[] = [
  "format",
  "arithmetic",
  "operand",
  "rule",
  "false-goal",
  "goal-missed",
  "numbers-left",
];

/** A puzzle may name violations of its own; those that the taxonomy lacks are rule errors. */
function asErrorKind(kind: string): ErrorKind {
  return errorKinds.find((known) => known === kind) ?? "rule";
}

class Replay<Problem, State, Action> {
  readonly errors: TraceError[] = [];
  steps = 0;
  backtracks = 0;
  declared = false;
  reached = false;
  last: State;
  readonly #nodes = new Map<NodeId, Replayed<State>>();
  readonly #puzzle: Puzzle<never, Problem, State, Action>;
  readonly #problem: Problem;
  readonly #useAllNumbers: boolean;

  constructor(puzzle: Puzzle<never, Problem, State, Action>, problem: Problem, useAllNumbers: boolean) {
    this.#puzzle = puzzle;
    this.#problem = problem;
    this.#useAllNumbers = useAllNumbers;
    this.last = puzzle.root(problem);
    this.#arrive(0, { claimed: this.last, right: this.last });
  }

  add(kind: ErrorKind, span: Span, message: string, step = this.steps): void {
    this.errors.push({ kind, step, span, message });
  }

  event(event: SearchEvent<Action>, span: Span): void {
    if (event.kind === "generate") this.#generate(event, span);
    else if (event.kind === "backtrack") this.backtracks++;
    else if (event.kind === "goal") this.#goal(event.node, span);
  }

  #generate(event: { readonly node: NodeId; readonly parent: NodeId; readonly action: Action }, span: Span): void {
    const from = this.#at(event.parent);
    const claimed = this.#puzzle.apply(this.#problem, from.claimed, event.action);
    const right = this.#puzzle.apply(this.#problem, from.right, event.action);
    if (!claimed.ok) this.add(asErrorKind(claimed.violation.kind), span, claimed.violation.message);
    this.#arrive(event.node, {
      claimed: claimed.ok
        ? claimed.state
        : (this.#puzzle.applyAsClaimed?.(this.#problem, from.claimed, event.action) ?? from.claimed),
      right: right.ok ? right.state : from.right,
    });
    this.steps++;
  }

  #goal(node: NodeId, span: Span): void {
    const { claimed } = this.#at(node);
    this.declared = true;
    if (!this.#puzzle.isGoal(this.#problem, claimed)) {
      this.add("false-goal", span, `success is declared, but the state is [${this.#puzzle.stateKey(claimed)}]`);
    } else if (this.#useAllNumbers && !this.#allUsed(claimed)) {
      this.add(
        "numbers-left",
        span,
        `the target is reached, but not all numbers are used: the state is [${this.#puzzle.stateKey(claimed)}]`,
      );
    }
  }

  #arrive(node: NodeId, replayed: Replayed<State>): void {
    this.#nodes.set(node, replayed);
    this.last = replayed.claimed;
    const complete = !this.#useAllNumbers || this.#allUsed(replayed.right);
    if (complete && this.#puzzle.isGoal(this.#problem, replayed.right)) this.reached = true;
  }

  #at(node: NodeId): Replayed<State> {
    const replayed = this.#nodes.get(node);
    if (!replayed) throw new Error(`the format's parser refers to node ${node} before it is generated`);
    return replayed;
  }

  #allUsed(state: State): boolean {
    return this.#puzzle.allUsed?.(this.#problem, state) ?? true;
  }
}

/**
 * The verdict on a model's text: the response, or prompt and response. Spans are ranges of `text` as given.
 * One error per wrong step (operand before rule and arithmetic); the replay goes on from the state that a wrong step
 * claims, so later steps are judged by what the text says. `goal-missed` stands only where the text could be read to its
 * end: after a format error nobody knows how it would have ended. A text that ends in a backtrack mark is not solved.
 * Never throws on any text.
 */
export function grade<Problem, State, Action>(
  format: Format<Problem, Action>,
  puzzle: Puzzle<never, Problem, State, Action>,
  problem: Problem,
  text: string,
  options: GradeOptions = {},
): Verdict {
  const prompt = format.prompt(problem);
  const offset = text.startsWith(prompt) ? prompt.length : 0;
  const shift = ([from, to]: Span): Span => [from + offset, to + offset];
  const parsed = format.parse(problem, text.slice(offset));
  const replay = new Replay(puzzle, problem, options.useAllNumbers ?? false);
  for (const [index, event] of parsed.events.entries()) replay.event(event, shift(parsed.eventSpans[index] as Span));
  for (const error of parsed.errors) replay.add("format", shift(error.span), error.message);
  if (!replay.declared && parsed.errors.length === 0) {
    const end =
      parsed.events.at(-1)?.kind === "backtrack"
        ? shift(parsed.eventSpans.at(-1) as Span)
        : ([text.length, text.length] as const);
    replay.add(
      "goal-missed",
      end,
      end[0] === end[1] ? "the text ends without declaring success" : "the text gives up: it ends in a backtrack mark",
    );
  }
  const allUsed = puzzle.allUsed?.(problem, replay.last);
  return {
    solved: replay.declared && replay.errors.length === 0,
    reached: replay.reached,
    ...(allUsed === undefined ? {} : { allUsed }),
    errors: replay.errors,
    stats: { steps: replay.steps, backtracks: replay.backtracks },
  };
}
