// A Sudoku search as a walk: where it stands after each event, and by which digits it came there. For formats whose text moves
// from a node to its child or back to an ancestor and cannot do anything else.
import type { SudokuAction } from "../../puzzle/sudokuRules.ts";
import type { NodeId, SearchEvent, Trace } from "../../solver/events.ts";

type Event = SearchEvent<SudokuAction>;

/** A digit filled in, and the node to which that led. */
interface Step {
  readonly node: NodeId;
  readonly action: SudokuAction;
}

/** The digits filled in on the way from the root to where the walk stands. No call looks through the whole of it: texts may be long. */
export class Way {
  readonly #steps: Step[] = [];
  /** By node, which are numbered densely. */
  readonly #depthOf: (number | undefined)[] = [0];

  /** The node at which the walk stands. */
  get node(): NodeId {
    return this.nodeAt(this.#steps.length);
  }

  /** How many digits were filled in on the way. */
  get depth(): number {
    return this.#steps.length;
  }

  get actions(): SudokuAction[] {
    return this.#steps.map(({ action }) => action);
  }

  /** The node after `depth` digits. */
  nodeAt(depth: number): NodeId {
    return this.#steps[depth - 1]?.node ?? 0;
  }

  down(node: NodeId, action: SudokuAction): void {
    this.#steps.push({ node, action });
    this.#depthOf[node] = this.#steps.length;
  }

  /** Whether the walk stands at the node or below it. */
  passes(node: NodeId): boolean {
    return this.#depthOf[node] !== undefined;
  }

  /** Goes back to a node that it passes. Returns the digits that are taken back, in the order in which they were filled in. */
  backTo(node: NodeId): SudokuAction[] {
    const taken = this.#steps.splice(this.#depthOf[node] as number);
    for (const step of taken) this.#depthOf[step.node] = undefined;
    return taken.map(({ action }) => action);
  }
}

/**
 * A trace as a walk through its visits and expansions up to the first goal: `generate` and `visit` of a child, `backtrack` to an
 * ancestor, `deadEnd` where the walk stands, `goal`. A move to another branch becomes the way back and the digits that lead there, filled in
 * again. Nodes are numbered anew in order of the walk; a dead end without a reason of Sudoku's is a "nocand".
 */
export function walk(trace: Trace<SudokuAction>): Event[] {
  // By node: solvers number them densely.
  const origins: ({ readonly parent: NodeId; readonly action: SudokuAction } | undefined)[] = [];
  // In the numbers of the trace; `numbers` has those of the walk.
  const way = new Way();
  const numbers: NodeId[] = [0];
  const events: Event[] = [];
  let nodes = 0;
  const moveDown = (node: NodeId, action: SudokuAction): void => {
    const parent = numbers[way.node] as NodeId;
    numbers[node] = ++nodes;
    way.down(node, action);
    events.push({ kind: "generate", node: nodes, parent, action }, { kind: "visit", node: nodes });
  };
  const moveTo = (target: NodeId): void => {
    const below: Step[] = [];
    let node = target;
    while (!way.passes(node)) {
      const origin = origins[node];
      if (origin === undefined || below.length > origins.length) {
        throw new Error(`trace: node ${target} was never generated from the root`);
      }
      below.push({ node, action: origin.action });
      node = origin.parent;
    }
    if (way.node !== node) {
      events.push({ kind: "backtrack", from: numbers[way.node] as NodeId, to: numbers[node] as NodeId });
      way.backTo(node);
    }
    for (const step of below.reverse()) moveDown(step.node, step.action);
  };
  for (const event of trace) {
    if (event.kind === "generate") origins[event.node] = event;
    else if (event.kind === "visit" || event.kind === "expand") moveTo(event.node);
    else if (event.kind === "backtrack") moveTo(event.to);
    else if (event.kind === "deadEnd" && event.node === way.node) {
      const reason = event.reason === "invalid" ? "invalid" : "nocand";
      events.push({ kind: "deadEnd", node: numbers[event.node] as NodeId, reason });
    } else if (event.kind === "goal") {
      moveTo(event.node);
      events.push({ kind: "goal", node: numbers[event.node] as NodeId });
      break;
    }
  }
  return events;
}
