// The laws of the Solver port (solver/solver.ts), checked on one trace.
import type { AnyPuzzle, Puzzle } from "../puzzle/puzzle.ts";
import type { Trace } from "../solver/events.ts";
import type { SolverSettings } from "../solver/settings.ts";
import { isSolution } from "../solver/solver.ts";
import { type LawBook, shown } from "./law.ts";

/** One trace of a solver: its laws and its budget. */
export function checkTrace(
  book: LawBook,
  puzzle: AnyPuzzle,
  problem: unknown,
  trace: Trace<unknown>,
  settings: SolverSettings,
  name: string,
): void {
  book.check(
    `solver ${settings.kind}: a legal walk that ends as it says`,
    () => name,
    () => breaches(puzzle, problem, trace)[0],
  );
  book.check(
    `solver ${settings.kind}: its budget is kept`,
    () => name,
    () => {
      const generated = trace.filter(({ kind }) => kind === "generate").length;
      return settings.maxNodes !== undefined && generated > settings.maxNodes ? `${generated} nodes` : undefined;
    },
  );
}

/** What a trace breaks of the laws in src/solver/solver.ts, in words; empty when it keeps them all. */
export function breaches<Options, Problem, State, Action>(
  puzzle: Puzzle<Options, Problem, State, Action>,
  problem: Problem,
  events: Trace<Action, State>,
): string[] {
  const found: string[] = [];
  const root = puzzle.root(problem);
  const states: State[] = [root];
  const parents: number[] = [-1];
  const pathTo = (node: number) => {
    const path: number[] = [];
    for (let at = node; at >= 0; at = parents[at] as number) path.unshift(at);
    return path;
  };
  const keys = (path: readonly State[]) => path.map((state) => puzzle.stateKey(state)).join(" ");
  let here = 0;
  let goal: number | undefined;
  for (const [index, event] of events.entries()) {
    const breach = (what: string) => found.push(`event ${index} ${shown(event)}: ${what}`);
    if (goal !== undefined && event.kind !== "traceback" && event.kind !== "answer") breach("after the goal");
    if (event.kind === "jump") breach("a solver never jumps");
    if (event.kind === "generate") {
      if (event.node !== states.length) breach(`not the next number, ${states.length}`);
      const parent = states[event.parent];
      if (parent === undefined) {
        breach("unknown parent");
        break;
      }
      const applied = puzzle.apply(problem, parent, event.action);
      if (!applied.ok) breach(`illegal: ${applied.violation.message}`);
      states.push(applied.ok ? applied.state : parent);
      parents.push(event.parent);
      here = event.node;
    } else if (event.kind === "backtrack") {
      if (event.from !== here) breach(`the search stands at ${here}`);
      if (event.from === event.to || !pathTo(event.from).includes(event.to)) breach("not to an ancestor");
      here = event.to;
    } else if (event.kind === "traceback" || event.kind === "answer") {
      const path = event.kind === "answer" ? event.path : event.path.toReversed();
      if (goal === undefined) breach("before the goal");
      else if (keys(path) !== keys(pathTo(goal).map((node) => states[node] as State))) breach("not the way to the goal");
    } else if (event.kind !== "jump") {
      if (event.node >= states.length) breach("unknown node");
      if (event.kind === "visit") here = event.node;
      const before = events[index - 1];
      const moved = event.node === 0 ? index === 0 : before?.kind === "visit" && before.node === event.node;
      if (event.kind === "expand" && !moved) breach("expanded without moving there");
      if (event.kind === "goal") {
        goal = event.node;
        if (!isSolution(puzzle, problem, states[event.node] as State)) breach("no solution");
      }
    }
  }
  return found;
}
