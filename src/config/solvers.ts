// The solvers of a trace format where a config names none, and how an example names the solver it is from.
import { type SolverSettings, sudokuStrategies } from "../solver/settings.ts";
import { type TraceData, traceData, type WeightedSolver } from "./dataSettings.ts";

const byFormat: Readonly<Record<TraceData["format"], readonly [object, ...object[]]>> = {
  // The mix of Stream of Search's DFS half: either heuristic, drawn for each problem.
  sos: [
    { kind: "dfs", heuristic: "sum" },
    { kind: "dfs", heuristic: "mult" },
  ],
  think: [{ kind: "think" }],
  path: [{ kind: "optimal" }],
  bfs: [{ kind: "bfs" }],
  "bfs-article": [{ kind: "bfs" }],
  sudoku: [{ kind: "sudoku" }],
  "sudoku-path": [{ kind: "sudoku" }],
  astar: [{ kind: "astar" }],
};

/** A format of the user's own is written from the search that every puzzle has. */
const ofOwnFormats = [{ kind: "exhaustive" }] as const;

type Solvers = readonly [WeightedSolver, ...WeightedSolver[]];

/** A format's own solvers, with equal shares. */
function defaultsOf(format: string): Solvers {
  const own = Object.hasOwn(byFormat, format) ? byFormat[format as TraceData["format"]] : ofOwnFormats;
  return traceData.shape.solver.parse(own) as unknown as Solvers;
}

/** The first of a format's own solvers. */
export function defaultSolver(format: string): WeightedSolver {
  return defaultsOf(format)[0];
}

/** The solvers of these settings: those named, else the format's own. */
export function solversOf(train: TraceData): readonly WeightedSolver[] {
  return train.solver ?? defaultsOf(train.format);
}

/**
 * A compact name with the settings that tell solvers of one kind apart: "dfs(sum)", "beam(mult,3)",
 * "astar(manhattan,ties=random)". Heuristic and width stand alone; others are named and left out at their usual values.
 */
export function solverName(solver: SolverSettings): string {
  const told: string[] = [];
  if ("heuristic" in solver && solver.heuristic !== undefined) told.push(solver.heuristic);
  if (solver.kind === "beam") told.push(String(solver.width));
  if (solver.kind === "dfs" && solver.threshold !== "target") told.push(`threshold=${solver.threshold}`);
  if (solver.kind === "mcts") told.push(`simulations=${solver.simulations}`, `exploration=${solver.exploration}`);
  if ("ties" in solver && solver.ties !== "first") told.push(`ties=${solver.ties}`);
  if ("childOrder" in solver && solver.childOrder !== "defined") told.push(`childOrder=${solver.childOrder}`);
  if (solver.kind === "sudoku" && solver.strategies.length < sudokuStrategies.length)
    told.push(`strategies=${solver.strategies.join("+")}`);
  if (solver.maxNodes !== undefined) told.push(`maxNodes=${solver.maxNodes}`);
  return told.length === 0 ? solver.kind : `${solver.kind}(${told.join(",")})`;
}
