// What the maze formats share: their prompt, their lines and their vocabulary (Searchformer, arXiv 2402.14083: the same words in the
// same order, here one item a line). Knows no rule of the puzzle.
import { quote } from "../../lib/text.ts";
import { type MazeCell, type MazeProblem, maze } from "../../puzzle/maze.ts";
import type { Span, SyntaxError as TextError, Vocabulary } from "../format.ts";

/** No leading zeros, at most four digits: every number has one spelling. */
const number = "(0|[1-9][0-9]{0,3})";
const cellPattern = `${number} ${number}`;

/**
 * `size 10 10`, `start x y`, `goal x y`, then `wall x y` for each wall, a line each. Searchformer's prompt has no size: its
 * datasets have one size each. Here it makes the prompt complete.
 */
export function mazePrompt({ width, height, start, goal, walls }: MazeProblem): string {
  const lines = [["size", width, height], ["start", ...start], ["goal", ...goal], ...walls.map((wall) => ["wall", ...wall])];
  return lines.map((line) => `${line.join(" ")}\n`).join("");
}

const headPattern = new RegExp(`size ${cellPattern}\nstart ${cellPattern}\ngoal ${cellPattern}\n`, "y");
const wallPattern = new RegExp(`wall ${cellPattern}\n`, "y");

/** The problem from a text that begins with its prompt, or undefined. */
export function readMazePrompt(text: string): { readonly problem: MazeProblem; readonly length: number } | undefined {
  headPattern.lastIndex = 0;
  const head = headPattern.exec(text)?.slice(1).map(Number);
  if (!head) return undefined;
  const [width, height, startX, startY, goalX, goalY] = head;
  const walls: MazeCell[] = [];
  let length = headPattern.lastIndex;
  for (;;) {
    wallPattern.lastIndex = length;
    const wall = wallPattern.exec(text);
    if (!wall) break;
    walls.push([Number(wall[1]), Number(wall[2])]);
    length = wallPattern.lastIndex;
  }
  try {
    const record = { puzzle: "maze", width, height, walls, start: [startX, startY], goal: [goalX, goalY] };
    return { problem: maze.readProblem(record), length };
  } catch {
    return undefined;
  }
}

/** A node is created or closed. `cost` is the way so far, `estimate` what is left at least. */
export interface NodeLine {
  readonly word: "create" | "close";
  readonly cell: MazeCell;
  readonly cost: number;
  readonly estimate: number;
}

/** A line of a response. */
export type MazeLine = NodeLine | { readonly word: "plan"; readonly cell: MazeCell };

/** A line as text, with its line end. */
export function writeLine(line: MazeLine): string {
  const [x, y] = line.cell;
  return line.word === "plan" ? `plan ${x} ${y}\n` : `${line.word} ${x} ${y} c${line.cost} c${line.estimate}\n`;
}

const linePattern = new RegExp(`(?:(create|close) ${cellPattern} c${number} c${number}|plan ${cellPattern})\n`, "y");

/** The line at `from` and where it ends, or undefined. */
export function readLine(text: string, from: number): { readonly line: MazeLine; readonly end: number } | undefined {
  linePattern.lastIndex = from;
  const match = linePattern.exec(text);
  if (!match) return undefined;
  const end = linePattern.lastIndex;
  const [, word, ...numbers] = match;
  const [x, y, cost, estimate, planX, planY] = numbers.map(Number) as [number, number, number, number, number, number];
  if (word === undefined) return { line: { word: "plan", cell: [planX, planY] }, end };
  return { line: { word: word as "create" | "close", cell: [x, y], cost, estimate }, end };
}

/** The line at `from` is not what it should be. */
export function lineError(text: string, from: number, expected: string): TextError {
  const newline = text.indexOf("\n", from);
  const span: Span = [from, newline < 0 ? text.length : newline + 1];
  const found = quote(text.slice(from, newline < 0 ? text.length : newline));
  if (newline < 0) return { span, message: `the text is cut off in ${found}: expected ${expected} and a newline` };
  return { span, message: `expected ${expected}, found ${found}` };
}

/** Coordinates and costs up to here are one piece each; larger ones are written in digits. */
const [wholeCoordinates, wholeCosts] = [60, 200];

/** Numbers carry the blank before them. */
export const mazeVocabulary: Vocabulary = {
  pieces: [
    ...["size", "start", "goal", "wall", "create", "close", "plan", "\n", " c", " "],
    ...Array.from({ length: wholeCoordinates }, (_, value) => ` ${value}`),
    ...Array.from({ length: wholeCosts }, (_, value) => ` c${value}`),
    ..."0123456789",
  ],
  special: [],
};
