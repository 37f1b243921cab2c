// The events of a search: what solvers yield, formats render and graders replay. Never text.

/** A node of a search tree, numbered in order of generation; the root is 0. */
export type NodeId = number;

/**
 * One step of a search.
 * - expand: a node is taken from the frontier; its children follow
 * - generate: a child comes into being by applying `action` to `parent` (in a trace of a model the action may be wrong)
 * - visit: the search moves to a node that was generated
 * - jump: the search moves to a node that was never generated; only texts of models hold it, never a solver's trace
 * - deadEnd: the node is declared hopeless; `reason` is a word of the puzzle ("nocand") where its formats tell several apart
 * - backtrack: the search returns from `from` to its ancestor `to`
 * - goal: the node is declared a solution
 * - traceback: the way from the goal back to the root is told, goal first
 * - answer: the way from the root to the goal is told, root first
 */
export type SearchEvent<Action, State = unknown> =
  | { readonly kind: "expand"; readonly node: NodeId }
  | { readonly kind: "generate"; readonly node: NodeId; readonly parent: NodeId; readonly action: Action }
  | { readonly kind: "visit"; readonly node: NodeId }
  | { readonly kind: "jump"; readonly node: NodeId; readonly state: State }
  | { readonly kind: "deadEnd"; readonly node: NodeId; readonly reason?: string }
  | { readonly kind: "backtrack"; readonly from: NodeId; readonly to: NodeId }
  | { readonly kind: "goal"; readonly node: NodeId }
  | { readonly kind: "traceback"; readonly path: readonly State[] }
  | { readonly kind: "answer"; readonly path: readonly State[] };

/** A sequence of search events. */
export type Trace<Action, State = unknown> = readonly SearchEvent<Action, State>[];
