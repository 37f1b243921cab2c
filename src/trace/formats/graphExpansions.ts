// Any search in a space of moves, put in the order in which grammars of graphs and mazes tell it: one expansion after the
// other, each with all its children. Knows no text.
import type { NodeId, SearchEvent, Trace } from "../../solver/events.ts";

/** An action that says where it leads. */
interface Move<State> {
  readonly from: State;
  readonly to: State;
}

/** A node as the search made it. */
export interface Place<State> {
  readonly state: State;
  /** Moves from the root; of a node that was never generated: what `jumpDepth` says. */
  readonly depth: number;
  readonly parent: Place<State> | undefined;
}

/** A node and the children that were generated below it. */
export interface Expansion<State> {
  readonly place: Place<State>;
  readonly children: Place<State>[];
}

export interface Expansions<State> {
  readonly expansions: readonly Expansion<State>[];
  /** The first goal that was declared. */
  readonly goal?: {
    readonly place: Place<State>;
    /** States from the root to the goal, as the trace's `answer` or `traceback` says, else by the nodes' parents. */
    readonly answer: readonly State[];
    /** States from the goal to the root. */
    readonly traceback: readonly State[];
  };
}

/**
 * The expansions of a trace up to its first goal, in order of their `expand` events; a child belongs to the newest
 * expansion of its parent, and where a solver tells no expansions its first child makes one. Visits, dead ends and backtracks
 * are not kept. Throws Error for a trace that names a node before it is generated.
 */
export function expansionsOf<State>(
  trace: Trace<Move<State>, State>,
  root: State,
  jumpDepth: (state: State) => number = () => 0,
): Expansions<State> {
  const places = new Map<NodeId, Place<State>>([[0, { state: root, depth: 0, parent: undefined }]]);
  const newest = new Map<NodeId, Expansion<State>>();
  const expansions: Expansion<State>[] = [];
  const expanded = (node: NodeId): Expansion<State> => {
    const expansion = { place: placeOf(places, node), children: [] };
    newest.set(node, expansion);
    expansions.push(expansion);
    return expansion;
  };
  for (const [index, event] of trace.entries()) {
    if (event.kind === "expand") expanded(event.node);
    else if (event.kind === "generate") {
      const parent = placeOf(places, event.parent);
      const place = { state: event.action.to, depth: parent.depth + 1, parent };
      places.set(event.node, place);
      (newest.get(event.parent) ?? expanded(event.parent)).children.push(place);
    } else if (event.kind === "jump") {
      places.set(event.node, { state: event.state, depth: jumpDepth(event.state), parent: undefined });
    } else if (event.kind === "goal") {
      return { expansions, goal: goalOf(placeOf(places, event.node), trace.slice(index + 1)) };
    }
  }
  return { expansions };
}

function placeOf<State>(places: ReadonlyMap<NodeId, Place<State>>, node: NodeId): Place<State> {
  const place = places.get(node);
  if (!place) throw new Error(`trace: node ${node} was never generated`);
  return place;
}

function goalOf<State>(place: Place<State>, after: Trace<Move<State>, State>): NonNullable<Expansions<State>["goal"]> {
  const told = (kind: "answer" | "traceback") =>
    after.find((event): event is Extract<SearchEvent<Move<State>, State>, { kind: typeof kind }> => event.kind === kind)?.path;
  const [answer, traceback] = [told("answer"), told("traceback")];
  return {
    place,
    answer: answer ?? traceback?.toReversed() ?? wayTo(place),
    traceback: traceback ?? (answer ?? wayTo(place)).toReversed(),
  };
}

/** States from the root to a node, both included. */
function wayTo<State>(place: Place<State>): State[] {
  const way: State[] = [];
  for (let at: Place<State> | undefined = place; at; at = at.parent) way.push(at.state);
  return way.reverse();
}
