// Stream of Search's files (arXiv 2404.03683; countdown_generate.py of its repository): names of searches, rating, records.
// Its descendants (sunnytqin/countdown) use the same.
import { Rng } from "../lib/rng.ts";
import { type CountdownAction, type CountdownProblem, countdown, equation } from "../puzzle/countdown.ts";
import { findFormat } from "../trace/registry.ts";
import type { Example, TestProblem } from "./example.ts";
import { solutionWriter } from "./solutions.ts";

const writeSolution = solutionWriter(countdown);

export interface SosRecord {
  readonly nums: readonly number[];
  readonly target: number;
  /** The equations of one solution; empty where finding one would cost too much (more than 5 numbers). */
  readonly solution: readonly string[];
  readonly search_path: string;
  readonly rating: number | null;
  readonly search_type: string | null;
  /** The solution as a text of the same grammar. */
  readonly optimal_path: string;
  readonly heuristic: string | null;
}

type Search = Pick<SosRecord, "search_path" | "rating" | "search_type" | "heuristic">;

/** An example of format `sos` or `think` in the published field names. */
export function sosRecord({ problem, prompt, response, solver, solution }: Example): SosRecord {
  const { numbers } = problem as unknown as CountdownProblem;
  const rating = sosRating(response, numbers.length);
  return record(problem, { search_path: prompt + response, rating, ...sosSearch(solver) }, solution);
}

/** A test problem: its search path is the first line alone, which is what the published evaluation prompts with. */
export function sosTestRecord({ problem, prompt }: TestProblem): SosRecord {
  return record(problem, { search_path: prompt, rating: null, search_type: null, heuristic: null });
}

/** The fields in the published order. Where no solution is told, the canonical one. */
function record(
  problem: Example["problem"],
  { search_path, rating, search_type, heuristic }: Search,
  told?: string,
): SosRecord {
  const { numbers, target } = problem as unknown as CountdownProblem;
  const format = findFormat(countdown.name, "path");
  const text = told ?? writeSolution(problem, Rng.for(0, "no choice"));
  const events = text === undefined ? [] : format.parse(problem, text).events;
  const actions = events.flatMap((event) => (event.kind === "generate" ? [event.action as CountdownAction] : []));
  const optimal_path = text === undefined ? "" : format.prompt(problem) + text;
  return { nums: numbers, target, solution: actions.map(equation), search_path, rating, search_type, optimal_path, heuristic };
}

/**
 * SoS's rating of a search: 1 - explored / most, at least 0; 0 when no goal is reached. Explored are the lines "Exploring
 * Operation" and the root; the most is what the published script allows (4, 48, 1,152, 46,080 for 2 to 5 numbers).
 */
export function sosRating(response: string, numbers: number): number {
  if (!response.includes("Goal Reached")) return 0;
  const explored = response.split("Exploring Operation").length;
  return Math.max(0, 1 - explored / mostNodes(numbers));
}

/** Each pair of numbers with each of four operators, level by level. */
function mostNodes(numbers: number): number {
  return numbers < 2 ? 1 : 2 * numbers * (numbers - 1) * mostNodes(numbers - 1);
}

/** "dfs(sum)" as {search_type: "dfs", heuristic: "sum_heuristic"}, "beam(mult,3)" as "bfs_3"; SoS calls a beam search bfs. */
function sosSearch(solver: string): Pick<SosRecord, "search_type" | "heuristic"> {
  const match = /^(\w+)(?:\((\w+)(?:,(\d+))?.*\))?$/.exec(solver);
  const [, kind = solver, heuristic, width] = match ?? [];
  return {
    search_type: kind === "beam" && width !== undefined ? `bfs_${width}` : kind,
    heuristic: heuristic === undefined ? null : `${heuristic}_heuristic`,
  };
}

/** The solver's name from SoS's two fields; the inverse of what export writes. */
export function solverOfSos(searchType: string | null | undefined, heuristic: string | null | undefined): string {
  const [, kind = "search", width] = /^([a-z]+)(?:_(\d+))?$/i.exec(searchType ?? "") ?? [];
  const name = kind === "bfs" && width !== undefined ? "beam" : kind;
  const told = [heuristic?.replace(/_heuristic$/, ""), width].filter((part) => part !== undefined);
  return told.length === 0 ? name : `${name}(${told.join(",")})`;
}
