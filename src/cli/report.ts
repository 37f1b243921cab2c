// backtrail report: the table and page of a finished sweep, made again from its record alone.
import { join, resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import { renderHtml } from "../report/html.ts";
import type { ReportExtras, Summary } from "../report/model.ts";
import { renderTable } from "../report/table.ts";
import { writeAtomic } from "../store/files.ts";
import { type ExitCode, type Io, readUserFile } from "./io.ts";

export async function reportCommand(io: Io, folder: string, flags: { json: boolean }): Promise<ExitCode> {
  const directory = resolve(io.cwd, folder);
  const summary = await readRecord<Summary>(join(directory, "summary.json"), folder);
  if (flags.json) {
    io.out(`${JSON.stringify(summary, null, 2)}\n`);
    return 0;
  }
  const extras = await readRecord<ReportExtras>(join(directory, "page.json"), folder);
  await writeAtomic(join(directory, "report.html"), renderHtml(summary, extras));
  io.out(`${renderTable(summary, { colour: io.colour, width: io.width })}\n`);
  io.err(`Page: ${join(folder, "report.html")}\n`);
  return 0;
}

async function readRecord<T>(path: string, folder: string): Promise<T> {
  const text = await readUserFile(path);
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new UserError(
      "results",
      `${path}: not JSON (${(error as Error).message}). Run the sweep again to write ${folder} anew; its stages are cached.`,
    );
  }
}
