// Depth-first search through every legal action: the reference solver, and Countdown's canonical solution. Never text.
import { type CountdownAction, type CountdownProblem, countdown } from "../puzzle/countdown.ts";
import { canReach } from "../puzzle/countdownReach.ts";
import { DepthFirst } from "./depthFirst.ts";
import type { SearchEvent } from "./events.ts";
import type { SettingsOf } from "./settings.ts";
import type { Solver } from "./solver.ts";
import { rootFirst, type Space, solverOf } from "./space.ts";

/**
 * The first solution that depth-first search finds in the puzzle's order of actions (pool sorted descending, + * - /,
 * larger operand first), using all numbers; undefined when there is none. It depends on the multiset of numbers and the
 * target alone, never on their order: a model learns such solutions markedly better than order-dependent ones.
 * Found by descending into the first child that can still reach the target, which is the same path without the search.
 */
export function canonicalSolution(numbers: readonly number[], target: number): CountdownAction[] | undefined {
  const problem: CountdownProblem = { puzzle: "countdown", numbers, target };
  let pool = countdown.root(problem);
  if (!canReach(pool, target)) return undefined;
  const path: CountdownAction[] = [];
  while (pool.length > 1) {
    for (const action of countdown.actions(problem, pool)) {
      const applied = countdown.apply(problem, pool, action);
      if (!applied.ok || !canReach(applied.state, target)) continue;
      path.push(action);
      pool = applied.state;
      break;
    }
  }
  return path;
}

function* search<State, Action>(space: Space<State, Action>): Generator<SearchEvent<Action, State>, void> {
  const way = new DepthFirst<State, Action>(space.stateKey);
  way.enter(space.root, space.children(space.root.state));
  for (let here = way.here; here; here = way.here) {
    const { node } = here;
    const child = way.nextChild(here);
    if (child === undefined) {
      yield { kind: "deadEnd", node: node.id };
      if (node.parent) yield { kind: "backtrack", from: node.id, to: node.parent.id };
      way.leave();
      continue;
    }
    const id = space.nextNode();
    if (id === undefined) return;
    if (!here.expanded) yield { kind: "expand", node: node.id };
    here.expanded = true;
    yield { kind: "generate", node: id, parent: node.id, action: child.action };
    yield { kind: "visit", node: id };
    if (space.isSolution(child.state)) {
      yield { kind: "goal", node: id };
      return;
    }
    way.enter({ id, state: child.state, key: child.key, parent: node }, space.children(child.state));
  }
}

/**
 * Solver `exhaustive`, the reference: a depth-first search through every legal action, in the puzzle's order, up to its first
 * goal or the end of the space. Each child is generated and visited at once; a state without a way to the goal is declared a
 * dead end and left for its parent. Where states recur (graphs, mazes), each is expanded once: see `Recurrence`. When the
 * budget is spent the events end without goal or dead end. Draws nothing from the rng.
 */
export const exhaustive: Solver<SettingsOf<"exhaustive">> = solverOf("exhaustive", rootFirst(search));
