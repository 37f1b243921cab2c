// Messages from a name that no worker has: of a worker that has just died, or of a process that has no business here.
import { type Decoded, encode } from "../protocol/codec.ts";
import { type FromWorker, protocolVersion } from "../protocol/messages.ts";
import type { PoolEvent } from "./events.ts";

/** All strangers together are answered so often at most: what one that never reads is sent piles up in the socket. */
const answerEveryMs = 1000;

export interface StrangerOwner {
  send(peer: string, frames: readonly Buffer[]): void;
  onEvent(event: PoolEvent): void;
}

export class Strangers {
  readonly #owner: StrangerOwner;
  #answeredAt = Number.NEGATIVE_INFINITY;

  constructor(owner: StrangerOwner) {
    this.#owner = owner;
  }

  /** Reports a message; a hello is answered with why it is refused. */
  receive(peer: string, decoded: Decoded<FromWorker>): void {
    const reason = decoded.ok ? `a ${decoded.message.kind} from nobody we know` : decoded.reason;
    this.#owner.onEvent({ kind: "garbage", peer, reason });
    const now = performance.now();
    if (!decoded.ok || decoded.message.kind !== "hello" || now - this.#answeredAt < answerEveryMs) return;
    this.#answeredAt = now;
    this.#owner.send(peer, encode({ v: protocolVersion, kind: "reject", reason: `no worker is called ${peer}` }));
  }
}
