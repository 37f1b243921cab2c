// The text formats there are, by puzzle and name: an explicit table, and what a user's module adds.
import { UserError } from "../lib/errors.ts";
import { nearest, quote } from "../lib/text.ts";
import type { AnyFormat } from "./format.ts";
import { countdownPath } from "./formats/countdownPath.ts";
import { graphBfs, graphBfsArticle } from "./formats/graphBfs.ts";
import { graphPath } from "./formats/graphPath.ts";
import { mazeAStar } from "./formats/mazeAStar.ts";
import { mazePath } from "./formats/mazePath.ts";
import { revision } from "./formats/revision.ts";
import { selfBacktracking } from "./formats/selfBacktracking.ts";
import { sos } from "./formats/sos.ts";
import { sudokuTrace } from "./formats/sudoku.ts";
import { sudokuPath } from "./formats/sudokuPath.ts";
import { think } from "./formats/think.ts";

const builtIn: readonly AnyFormat[] = [
  selfBacktracking,
  countdownPath,
  sos,
  think,
  revision,
  sudokuTrace,
  sudokuPath,
  graphBfs,
  graphBfsArticle,
  graphPath,
  mazeAStar,
  mazePath,
];
const formats = [...builtIn];

/** Adds a user's format. Throws UserError("module") when its puzzle has one of that name. */
export function registerFormat(format: AnyFormat, source: string): void {
  if (formatsOf(format.puzzle).some(({ name }) => name === format.name)) {
    throw new UserError(
      "module",
      `${source}: puzzle ${format.puzzle} has a format ${quote(format.name)} already. Give yours another name.`,
    );
  }
  formats.push(format);
}

/** All formats of all puzzles. */
export function allFormats(): readonly AnyFormat[] {
  return formats;
}

/** The formats of a puzzle; its first is the one taken where none is named. */
export function formatsOf(puzzle: string): readonly AnyFormat[] {
  return formats.filter((format) => format.puzzle === puzzle);
}

/** The format of that name for that puzzle. Throws UserError("format-unknown") that offers what there is. */
export function findFormat(puzzle: string, name: string): AnyFormat {
  const ofPuzzle = formatsOf(puzzle);
  const found = ofPuzzle.find((format) => format.name === name);
  if (found) return found;
  const names = ofPuzzle.map((format) => format.name);
  const near = nearest(name, names);
  const hint = near ? ` Did you mean ${quote(near)}?` : "";
  throw new UserError(
    "format-unknown",
    `unknown format ${quote(name)} of puzzle ${puzzle}; there is: ${names.join(", ")}.${hint}`,
  );
}
