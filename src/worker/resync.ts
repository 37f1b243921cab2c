// What to do when a message of a worker, or one to it, was lost or damaged on the way: ask it to say hello again, after
// which both sides send again what is not acknowledged. Knows no messages. Messages keep their order, so one question covers
// all that was lost before its answer. Invariant: at most one question is open; it is repeated until it is answered.

/** Useless messages after which a worker counts as broken, if they are also more than this share of all its messages. */
const garbageLimit = 32;
const garbageShare = 0.25;
/** How long a worker may take to say hello again before it is asked once more. */
const helloAgainMs = 1000;
/** Heartbeats in turn that claim to be idle while a call is owed: then the call, or its answer, was lost. */
const idleBeats = 2;

export interface ResyncOwner {
  /** Asks the worker to say hello. */
  askHello(): void;
  /** A message was dropped. */
  onGarbage(reason: string): void;
  /** The worker is broken. */
  fail(reason: string): void;
}

export class Resync {
  readonly #owner: ResyncOwner;
  #received = 0;
  #garbage = 0;
  /** When hello was asked for; 0 = no question is open. */
  #askedAt = 0;
  #idle = 0;

  constructor(owner: ResyncOwner) {
    this.#owner = owner;
  }

  /** Any message came. */
  received(): void {
    this.#received++;
  }

  /** Something was lost. Returns false when hello is already asked for. */
  ask(): boolean {
    if (this.#askedAt > 0) return false;
    this.#askedAt = performance.now();
    this.#owner.askHello();
    return true;
  }

  /** The worker has said hello. */
  answered(): void {
    this.#askedAt = 0;
  }

  /** A message could not be read. */
  garbage(reason: string): void {
    this.ask();
    this.strike(reason);
  }

  /** A message shows that one before it is missing; all that follow show the same. */
  gap(reason: string): void {
    if (this.ask()) this.strike(reason);
  }

  /** A message was of no use, and asking would not mend it; after too many the worker counts as broken. */
  strike(reason: string): void {
    this.#garbage++;
    this.#owner.onGarbage(reason);
    if (this.#garbage >= garbageLimit && this.#garbage > garbageShare * this.#received)
      this.#owner.fail(`sent ${this.#garbage} useless messages, the last: ${reason}`);
  }

  /** A heartbeat came; `idle`: it claims to have nothing to do although it owes an answer. */
  heartbeat(idle: boolean): void {
    this.#idle = idle ? this.#idle + 1 : 0;
    if (this.#idle >= idleBeats && this.ask()) this.#idle = 0;
  }

  tick(now: number): void {
    if (this.#askedAt === 0 || now - this.#askedAt <= helloAgainMs) return;
    this.answered();
    this.ask();
  }
}
