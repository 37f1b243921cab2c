// Progress of a run on stderr: one line per stage that moves, with rate and ETA; plain lines when not a terminal.

/** State of one stage, as a person wants to read it. */
export interface StageProgress {
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  /** Anything worth a glance: "loss 0.61". */
  readonly note?: string;
}

export interface ProgressSink {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Milliseconds, monotonic. */
  now(): number;
}

/** "48 s", "3 min 20 s", "2 h 05 min". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
}

const plainIntervalMs = 10_000;
const terminalIntervalMs = 500;

/** Prints what stages report, throttled; a line per stage event is always printed. */
export class Progress {
  readonly #sink: ProgressSink;
  readonly #started = new Map<string, { at: number; done: number; printed: number }>();
  #openLine = false;

  constructor(sink: ProgressSink) {
    this.#sink = sink;
  }

  /** A sentence of its own line. */
  say(text: string): void {
    if (this.#openLine) this.#sink.write("\r\x1b[K");
    this.#openLine = false;
    this.#sink.write(`${text}\n`);
  }

  /** Called as often as the stage likes. */
  update(stage: string, progress: StageProgress): void {
    const now = this.#sink.now();
    const interval = this.#sink.isTerminal ? terminalIntervalMs : plainIntervalMs;
    const known = this.#started.get(stage);
    if (known === undefined) {
      this.#started.set(stage, { at: now, done: progress.done, printed: now });
      return;
    }
    if (now - known.printed < interval) return;
    known.printed = now;
    const seconds = (now - known.at) / 1000;
    const rate = (progress.done - known.done) / seconds;
    const eta = rate > 0 ? `, ${formatDuration((progress.total - progress.done) / rate)} left` : "";
    const share = progress.total > 0 ? Math.floor((100 * progress.done) / progress.total) : 100;
    const shown = rate >= 10 ? rate.toFixed(0) : rate.toFixed(2);
    const note = progress.note === undefined ? "" : `, ${progress.note}`;
    const line = `  ${stage}: ${progress.done}/${progress.total} ${progress.unit} (${share}%), ${shown}/s${eta}${note}`;
    if (this.#sink.isTerminal) {
      this.#sink.write(`\r\x1b[K${line}`);
      this.#openLine = true;
    } else {
      this.#sink.write(`${line}\n`);
    }
  }

  /** The stage has ended; its clock is forgotten. */
  finish(stage: string, text: string): void {
    this.#started.delete(stage);
    this.say(text);
  }
}
