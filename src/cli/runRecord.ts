// The record of a run while it lasts: the board's clock, progress.json, and how the run ended.
import type { RunAbout, RunMonitor } from "../run/monitor.ts";
import type { Progress } from "../run/progress.ts";
import { type RunState, RunStateFile } from "../store/runState.ts";
import type { ExitCode } from "./io.ts";

/** How often the board is drawn and the record is looked at. */
const tickMs = 500;

interface Recorded {
  readonly monitor: RunMonitor;
  readonly progress: Progress;
  readonly about: RunAbout;
}

export class RunRecord {
  readonly #file: RunStateFile;
  readonly #run: Recorded;

  /** `folder`: that of the sweep's results. `now`: milliseconds, monotonic. */
  constructor(folder: string, run: Recorded, now: () => number) {
    this.#file = new RunStateFile(folder, now);
    this.#run = run;
  }

  /** Keeps the record while `work` goes on, then does `close` and writes how it ended. */
  async during(
    work: () => Promise<{ readonly code: ExitCode; readonly stopped: string | undefined }>,
    close: () => Promise<{ readonly interrupted: boolean }>,
  ): Promise<ExitCode> {
    const { monitor, progress, about } = this.#run;
    const update = () => this.#file.update(() => monitor.state(about));
    update();
    const clock = setInterval(() => {
      progress.tick();
      update();
    }, tickMs);
    let ended: { readonly how: NonNullable<RunState["end"]>["how"]; readonly message: string } = { how: "error", message: "" };
    try {
      const { code, stopped } = await work();
      ended = stopped === undefined ? { how: "finished", message: "" } : { how: "stopped", message: stopped };
      return code;
    } catch (error) {
      ended = { how: "error", message: error instanceof Error ? error.message : String(error) };
      throw error;
    } finally {
      clearInterval(clock);
      const { interrupted } = await close();
      if (interrupted) ended = { how: "interrupted", message: "" };
      await this.#file.end(monitor.state(about, { at: new Date().toISOString(), ...ended }));
    }
  }
}
