// The text of Stream of Search (arXiv 2404.03683; countdown_dfs.py and countdown_bfs.py of its repository): its prompt and
// vocabulary. What is written and read of a search is in sosWrite.ts and sosRead.ts.
import { type CountdownAction, type CountdownProblem, type CountdownState, countdown } from "../../puzzle/countdown.ts";
import type { Format } from "../format.ts";
import { stateLine, words } from "./sosLines.ts";
import { readSos } from "./sosRead.ts";
import type { SosDialect } from "./sosTree.ts";
import { joined, written } from "./sosWrite.ts";

const promptPattern = new RegExp(`^${words.state}(0|[1-9][0-9]*):\\[([0-9]+(?:, [0-9]+)*)\\], Operations: \\[\\]\n`);

/** The root's state line and its newline. */
export function sosPrompt({ target, numbers }: CountdownProblem): string {
  return `${stateLine({ target, pool: numbers, operations: [] })}\n`;
}

/** The problem of a text that begins with the root's state line; undefined where it does not. */
export function readSosPrompt(text: string): { problem: CountdownProblem; length: number } | undefined {
  const match = promptPattern.exec(text);
  if (!match) return undefined;
  const numbers = (match[2] as string).split(", ").map(Number);
  try {
    const problem = countdown.readProblem({ puzzle: "countdown", numbers, target: Number(match[1]) });
    return sosPrompt(problem) === match[0] ? { problem, length: match[0].length } : undefined;
  } catch {
    return undefined;
  }
}

/** Pieces of every text whose lines are those of Stream of Search. */
export const sosPieces: readonly string[] = [
  words.state,
  words.exploring,
  words.generated,
  words.moving,
  words.unequal,
  words.equal,
  ":[",
  "], Operations: [",
  ", Resulting Numbers: [",
  ": ",
  "] Operation: ",
  ", ",
  ",",
  "]",
  "'",
  "\n",
  ..."0123456789",
  "+",
  "-",
  "*",
  "/",
  "=",
];

/** A format of the grammar's family. */
export function sosFormat(
  name: string,
  dialect: SosDialect,
  pieces: readonly string[],
): Format<CountdownProblem, CountdownAction, CountdownState> {
  return {
    name,
    puzzle: "countdown",
    vocabulary: { pieces: [...sosPieces, ...pieces], special: [] },
    markers: { goal: words.equal, stepDelimiter: "\n" },
    prompt: sosPrompt,
    readPrompt: readSosPrompt,
    project: (problem, trace) => written(dialect, problem, trace).events,
    render: (problem, trace) => joined(written(dialect, problem, trace)),
    parse: (problem, text) => readSos(dialect, problem, text),
  };
}

/**
 * Format `sos` of Countdown. The prompt is the first line of the published traces; a response is the other lines with newlines
 * between them and none at the end, as the published models are trained on stripped texts. Events and lines:
 * - generate: "Exploring Operation"; with numbers left also "Generated Node"
 * - deadEnd, goal of a leaf: "unequal: No Solution", "equal: Goal Reached"
 * - visit, backtrack, jump: "Moving to Node" and the "Current State" of the place; a place above the present one is a backtrack
 * - deadEnd of the root: "No solution found.", which the published breadth-first search writes when its frontier is empty
 * Leaves have no number of their own; published breadth-first texts move to leaves as "#<parent>,0", and the state line
 * tells which. What a line restates must agree with the lines before it: otherwise `state`, at that line, and the text's
 * word is taken for what follows. A pool may be listed in any order where it comes into being. Exploring an operation again, or
 * moving to a node again, is no error: published beams make equal children, and nothing in the grammar forbids to tell them twice.
 */
export const sos = sosFormat("sos", { pairs: false, ending: true }, [words.ending]);
