import { expect, it } from "vitest";
import { solverSettings } from "../../src/solver/settings.ts";
import { keepsDiscipline } from "../../src/trace/discipline.ts";
import { findFormat } from "../../src/trace/registry.ts";

it.each([
  ["graph", "bfs", { kind: "bfs" }, undefined],
  ["graph", "bfs", { kind: "bfs", maxNodes: 12 }, undefined],
  ["graph", "bfs", { kind: "dfs", heuristic: "zero" }, /format bfs tells a breadth-first search, and solver dfs is none/],
  ["graph", "bfs-article", { kind: "astar", heuristic: "zero" }, /name solver \{kind: bfs\}/],
  ["graph", "path", { kind: "dfs", heuristic: "zero" }, undefined],
  ["maze", "astar", { kind: "astar", ties: "random", childOrder: "random" }, undefined],
  ["maze", "astar", { kind: "astar", heuristic: "zero" }, /expands by the heuristic manhattan, not by zero/],
  ["maze", "astar", { kind: "bfs" }, /name solver \{kind: astar, heuristic: manhattan\}/],
  ["maze", "path", { kind: "bfs" }, undefined],
  ["countdown", "sos", { kind: "dfs" }, undefined],
  ["countdown", "think", { kind: "think" }, undefined],
])("%s format %s by %j", (puzzle, format, settings, expected) => {
  const complaint = keepsDiscipline(findFormat(puzzle, format), solverSettings.parse(settings));
  if (expected === undefined) expect(complaint).toBeUndefined();
  else expect(complaint).toMatch(expected);
});
