// Holds a search to what its format promises of it: whole lists of children, the frontier's order, no state twice.
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { Discipline, Span } from "./format.ts";
import type { Children, ChildrenOf } from "./graderChildren.ts";
import { AStarFrontier, FifoFrontier, type Frontier } from "./graderFrontier.ts";
import type { TreeNode } from "./graderTree.ts";
import type { ErrorKind } from "./verdict.ts";

export type Report = (kind: ErrorKind, span: Span, message: string, step?: number) => void;

/** The list of children that is being read. */
interface OpenList<State> {
  readonly node: TreeNode<State>;
  readonly step: number;
  /** Keys that it should hold, where that is known before it is read. */
  readonly expected: Children | undefined;
  /** Keys of the right ones, as listed. */
  readonly listed: string[];
  readonly from: number;
  to: number;
}

export class DisciplineCheck<Problem, State, Action> {
  readonly #puzzle: Puzzle<unknown, Problem, State, Action>;
  readonly #problem: Problem;
  readonly #discipline: Discipline;
  readonly #children: ChildrenOf<Problem, State, Action>;
  readonly #frontier: Frontier<State> | undefined;
  readonly #report: Report;
  readonly #expanded = new Set<string>();
  #list: OpenList<State> | undefined;
  /** The goal that ends a search which stops there; null: something was expanded all the same, which is said once. */
  #found: TreeNode<State> | undefined | null;

  constructor(
    puzzle: Puzzle<unknown, Problem, State, Action>,
    problem: Problem,
    discipline: Discipline,
    root: TreeNode<State>,
    children: ChildrenOf<Problem, State, Action>,
    report: Report,
  ) {
    this.#puzzle = puzzle;
    this.#problem = problem;
    this.#discipline = discipline;
    this.#children = children;
    this.#report = report;
    if (discipline.frontier === "fifo") this.#frontier = new FifoFrontier();
    else if (discipline.frontier) this.#frontier = new AStarFrontier(puzzle, problem, discipline.frontier.astar);
    this.#frontier?.add(root);
  }

  generated(node: TreeNode<State>, span: Span): void {
    if (this.#frontier?.add(node)) this.#expanded.delete(node.key);
    const stops = this.#discipline.stopsAtGoal && this.#found === undefined && !node.wrong;
    if (stops && this.#puzzle.isGoal(this.#problem, node.state)) this.#found = node;
    const list = this.#list;
    if (!list) return;
    if (node.parent !== list.node) {
      this.endList();
      return;
    }
    list.to = span[1];
    if (!node.wrong) list.listed.push(node.key);
  }

  /**
   * Nothing of the frontier's order is asked of a node that a jump led to: the jump is the error. Nor does it make the state
   * known where children must be new: nobody knows at what depth.
   */
  jumped(node: TreeNode<State>): void {
    if (!this.#discipline.newChildren) this.#frontier?.add(node);
  }

  /** One error at most: a state that is expanded again is not also out of its turn. `step`: steps read before. */
  expanded(node: TreeNode<State>, span: Span, step: number): void {
    const jumped = node.wrong && node.parent === undefined;
    const again = this.#expanded.has(node.key);
    const complaint = this.#frontier?.take(node);
    this.#expanded.add(node.key);
    const found = this.#found;
    if (found) this.#found = null;
    if (again && this.#discipline.noRevisit) this.#report("revisit", span, `[${node.key}] was expanded before`);
    else if (found) this.#report("queue", span, `[${node.key}] is expanded, but the goal [${found.key}] was found before`);
    else if (complaint !== undefined && !jumped) this.#report("queue", span, complaint);
    const { allChildren, newChildren } = this.#discipline;
    // Below a jump nobody knows how deep the search is, nor what is cheaper.
    if (!allChildren && !(newChildren && node.right !== undefined)) return;
    const expected = newChildren ? this.#newChildren(node) : undefined;
    this.#list = { node, step, expected, listed: [], from: span[0], to: span[1] };
  }

  /** Any other event ends the list of children. A goal may be left without a list: nothing is searched for below it. */
  endList(): void {
    const list = this.#list;
    this.#list = undefined;
    if (!list) return;
    const { node, listed } = list;
    if (listed.length === 0 && this.#puzzle.isGoal(this.#problem, node.state)) return;
    const expected = list.expected ?? this.#children.of(node.state, node.key);
    const complaint = listComplaint(listed, expected, list.expected === undefined);
    if (complaint !== undefined) {
      this.#report("neighbours", [list.from, list.to], `children of [${node.key}]: ${complaint}`, list.step);
    }
  }

  /** The text ends here; where lists are not closed by a mark of their own, this one may be cut off. */
  endLastList(): void {
    if (!this.#list?.expected) this.endList();
  }

  /** The children that are new to the search, or come cheaper. */
  #newChildren(node: TreeNode<State>): Children {
    const { keys } = this.#children.of(node.state, node.key);
    const fresh = [...new Set(keys)].filter((key) => this.#frontier?.isNew(key, node.depth + 1));
    return { keys: fresh, counts: new Map(fresh.map((key) => [key, 1])) };
  }
}

/**
 * The first thing wrong with a list of legal children. Two actions may lead to equal states: then both are expected. Takes time
 * in proportion to the list, not to what is expected: a text may leave the same long list empty again and again.
 */
function listComplaint(listed: readonly string[], expected: Children, inOrder: boolean): string | undefined {
  const { keys, counts } = expected;
  const seen = new Map<string, number>();
  for (const key of listed) {
    const times = (seen.get(key) ?? 0) + 1;
    if (times > (counts.get(key) ?? 0)) return `[${key}] is listed once too often`;
    seen.set(key, times);
  }
  const missing = keys.find((key) => (seen.get(key) ?? 0) < (counts.get(key) as number));
  if (missing !== undefined) return `[${missing}] is missing`;
  const at = inOrder ? listed.findIndex((key, index) => key !== keys[index]) : -1;
  return at < 0 ? undefined : `[${listed[at]}] stands where [${keys[at]}] is due`;
}
