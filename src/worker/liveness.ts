// The clocks of one worker: when it was last heard, when its work last moved, since when it claims to be idle. Decides
// what is overdue; acts on nothing. Times are milliseconds of one monotonic clock, given by the caller.
import type { Call } from "./calls.ts";
import type { PoolTimeouts } from "./events.ts";

/** A worker that says it is idle while it owes an answer gets so many times the silence it may keep. */
const idleFactor = 3;

export type Overdue = { readonly kind: "fail"; readonly reason: string } | { readonly kind: "cancel"; readonly call: Call };

export class Liveness {
  readonly #timeouts: PoolTimeouts;
  #heardAt: number;
  #progressAt: number;
  #mark = "";
  #idleSince = 0;

  constructor(timeouts: PoolTimeouts, now: number) {
    this.#timeouts = timeouts;
    this.#heardAt = now;
    this.#progressAt = now;
  }

  /** Anything came from the worker. */
  heard(now: number): void {
    this.#heardAt = now;
  }

  /** Its work moved. */
  moved(now: number): void {
    this.#progressAt = now;
    this.#idleSince = 0;
  }

  /** It says how far it is: that is movement only when the figure has changed. */
  at(job: string, done: number, now: number): void {
    const mark = `${job} ${done}`;
    if (mark !== this.#mark) this.#progressAt = now;
    this.#mark = mark;
  }

  /** Whether it says that it has nothing to do although it holds calls. */
  idle(claimed: boolean, now: number): void {
    if (!claimed) this.#idleSince = 0;
    else if (this.#idleSince === 0) this.#idleSince = now;
  }

  /** The coordinator itself was not listening for so long: that is not the worker's fault. */
  excuse(milliseconds: number): void {
    this.#heardAt += milliseconds;
    this.#progressAt += milliseconds;
  }

  /** What is too late, if anything; `oldest` is the call that the worker has held longest. */
  overdue(oldest: Call | undefined, now: number): Overdue | undefined {
    const { silence, cancel, progress } = this.#timeouts;
    const fail = (reason: string): Overdue => ({ kind: "fail", reason });
    if (now - this.#heardAt > silence) return fail(`gave no sign of life for ${silence / 1000} s`);
    if (!oldest) return undefined;
    if (oldest.cancelledAt > 0) {
      return now - oldest.cancelledAt > cancel
        ? fail(`did not give up ${oldest.primitive} within ${cancel / 1000} s of the cancel`)
        : undefined;
    }
    if (this.#idleSince > 0 && now - this.#idleSince > idleFactor * silence) {
      return fail(`says that it is idle, but never answered ${oldest.primitive}`);
    }
    if (now - this.#progressAt <= progress) return undefined;
    // What a session holds is lost with a cancelled call, so there is nothing to be gentle about.
    if (oldest.ticket) return fail(`made no progress in ${oldest.primitive} for ${progress / 1000} s`);
    return { kind: "cancel", call: oldest };
  }
}
