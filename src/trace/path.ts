// Reading a trace as a tree.
import type { NodeId, Trace } from "../solver/events.ts";

/** The actions from the root to a node. Throws Error when the trace never generated it from the root. */
export function pathTo<Action>(trace: Trace<Action>, node: NodeId): Action[] {
  const origins = new Map<NodeId, { parent: NodeId; action: Action }>();
  for (const event of trace) if (event.kind === "generate") origins.set(event.node, event);
  const path: Action[] = [];
  let current = node;
  while (current !== 0) {
    const origin = origins.get(current);
    // An id that is used up on the way cannot be met twice, so a damaged trace cannot loop.
    if (!origin || !origins.delete(current)) throw new Error(`trace: node ${current} was never generated from the root`);
    path.push(origin.action);
    current = origin.parent;
  }
  return path.reverse();
}
