// Holds a search to what its format promises of it: whole lists of children, the frontier's order, no state twice.
import type { Puzzle } from "../puzzle/puzzle.ts";
import type { Discipline, Span } from "./format.ts";
import { AStarFrontier, FifoFrontier, type Frontier } from "./graderFrontier.ts";
import type { TreeNode } from "./graderTree.ts";
import type { ErrorKind } from "./verdict.ts";

export type Report = (kind: ErrorKind, span: Span, message: string, step?: number) => void;

/** The list of children that is being read. */
interface OpenList<State> {
  readonly node: TreeNode<State>;
  readonly step: number;
  /** Keys of the right ones, as listed. */
  readonly listed: string[];
  readonly from: number;
  to: number;
}

export class DisciplineCheck<Problem, State, Action> {
  readonly #puzzle: Puzzle<unknown, Problem, State, Action>;
  readonly #problem: Problem;
  readonly #allChildren: boolean;
  readonly #noRevisit: boolean;
  readonly #frontier: Frontier<State> | undefined;
  readonly #report: Report;
  readonly #expanded = new Set<string>();
  #list: OpenList<State> | undefined;

  constructor(
    puzzle: Puzzle<unknown, Problem, State, Action>,
    problem: Problem,
    discipline: Discipline,
    root: TreeNode<State>,
    report: Report,
  ) {
    this.#puzzle = puzzle;
    this.#problem = problem;
    this.#allChildren = discipline.allChildren ?? false;
    this.#noRevisit = discipline.noRevisit ?? false;
    this.#report = report;
    if (discipline.frontier === "fifo") this.#frontier = new FifoFrontier();
    else if (discipline.frontier) this.#frontier = new AStarFrontier(puzzle, problem, discipline.frontier.astar);
    this.#frontier?.add(root);
  }

  generated(node: TreeNode<State>, span: Span): void {
    if (this.#frontier?.add(node)) this.#expanded.delete(node.key);
    const list = this.#list;
    if (!list) return;
    if (node.parent !== list.node) {
      this.endList();
      return;
    }
    list.to = span[1];
    if (!node.wrong) list.listed.push(node.key);
  }

  /** Nothing of the frontier's order is asked of a node that a jump led to: the jump is the error. */
  jumped(node: TreeNode<State>): void {
    this.#frontier?.add(node);
  }

  /** One error at most: a state that is expanded again is not also out of its turn. `step`: steps read before. */
  expanded(node: TreeNode<State>, span: Span, step: number): void {
    const jumped = node.wrong && node.parent === undefined;
    const again = this.#expanded.has(node.key);
    const complaint = this.#frontier?.take(node);
    this.#expanded.add(node.key);
    if (again && this.#noRevisit) this.#report("revisit", span, `[${node.key}] was expanded before`);
    else if (complaint !== undefined && !jumped) this.#report("queue", span, complaint);
    if (this.#allChildren) this.#list = { node, step, listed: [], from: span[0], to: span[1] };
  }

  /** Any other event ends the list of children. A goal may be left without a list: nothing is searched for below it. */
  endList(): void {
    const list = this.#list;
    this.#list = undefined;
    if (!list) return;
    const { node, listed } = list;
    if (listed.length === 0 && this.#puzzle.isGoal(this.#problem, node.state)) return;
    const expected = this.#childKeys(node.state);
    const complaint = listComplaint(listed, expected);
    if (complaint !== undefined) {
      this.#report("neighbours", [list.from, list.to], `children of [${node.key}]: ${complaint}`, list.step);
    }
  }

  #childKeys(state: State): string[] {
    return this.#puzzle.actions(this.#problem, state).flatMap((action) => {
      const applied = this.#puzzle.apply(this.#problem, state, action);
      return applied.ok ? [this.#puzzle.stateKey(applied.state)] : [];
    });
  }
}

/** The first thing wrong with a list of legal children. Two actions may lead to equal states: then both are expected. */
function listComplaint(listed: readonly string[], expected: readonly string[]): string | undefined {
  const rest = new Map<string, number>();
  for (const key of expected) rest.set(key, (rest.get(key) ?? 0) + 1);
  for (const key of listed) {
    const left = rest.get(key) ?? 0;
    if (left === 0) return `[${key}] is listed once too often`;
    rest.set(key, left - 1);
  }
  const missing = expected.find((key) => (rest.get(key) ?? 0) > 0);
  if (missing !== undefined) return `[${missing}] is missing`;
  const at = listed.findIndex((key, index) => key !== expected[index]);
  return at < 0 ? undefined : `[${listed[at]}] stands where [${expected[at]}] is due`;
}
