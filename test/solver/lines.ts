// Traces as short lines for tests to read.
import type { SearchEvent } from "../../src/solver/events.ts";

/** A trace as short lines: "expand 0", "make 1<0 3+1=4", "visit 1", "dead 1", "back 1>0", "goal 1", "answer ...". */
export function lines<Action, State>(
  events: Iterable<SearchEvent<Action, State>>,
  show: (action: Action) => string = String,
  showState: (state: State) => string = String,
): string[] {
  return Array.from(events, (event) => {
    switch (event.kind) {
      case "generate":
        return `make ${event.node}<${event.parent} ${show(event.action)}`;
      case "backtrack":
        return `back ${event.from}>${event.to}`;
      case "traceback":
      case "answer":
        return `${event.kind} ${event.path.map(showState).join(" ")}`;
      case "deadEnd":
        return `dead ${event.node}`;
      default:
        return `${event.kind} ${event.node}`;
    }
  });
}
