// The data sets that others have published: their field names, and what in a record is the problem and what the response.
// Knows no rule: whether a response is right is the grader's. Sources: the data and training scripts of each repository.
import { z } from "zod";
import { UserError } from "../lib/errors.ts";
import type { Json } from "../lib/hash.ts";
import { readWith } from "../puzzle/read.ts";
import { sudoku } from "../puzzle/sudoku.ts";
import { readRatedSudoku } from "../puzzle/sudokuCsv.ts";
import type { Trace } from "../solver/events.ts";
import { solverOfSos } from "./exportSos.ts";
import { sudokuEvents } from "./importSudoku.ts";

/** What a record holds, in our terms. */
export interface Published {
  readonly problem: Json;
  /** In the asked format, blanks around it apart; with or without the prompt. Without it and `trace` the record is a problem alone. */
  readonly response?: string;
  /** The search, where the published text is in a spelling of its own. */
  readonly trace?: Trace<unknown>;
  readonly solver: string;
  /** Text of a published solution in the puzzle's solution-only format, with or without its prompt. */
  readonly solution?: string;
  /** The publisher's own rating of the problem. */
  readonly difficulty?: number;
}

export interface Publication {
  readonly puzzle: string;
  /** The formats that its texts are in, each a reader of a record; the first one is read unless another is asked for. */
  readonly formats: Readonly<Record<string, (value: unknown) => Published>>;
}

const whole = z.number().int();
const maybe = <T extends z.ZodType>(type: T) => type.nullish().transform((value) => value ?? undefined);

/** Throws UserError("record") that names the field. Fields that are not asked for are left alone. */
function reader<T>(schema: z.ZodType<T>, published: (record: T) => Published): (value: unknown) => Published {
  return (value) => published(readWith(schema, value, "record", "record"));
}

/** No `response` member where there is no text: published validation rows hold an empty one. */
function told(response: string | undefined): { readonly response?: string } {
  return response === undefined || response.trim() === "" ? {} : { response };
}

const countdownFields = { nums: z.array(whole), target: whole };

function countdownProblem({ nums, target }: { readonly nums: readonly number[]; readonly target: number }): Json {
  return { puzzle: "countdown", numbers: nums, target };
}

const sosRecord = z.object({
  ...countdownFields,
  search_path: maybe(z.string()),
  optimal_path: maybe(z.string()),
  search_type: maybe(z.string()),
  heuristic: maybe(z.string()),
});

const readSearch = reader(sosRecord, (record) => ({
  problem: countdownProblem(record),
  ...told(record.search_path),
  solver: solverOfSos(record.search_type, record.heuristic),
  ...(record.optimal_path ? { solution: record.optimal_path } : {}),
}));

const readOptimal = reader(sosRecord, (record) => ({
  problem: countdownProblem(record),
  ...told(record.optimal_path),
  solver: "generator",
}));

const selfBacktrackingRecord = z.object({ ...countdownFields, search_path: maybe(z.string()) });

const kbSudokuRecord = z.object({
  puzzle: z.string(),
  strategy_full_trace_solution: maybe(z.string()),
  full_trace_solution: maybe(z.string()),
  strategy_shortcut_solution: maybe(z.string()),
  shortcut_solution: maybe(z.string()),
});

/** A file is made by one of two solvers; the fields of the other are not there. */
function kbSudoku(
  full: (record: z.output<typeof kbSudokuRecord>) => readonly [strategy: string | undefined, naive: string | undefined],
) {
  return reader(kbSudokuRecord, (record) => {
    const [strategy, naive] = full(record);
    const text = strategy ?? naive;
    return {
      problem: { puzzle: "sudoku", grid: record.puzzle },
      ...(text === undefined ? {} : { trace: sudokuEvents(text) }),
      solver: strategy === undefined ? "sudoku(strategies=lone-single)" : "sudoku",
    };
  });
}

/** A line of the CSV: a problem with its rating, without a trace. */
function ratedSudoku(value: unknown): Published {
  const record = readRatedSudoku(String(value));
  if ("error" in record) throw new UserError("record", record.error);
  return { problem: sudoku.writeProblem(record.problem), solver: "none", difficulty: record.rating };
}

const pathText = z.string().regex(/^\s*\d+(\s*,\s*\d+)*\s*$/, "a way as vertices with commas between");
const graphRecord = z.object({
  query: maybe(z.string()),
  text: maybe(z.string()),
  steps: maybe(z.union([z.string(), z.array(z.string())])),
  trace: maybe(z.union([z.string(), z.array(z.string())])),
  target: maybe(pathText),
});
type GraphRecord = z.output<typeof graphRecord>;

/** `query` is the edges and the question; `text` the same, "=" and the way: one of the two may be missing. */
function graphParts({ query, text, target }: GraphRecord): { problem: Json; way: string | undefined } {
  const [edges = "", way] = (text ?? "").split("=");
  const question = (query ?? edges).replace(/[\s=]+/g, "");
  if (question === "")
    throw new UserError("record", "record.query: expected the graph, such as 1,3|2,4/0,4; there is neither query nor text");
  return { problem: { puzzle: "graph", text: question }, way: (target ?? way)?.replace(/\s+/g, "") };
}

/** The published trainer's own composition: `<`, the steps, `-`, the way back, `>=`, the way. */
function graphSearch(record: GraphRecord): Published {
  const { problem, way } = graphParts(record);
  const listed = record.steps ?? record.trace;
  const steps = (typeof listed === "string" ? listed : listed?.join(","))?.replace(/\s+/g, "");
  const back = way?.split(",").reverse().join(",");
  const response = steps && way ? { response: `<${steps.replace(/^<|-?$/g, "")}-${back}>=${way}` } : {};
  return { problem, ...response, solver: "bfs", ...(way ? { solution: way } : {}) };
}

function graphWay(record: GraphRecord): Published {
  const { problem, way } = graphParts(record);
  return { problem, ...told(way), solver: "optimal" };
}

/** By the name that `--from` takes. */
export const publications: Readonly<Record<string, Publication>> = {
  // yangxw/countdown-backtracking
  "self-backtracking": {
    puzzle: "countdown",
    formats: {
      "self-backtracking": reader(selfBacktrackingRecord, (record) => ({
        problem: countdownProblem(record),
        ...told(record.search_path),
        solver: "exhaustive",
      })),
    },
  },
  // What countdown_generate.py of Stream of Search writes
  sos: { puzzle: "countdown", formats: { sos: readSearch, path: readOptimal } },
  // sunnytqin/countdown; `think` for the files made with --search dfs_hint
  "countdown-kb": { puzzle: "countdown", formats: { sos: readSearch, think: readSearch, path: readOptimal } },
  // sunnytqin/sudoku
  "sudoku-kb": {
    puzzle: "sudoku",
    formats: {
      sudoku: kbSudoku((record) => [record.strategy_full_trace_solution, record.full_trace_solution]),
      "sudoku-path": kbSudoku((record) => [record.strategy_shortcut_solution, record.shortcut_solution]),
    },
  },
  // radcliffe/3-million-sudoku-puzzles-with-ratings
  "sudoku-kaggle": { puzzle: "sudoku", formats: { sudoku: ratedSudoku, "sudoku-path": ratedSudoku } },
  // nnheui/shortestpath_*
  shortestpath: { puzzle: "graph", formats: { bfs: reader(graphRecord, graphSearch), path: reader(graphRecord, graphWay) } },
};
