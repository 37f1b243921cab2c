// The events of a search: what solvers yield, formats render and graders replay. Never text.

/** A node of a search tree, numbered in order of generation; the root is 0. */
export type NodeId = number;

/**
 * One step of a search.
 * - expand: a node is taken from the frontier; its children follow
 * - generate: a child comes into being by applying `action` to `parent` (in a trace of a model the action may be wrong)
 * - visit: the search moves to a node
 * - deadEnd: the node is declared hopeless
 * - backtrack: the search returns from `from` to its ancestor `to`
 * - goal: the node is declared a solution
 */
export type SearchEvent<Action> =
  | { readonly kind: "expand"; readonly node: NodeId }
  | { readonly kind: "generate"; readonly node: NodeId; readonly parent: NodeId; readonly action: Action }
  | { readonly kind: "visit"; readonly node: NodeId }
  | { readonly kind: "deadEnd"; readonly node: NodeId }
  | { readonly kind: "backtrack"; readonly from: NodeId; readonly to: NodeId }
  | { readonly kind: "goal"; readonly node: NodeId };

/** A sequence of search events. */
export type Trace<Action> = readonly SearchEvent<Action>[];
