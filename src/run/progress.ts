// Progress on stderr. On a terminal a board of a few lines, redrawn in place; elsewhere plain lines, for logs and CI: one per
// event, and one every ten seconds for each stage that runs.

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
  /** Of the terminal, in characters. Default 80 x 24. */
  size?(): { readonly columns: number; readonly rows: number };
}

/** A stage that runs, with what its reports tell. */
export interface StageRow {
  readonly stage: string;
  readonly elapsedSeconds: number;
  readonly done?: number | undefined;
  readonly total?: number | undefined;
  readonly unit?: string | undefined;
  readonly note?: string | undefined;
  /** Units per second since the stage's first report of this run; absent before there are two. */
  readonly rate?: number | undefined;
  readonly etaSeconds?: number | undefined;
}

/** "48 s", "3 min 20 s", "2 h 05 min". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
}

/** "train a: 120/3000 steps (4%), 12/s, 4 min 00 s left, loss 0.61". */
export function formatRow(row: StageRow): string {
  const { stage, done, total, unit, rate, etaSeconds, note } = row;
  if (done === undefined || total === undefined) return `${stage}: running for ${formatDuration(row.elapsedSeconds)}`;
  const share = total > 0 ? Math.floor((100 * done) / total) : 100;
  const parts = [`${stage}: ${done}/${total} ${unit} (${share}%)`];
  if (rate !== undefined) parts.push(`${rate >= 10 ? rate.toFixed(0) : rate.toFixed(2)}/s`);
  if (etaSeconds !== undefined) parts.push(`${formatDuration(etaSeconds)} left`);
  if (note !== undefined) parts.push(note);
  return parts.join(", ");
}

const plainIntervalMs = 10_000;
const terminalIntervalMs = 500;
/** Lines of the board that are kept for stages; the rest is told as a number. */
const rowsShown = 6;

interface Known {
  readonly since: number;
  printed: number;
  first?: { readonly at: number; readonly done: number };
  last?: StageProgress;
  /** When `last` came. */
  at: number;
}

/** Prints what stages report, throttled; what is said is always printed. */
export class Progress {
  readonly #sink: ProgressSink;
  readonly #stages = new Map<string, Known>();
  #overview: () => readonly string[] = () => [];
  #drawnLines = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(sink: ProgressSink) {
    this.#sink = sink;
  }

  /** On a terminal these lines stand above those of the stages. Plain output has none: a log wants events. */
  setOverview(lines: () => readonly string[]): void {
    this.#overview = lines;
  }

  /** A sentence of its own line. */
  say(text: string): void {
    const board = this.#drawnLines > 0 ? this.#board() : [];
    this.#sink.write(`${this.#toTop()}${this.#drawnLines > 0 ? "\x1b[J" : ""}${text}\n${this.#drawn(board)}`);
  }

  /** A stage has begun; `update` does the same for one that is not known yet. */
  begin(stage: string): void {
    const now = this.#sink.now();
    this.#stages.set(stage, { since: now, printed: now, at: now });
  }

  /** Called as often as the stage likes. */
  update(stage: string, progress: StageProgress): void {
    const now = this.#sink.now();
    if (!this.#stages.has(stage)) this.begin(stage);
    const known = this.#stages.get(stage);
    if (known === undefined) return;
    known.first ??= { at: now, done: progress.done };
    known.last = progress;
    known.at = now;
    this.#show(now);
  }

  /** The stage has ended; its clock is forgotten. */
  finish(stage: string, text: string): void {
    this.#stages.delete(stage);
    this.say(text);
  }

  /** The stages that run, in the order in which they began. */
  rows(): StageRow[] {
    const now = this.#sink.now();
    return [...this.#stages].map(([stage, known]) => rowOf(stage, known, now));
  }

  /** Shows what is due now: called by the clock while nobody reports. */
  tick(): void {
    this.#show(this.#sink.now());
  }

  /** Takes the board away; what was said stays. */
  close(): void {
    if (this.#drawnLines > 0) this.#sink.write(`${this.#toTop()}\x1b[J`);
    this.#drawnLines = 0;
    this.#stages.clear();
    this.setOverview(() => []);
  }

  /** Somebody else has written to the terminal: the board stays where it is, the next one is drawn below. */
  leaveBoard(): void {
    this.#drawnLines = 0;
  }

  #show(now: number): void {
    if (this.#sink.isTerminal) {
      // What began a moment ago may be over before anybody could read of it.
      const isNew = [...this.#stages.values()].every(({ since }) => now - since < terminalIntervalMs);
      if (isNew || now - this.#drawnAt < terminalIntervalMs) return;
      this.#drawnAt = now;
      const top = this.#toTop();
      this.#sink.write(`${top}${this.#drawn(this.#board())}\x1b[J`);
      return;
    }
    for (const [stage, known] of this.#stages) {
      if (now - known.printed < plainIntervalMs) continue;
      known.printed = now;
      this.#sink.write(`  ${formatRow(rowOf(stage, known, now))}\n`);
    }
  }

  #board(): string[] {
    const { columns, rows } = this.#sink.size?.() ?? { columns: 80, rows: 24 };
    const overview = this.#overview();
    const room = Math.max(1, Math.min(rowsShown, rows - 2 - overview.length));
    const stages = this.rows();
    const shown = stages.slice(0, stages.length > room ? room - 1 : room).map((row) => `  ${formatRow(row)}`);
    if (stages.length > room) shown.push(`  and ${stages.length - shown.length} more`);
    // A line that wraps would be two, and the next board would begin in the middle of this one.
    return [...overview, ...shown].slice(0, Math.max(1, rows - 1)).map((line) => line.slice(0, Math.max(1, columns - 1)));
  }

  /** The cursor stands at the end of the board's last line; this takes it to the begin of its first. */
  #toTop(): string {
    if (this.#drawnLines === 0) return "";
    return this.#drawnLines === 1 ? "\r" : `\r\x1b[${this.#drawnLines - 1}A`;
  }

  /** Lines over those that stood there: nothing is blank for a moment, so nothing flickers. */
  #drawn(lines: readonly string[]): string {
    this.#drawnLines = lines.length;
    return lines.map((line) => `${line}\x1b[K`).join("\n");
  }
}

function rowOf(stage: string, { since, first, last, at }: Known, now: number): StageRow {
  const elapsedSeconds = (now - since) / 1000;
  if (first === undefined || last === undefined) return { stage, elapsedSeconds };
  // Up to the last report: a rate that falls between two of them would say that the stage slows down. A long silence counts.
  const seconds = ((now - at > plainIntervalMs ? now : at) - first.at) / 1000;
  const rate = seconds > 0 ? (last.done - first.done) / seconds : undefined;
  const sinceReport = (now - at) / 1000;
  const left = rate !== undefined && rate > 0 ? Math.max(0, (last.total - last.done) / rate - sinceReport) : undefined;
  return {
    stage,
    elapsedSeconds,
    ...last,
    ...(rate === undefined ? {} : { rate }),
    ...(left === undefined ? {} : { etaSeconds: left }),
  };
}
