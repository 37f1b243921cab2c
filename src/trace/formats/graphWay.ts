// A way through a space of moves (graph, maze) as events: what formats that tell the answer alone keep. Knows no text.
import type { SearchEvent } from "../../solver/events.ts";
import type { Span } from "../format.ts";

type Event<State> = SearchEvent<{ readonly from: State; readonly to: State }, State>;

/**
 * A node for each move, generated and visited, and the goal at the end; nothing for a way without states. `beginsAtRoot`: the
 * first state is the root's; a way that begins elsewhere begins with a jump.
 */
export function wayEvents<State>(way: readonly State[], beginsAtRoot: boolean): Event<State>[] {
  if (way.length === 0) return [];
  const begin = beginsAtRoot ? 0 : 1;
  const events: Event<State>[] = beginsAtRoot ? [] : [{ kind: "jump", node: 1, state: way[0] as State }];
  for (let index = 1; index < way.length; index++) {
    const node = begin + index;
    const action = { from: way[index - 1] as State, to: way[index] as State };
    events.push({ kind: "generate", node, parent: node - 1, action }, { kind: "visit", node });
  }
  events.push({ kind: "goal", node: begin + way.length - 1 });
  return events;
}

/** A state's place in the text is the span of its `generate` or `jump`; visits and the goal have empty ones behind it. */
export function waySpans<State>(events: readonly Event<State>[], stateSpans: readonly Span[]): Span[] {
  let state = events[0]?.kind === "jump" ? 0 : 1;
  let end = stateSpans[0]?.[1] ?? 0;
  return events.map((event): Span => {
    if (event.kind !== "generate" && event.kind !== "jump") return [end, end];
    const span = stateSpans[state++] as Span;
    end = span[1];
    return span;
  });
}
