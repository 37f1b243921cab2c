// Replays the events of one text: judges each against the rules and the format's discipline, and counts. Errors are in the
// order of the text; spans are those of the response.
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { NodeId, SearchEvent } from "../solver/events.ts";
import type { Discipline, Span } from "./format.ts";
import { answerComplaint, tracebackComplaint } from "./graderAnswer.ts";
import { ChildrenOf } from "./graderChildren.ts";
import { DisciplineCheck } from "./graderDiscipline.ts";
import { ReplayTree, type TreeNode } from "./graderTree.ts";
import { GroundTruth } from "./graderTruth.ts";
import { type ErrorKind, errorKinds, type TraceError } from "./verdict.ts";

/** Nobody reads more, and a text of millions of wrong steps must not be answered by hundreds of megabytes. */
const mostErrors = 100_000;

/** A puzzle may name violations of its own; those that the taxonomy lacks are rule errors. */
function asErrorKind(kind: string): ErrorKind {
  return Object.hasOwn(errorKinds, kind) ? (kind as ErrorKind) : "rule";
}

/** A declaration of success that the rules confirm. */
interface Success {
  /** Steps of the way to it. */
  readonly length: number;
  readonly span: Span;
}

export class Replay<Problem, State, Action> {
  readonly errors: TraceError[] = [];
  readonly tree: ReplayTree<Problem, State, Action>;
  readonly truth: GroundTruth<Problem, State, Action>;
  /** Nodes that the search left: declared dead ends, or where a backtrack starts. */
  readonly left = new Set<TreeNode<State, Action>>();
  steps = 0;
  backtracks = 0;
  deadEnds = 0;
  mistakesBeforeSuccess = 0;
  declared = false;
  reached = false;
  /** The first declaration of success that holds. */
  firstSuccess: Success | undefined;
  /** The one that counts as the answer: the last, since an answer told after the search stands for it. */
  lastSuccess: Success | undefined;
  /** The goal declared last, or else the state that was generated last. */
  last: TreeNode<State, Action>;
  readonly #puzzle: Puzzle<unknown, Problem, State, Action>;
  readonly #problem: Problem;
  readonly #useAllNumbers: boolean;
  readonly #assertsDeadEnds: boolean;
  readonly #answerFromTree: boolean;
  /** State keys of the way told back, goal first, where it was told rightly. */
  #toldBack: readonly string[] | undefined;
  readonly #children: ChildrenOf<Problem, State, Action>;
  readonly #discipline: DisciplineCheck<Problem, State, Action> | undefined;
  readonly #denied = new Set<TreeNode<State, Action>>();
  readonly #declaredDead = new Set<TreeNode<State, Action>>();
  #goal: TreeNode<State, Action> | undefined;

  constructor(
    puzzle: Puzzle<unknown, Problem, State, Action>,
    problem: Problem,
    discipline: Discipline | undefined,
    useAllNumbers: boolean,
  ) {
    this.#puzzle = puzzle;
    this.#problem = problem;
    this.#useAllNumbers = useAllNumbers;
    this.#assertsDeadEnds = discipline?.assertsDeadEnds ?? false;
    this.#answerFromTree = discipline?.answerFromTree ?? false;
    this.tree = new ReplayTree(puzzle, problem);
    this.truth = new GroundTruth(puzzle, problem);
    this.#children = new ChildrenOf(puzzle, problem);
    this.last = this.tree.root;
    const report = this.add.bind(this);
    if (discipline) this.#discipline = new DisciplineCheck(puzzle, problem, discipline, this.tree.root, this.#children, report);
    this.#arrive(this.tree.root);
  }

  /** Beyond 100,000 errors the rest is not listed. */
  add(kind: ErrorKind, span: Span, message: string, step = this.steps): void {
    if (this.errors.length < mostErrors) this.errors.push({ kind, step, span, message });
  }

  event(event: SearchEvent<Action, State>, span: Span): void {
    if (event.kind === "generate") {
      this.#generate(event, span);
      return;
    }
    this.#discipline?.endList();
    if (event.kind === "expand") this.#discipline?.expanded(this.tree.at(event.node), span, this.steps);
    else if (event.kind === "jump") this.#jump(event.node, event.state, span);
    else if (event.kind === "deadEnd") this.#deadEnd(this.tree.at(event.node), span);
    else if (event.kind === "backtrack") {
      this.backtracks++;
      this.left.add(this.tree.at(event.from));
    } else if (event.kind === "goal") this.#declare(this.tree.at(event.node), span);
    else if (event.kind === "traceback") this.#traceback(event.path, span);
    else if (event.kind === "answer") this.#answer(event.path, span);
  }

  /** After the last event. `complete`: the text could be read to its end, so that the last list of children is whole. */
  end(complete: boolean): void {
    if (complete) this.#discipline?.endLastList();
  }

  #generate(event: Extract<SearchEvent<Action, State>, { kind: "generate" }>, span: Span): void {
    const { node, violation } = this.tree.generate(event);
    if (violation) {
      this.add(asErrorKind(violation.kind), span, violation.message);
      this.#mistake();
    } else if (this.#assertsDeadEnds) this.#deniedAt(this.tree.at(event.parent), span);
    this.#arrive(node);
    this.#discipline?.generated(node, span);
    this.steps++;
  }

  /** A legal step from a state in which the puzzle itself sees no step to take: once for each such state. */
  #deniedAt(parent: TreeNode<State, Action>, span: Span): void {
    if (this.#denied.has(parent) || this.#isComplete(parent)) return;
    if (this.#puzzle.actions(this.#problem, parent.state).length > 0) return;
    this.#denied.add(parent);
    this.add("dead-end-denied", span, `nothing can come of [${parent.key}], but the search goes on below it`);
  }

  #jump(id: NodeId, state: State, span: Span): void {
    const node = this.tree.jump(id, state);
    this.add("jump", span, `[${node.key}] was never generated at this place`);
    this.#mistake();
    this.last = node;
    this.#discipline?.jumped(node);
  }

  /** The same node is judged once, however often it is declared: the truth may be costly to know. */
  #deadEnd(node: TreeNode<State, Action>, span: Span): void {
    this.deadEnds++;
    this.#mistake();
    this.left.add(node);
    if (this.#declaredDead.has(node)) return;
    this.#declaredDead.add(node);
    if (this.#isComplete(node)) {
      this.add("dead-end-invented", span, `[${node.key}] is declared a dead end, but it is a goal`);
    } else if (this.#assertsDeadEnds && this.truth.canSolve(node) === true) {
      this.add("dead-end-invented", span, `[${node.key}] is declared a dead end, but a goal can be reached from it`);
    }
  }

  #declare(node: TreeNode<State, Action>, span: Span): void {
    this.declared = true;
    this.#goal = node;
    this.last = node;
    if (!this.truth.isEnd(node.state, node.action)) {
      const why = this.#puzzle.isGoal(this.#problem, node.state) ? ", and no step to it made the goal" : "";
      this.add("false-goal", span, `success is declared, but the state is [${node.key}]${why}`);
    } else if (this.#useAllNumbers && !this.#allUsed(node.state)) {
      this.add("numbers-left", span, `the target is reached, but not all numbers are used: the state is [${node.key}]`);
    } else if (this.#isRight(node)) this.#succeed(node.depth, span);
  }

  #traceback(path: readonly State[], span: Span): void {
    const told = path.map((state) => this.#puzzle.stateKey(state));
    const complaint = tracebackComplaint(told, this.#goal);
    if (complaint === undefined) this.#toldBack = told;
    else this.add("traceback", span, complaint);
  }

  #answer(path: readonly State[], span: Span): void {
    this.declared = true;
    this.lastSuccess = undefined;
    const complaint =
      answerComplaint(this.#puzzle, this.#problem, path, this.#children, this.truth) ?? this.#answerElsewhere(path);
    if (complaint) {
      this.add(complaint.kind, span, complaint.message);
      return;
    }
    const end = path.at(-1) as State;
    if (this.#useAllNumbers && !this.#allUsed(end)) {
      this.add("numbers-left", span, `the answer leaves numbers over: it ends at [${this.#puzzle.stateKey(end)}]`);
      return;
    }
    this.reached = true;
    this.#succeed(path.length - 1, span);
    const told = path.map((state) => this.#puzzle.stateKey(state)).reverse();
    if (this.#toldBack !== undefined && this.#toldBack.join("\n") !== told.join("\n"))
      this.add("traceback", span, "the answer is right, but it is not the way that was told back");
  }

  /** An answer that is right by the rules, but not what the search found. */
  #answerElsewhere(path: readonly State[]): { readonly kind: ErrorKind; readonly message: string } | undefined {
    // Where the goal lies below a jump the tree knows no way to it: the jump is the error.
    if (!this.#answerFromTree || this.#goal?.right === undefined) return undefined;
    const told = path.map((state) => this.#puzzle.stateKey(state)).reverse();
    const message = tracebackComplaint(told, this.#goal);
    return message === undefined ? undefined : { kind: "traceback", message };
  }

  /** Whether the right steps alone lead to this very end: a wrong step's claim is no success. */
  #isRight({ state, key, right, rightAction }: TreeNode<State, Action>): boolean {
    if (right === undefined) return false;
    return (right === state || this.#puzzle.stateKey(right) === key) && this.truth.isEnd(right, rightAction);
  }

  #succeed(length: number, span: Span): void {
    this.lastSuccess = { length, span };
    this.firstSuccess ??= this.lastSuccess;
  }

  #mistake(): void {
    if (!this.firstSuccess) this.mistakesBeforeSuccess++;
  }

  #arrive(node: TreeNode<State, Action>): void {
    this.last = node;
    const { right, rightAction } = node;
    if (right === undefined || this.reached) return;
    const complete = !this.#useAllNumbers || this.#allUsed(right);
    if (complete && this.truth.isEnd(right, rightAction)) this.reached = true;
  }

  /** A goal by the strictest reading, which no setting refuses: also with every number used. */
  #isComplete({ state, action }: TreeNode<State, Action>): boolean {
    return this.truth.isEnd(state, action) && this.#allUsed(state);
  }

  #allUsed(state: State): boolean {
    return this.#puzzle.allUsed?.(this.#problem, state) ?? true;
  }
}
