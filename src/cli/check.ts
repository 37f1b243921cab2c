// backtrail check: the laws of a puzzle, its formats and the solvers on it, on drawn problems.
import { extname, resolve } from "node:path";
import { checkLaws } from "../check/check.ts";
import { loadModule } from "../config/moduleLoader.ts";
import { exitCode } from "../lib/errors.ts";
import type { AnyPuzzle } from "../puzzle/puzzle.ts";
import { findPuzzle } from "../puzzle/registry.ts";
import type { AnyFormat } from "../trace/format.ts";
import { formatsOf } from "../trace/registry.ts";
import { type ExitCode, type Io, readJsonFlag, readWholeFlag } from "./io.ts";

export interface CheckFlags {
  readonly options: string;
  readonly problems: string;
  readonly seed: string;
  readonly maxNodes: string;
  readonly json: boolean;
}

/** Prints each law with the number of cases, and the first case that breaks it. Exit code 2 when any is broken. */
export async function checkCommand(io: Io, target: string, flags: CheckFlags): Promise<ExitCode> {
  const { puzzle, formats } = await subject(io, target);
  const results = checkLaws({
    puzzle,
    formats,
    options: { kind: puzzle.name, ...readJsonFlag("--options", flags.options) },
    problems: readWholeFlag("--problems", flags.problems, 1),
    seed: readWholeFlag("--seed", flags.seed, 0),
    maxNodes: readWholeFlag("--max-nodes", flags.maxNodes, 0),
  });
  const broken = results.filter((result) => result.broken !== undefined);
  if (flags.json)
    io.out(`${JSON.stringify({ puzzle: puzzle.name, formats: formats.map(({ name }) => name), results }, null, 2)}\n`);
  else {
    for (const { law, checked, broken: how } of results) {
      io.out(
        `${how === undefined ? "holds " : "BROKEN"} ${law} (${checked} cases)\n${how === undefined ? "" : `       ${how}\n`}`,
      );
    }
    io.out(`${puzzle.name}: ${results.length - broken.length} of ${results.length} laws hold.\n`);
  }
  return broken.length > 0 ? exitCode.usage : exitCode.done;
}

/** A module's puzzle and formats, or those of the house by name. */
async function subject(io: Io, target: string): Promise<{ puzzle: AnyPuzzle; formats: readonly AnyFormat[] }> {
  if (extname(target) === "") {
    const puzzle = findPuzzle(target);
    return { puzzle, formats: formatsOf(puzzle.name) };
  }
  const { puzzle, formats } = await loadModule(resolve(io.cwd, target));
  if (puzzle !== undefined) return { puzzle, formats };
  // A module of formats alone is checked on the puzzle that they write.
  return { puzzle: findPuzzle((formats[0] as AnyFormat).puzzle), formats };
}
