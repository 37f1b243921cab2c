// backtrail setup: the Python environment.
import { requirePython, setUp } from "../setup/environment.ts";
import type { ExitCode, Io } from "./io.ts";

export async function setupCommand(io: Io, flags: { dev: boolean; torchIndex?: string }): Promise<ExitCode> {
  if (io.env.BACKTRAIL_PYTHON) {
    io.err(
      `BACKTRAIL_PYTHON is set to ${io.env.BACKTRAIL_PYTHON}: that environment is used as it is. Unset it to make .venv.\n`,
    );
    await requirePython(io.env.BACKTRAIL_PYTHON, io.env);
    return 0;
  }
  const log = (line: string) => io.err(`${line}\n`);
  await setUp({
    root: io.root,
    dev: flags.dev,
    env: io.env,
    log,
    ...(flags.torchIndex === undefined ? {} : { torchIndex: flags.torchIndex }),
  });
  return 0;
}
