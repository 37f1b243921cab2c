// A DEALER that waits until the other side takes what it sends, and may send anything. (The workers' own end queues without
// waiting, and it keeps what it sends.)
import { setImmediate as nextTurn } from "node:timers/promises";
import { Dealer } from "zeromq";

/** Sends do not give the event loop a turn by themselves. */
const sendsPerTurn = 32;

export class Peer {
  readonly #socket: Dealer;
  #last: Promise<void> = Promise.resolve();
  #sent = 0;

  /** Without `onMessage` it never reads. */
  constructor(endpoint: string, name: string, onMessage?: (frames: readonly Uint8Array[]) => void) {
    this.#socket = new Dealer({ routingId: name, linger: 0 });
    this.#socket.connect(endpoint);
    if (onMessage) void this.#receive(onMessage);
  }

  async #receive(onMessage: (frames: readonly Uint8Array[]) => void): Promise<void> {
    try {
      for await (const frames of this.#socket) onMessage(frames);
    } catch (error) {
      // close() ends the receive that waits.
      if (!this.#socket.closed) throw error;
    }
  }

  /** Sends in the order of the calls; resolves when the message has left. */
  send(frames: readonly Buffer[]): Promise<void> {
    this.#last = this.#last.then(async () => {
      if (this.#socket.closed) return;
      await this.#socket.send([...frames]);
      if (++this.#sent % sendsPerTurn === 0) await nextTurn();
    });
    return this.#last;
  }

  close(): void {
    this.#socket.close();
  }
}
